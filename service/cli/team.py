"""`hardcase team`: each annotator's figures, what a lead can do (pause, resume, void), and all data about one."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from db.repositories.people import annotators, audit
from db.repositories.people.annotators import Annotator
from db.session import reading, transaction
from db.views import dashboard
from labeling.errors import Conflict
from labeling.project import Project
from service.cli.output import AsJson, ProjectName, actor, author, emit, in_project, label_studio, table
from service.deletions.people import data_of
from service.figures.figures import name_of, outdated, read
from service.figures.team import Person, Team
from service.labels import annotators as team
from service.projects.pseudonyms import shown_name

app = typer.Typer(no_args_is_help=True)
Number = Annotated[int, typer.Argument(metavar="ANNOTATOR", help="The annotator's number, as `team show` lists it.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept.")]


@app.command()
def show(
    project: ProjectName,
    annotator: Annotated[
        int | None, typer.Argument(metavar="ANNOTATOR", help="Only this one, with all figures.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show how each annotator does, and who is paused.

    Example: hardcase team show animals
    """
    with in_project(as_json, project) as (hardcase, found):
        with reading(hardcase.database) as session:
            one = None if annotator is None else annotators.by_id(session, found.id, annotator)
            people = [one] if one else annotators.everyone(session, found.id)
            figures = dashboard.figures(session, found.id)
        counted = read(figures, Team)
        rows = [_document(found, person, counted.of(person.id) if counted else None) for person in people]
        is_old = name_of(Team) in outdated(figures)
        emit(as_json, {"annotators": rows, "outdated": is_old}, lambda console: _show(console, rows, is_old))


@app.command()
def pause(project: ProjectName, annotator: Number, reason: Reason, as_json: AsJson = False) -> None:
    """Ignore an annotator's answers from now on.

    Example: hardcase team pause animals 3 --reason "new here, guidelines not read"
    """
    _switch(team.pause, project, annotator, reason, as_json)


@app.command()
def resume(project: ProjectName, annotator: Number, reason: Reason, as_json: AsJson = False) -> None:
    """Count an annotator's answers again from now on.

    Example: hardcase team resume animals 3 --reason "has read them"
    """
    _switch(team.resume, project, annotator, reason, as_json)


@app.command()
def void(project: ProjectName, annotator: Number, reason: Reason, as_json: AsJson = False) -> None:
    """Void all answers of an annotator, and ask others again.

    Example: hardcase team void animals 3 --reason "answered without looking"
    """
    with in_project(as_json, project) as (hardcase, found):
        with transaction(hardcase.database) as session:
            voided = team.void_answers(session, hardcase.jobs, found, annotator, actor(reason))
        words = f"{voided.answers} answers about {voided.images} images count no more; {voided.labels} labels changed."
        emit(as_json, asdict(voided), words)


@app.command("export-data")
def export_data(
    project: ProjectName,
    annotator: Number,
    to: Annotated[Path, typer.Argument(metavar="TO", help="The file to write; it must not be there yet.")],
    as_json: AsJson = False,
) -> None:
    """Write everything that is kept about an annotator into one file, to be given to them.

    Example: hardcase team export-data animals 3 ann.json
    """
    with in_project(as_json, project) as (hardcase, found):
        with label_studio(hardcase.settings) as studio:
            document = data_of(hardcase.database, found, annotator, studio.account)
        if to.exists():
            raise Conflict(f"{to} is there already. Name a file that is not.")
        to.write_text(json.dumps(document, default=str, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        to.chmod(0o600)
        with transaction(hardcase.database) as session:
            subject, now = found.config.name, datetime.now(UTC)
            audit.record(session, author(), "team.export-data", subject, {"annotator": annotator}, now, found.id)
        answers = len(document["answers"])
        emit(as_json, {"file": str(to), "answers": answers}, f"{to}: {answers} answers, and what was found of them.")


def _switch(what: Any, project: str, annotator: int, reason: str, as_json: bool) -> None:
    with in_project(as_json, project) as (hardcase, found):
        with transaction(hardcase.database) as session:
            person = what(session, hardcase.jobs, found, annotator, actor(reason))
        document = _document(found, person, None)
        emit(as_json, document, f"{document['name']} is {'paused' if person.paused else 'taking part'}.")


def _document(project: Project, one: Annotator, figures: Person | None) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": shown_name(project, one.id, one.name),
        "paused": one.paused,
        "reason": one.reason,
        "by": one.author,
        "since": one.since,
        "figures": None if figures is None else msgspec.to_builtins(figures),
    }


def _show(console: Console, people: list[dict[str, Any]], is_old: bool) -> None:
    columns = ["", "annotator", "answers", "right on gold", "agrees", "anchoring", "seconds", "state"]
    console.print(table("team", columns, [_row(one) for one in people]))
    if is_old:
        console.print("The figures are being computed again: they were stored by another version of hardcase.")
    for one in people:
        figures = one["figures"] or {}
        if figures and figures["cannot_tell"]["value"]:
            console.print(f"{one['name']} cannot tell {_share(figures['cannot_tell'])} images.", markup=False)
        for finding in [] if one["paused"] else figures.get("findings", []):
            console.print(f"{one['name']} {finding['harm']}: the rule would pause them.", markup=False)
        if one["paused"]:
            console.print(f"{one['name']} is paused: {one['reason']}", markup=False)


def _row(one: dict[str, Any]) -> list[object]:
    figures = one["figures"]
    state = "paused" if one["paused"] else ""
    if figures is None:
        return [one["id"], one["name"], "", "", "", "", "", state]
    shares = [_share(figures[name]) for name in ("gold", "agreement", "anchoring")]
    seconds = figures["times"]["median_s"]
    return [one["id"], one["name"], figures["answers"], *shares, "" if seconds is None else f"{seconds:.1f}", state]


def _share(known: dict[str, Any]) -> str:
    if not known["known"]:
        return f"not yet known, of {known['n']}"
    return f"{known['value']:.1%} [{known['lower']:.1%}, {known['upper']:.1%}] of {known['n']}"
