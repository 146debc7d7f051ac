"""`hardcase team`: how each annotator does, and what a lead does about one: pause, resume, void."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from db.repositories.people import annotators
from db.repositories.people.annotators import Annotator
from db.session import reading, transaction
from labeling.project import Project
from labeling.types import Actor
from service.cli.output import AsJson, ProjectName, author, connected, emit, failing_clearly, table
from service.figures.figures import stored
from service.figures.team import Person, Team
from service.labels import annotators as team
from service.labels.annotators import Voided
from service.projects.pseudonyms import shown_name

__all__ = ["app"]

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
    with failing_clearly(as_json), connected() as hardcase:
        found = hardcase.project(project)
        with reading(hardcase.database) as session:
            one = None if annotator is None else annotators.by_id(session, found.id, annotator)
            people = [one] if one else annotators.everyone(session, found.id)
            counted = stored(session, found.id, Team)
        rows = [_document(found, person, counted.of(person.id) if counted else None) for person in people]
        document = {"annotators": rows}
        emit(as_json, document, lambda console: _show(console, document["annotators"]))


@app.command()
def pause(project: ProjectName, annotator: Number, reason: Reason, as_json: AsJson = False) -> None:
    """Let what somebody answers from now on count for nothing.

    Example: hardcase team pause animals 3 --reason "new here, guidelines not read"
    """
    _switch(team.pause, project, annotator, reason, as_json)


@app.command()
def resume(project: ProjectName, annotator: Number, reason: Reason, as_json: AsJson = False) -> None:
    """Let somebody's answers count again from now on.

    Example: hardcase team resume animals 3 --reason "has read them"
    """
    _switch(team.resume, project, annotator, reason, as_json)


@app.command()
def void(project: ProjectName, annotator: Number, reason: Reason, as_json: AsJson = False) -> None:
    """Let everything that somebody has answered count for nothing, and ask others again.

    Example: hardcase team void animals 3 --reason "answered without looking"
    """
    with failing_clearly(as_json), connected() as hardcase:
        found = hardcase.project(project)
        with transaction(hardcase.database) as session:
            by = Actor(author(), reason, datetime.now(UTC))
            voided: Voided = team.void_answers(session, hardcase.jobs, found, annotator, by)
        document = asdict(voided)
        words = f"{voided.answers} answers about {voided.images} images count no more; {voided.labels} labels changed."
        emit(as_json, document, words)


def _switch(what: Any, project: str, annotator: int, reason: str, as_json: bool) -> None:
    with failing_clearly(as_json), connected() as hardcase:
        found = hardcase.project(project)
        with transaction(hardcase.database) as session:
            by = Actor(author(), reason, datetime.now(UTC))
            person = what(session, hardcase.jobs, found, annotator, by)
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


def _show(console: Console, people: list[dict[str, Any]]) -> None:
    columns = ["", "annotator", "answers", "right on gold", "agrees", "anchoring", "seconds", "state"]
    console.print(table("team", columns, [_row(one) for one in people]))
    for one in people:
        figures = one["figures"] or {}
        for finding in [] if one["paused"] else figures.get("findings", []):
            console.print(f"{one['name']} {finding['harm']}: the rule would pause them.", markup=False)
        if one["paused"]:
            console.print(f"{one['name']} is paused: {one['reason']}", markup=False)


def _row(one: dict[str, Any]) -> list[object]:
    figures = one["figures"]
    state = "paused" if one["paused"] else ""
    if figures is None:
        return [one["id"], one["name"], 0, "", "", "", "", state]
    shares = [_share(figures[name]) for name in ("gold", "agreement", "anchoring")]
    seconds = figures["times"]["median_s"]
    return [one["id"], one["name"], figures["answers"], *shares, "" if seconds is None else f"{seconds:.1f}", state]


def _share(known: dict[str, Any]) -> str:
    if not known["known"]:
        return f"not yet known, of {known['n']}"
    return f"{known['value']:.1%} [{known['lower']:.1%}, {known['upper']:.1%}] of {known['n']}"
