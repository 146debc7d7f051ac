"""`hardcase project`: make a project from a YAML file, show it, change its policy, list its versions."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from db.repositories.people import audit
from db.repositories.projects import projects
from db.session import transaction
from labeling.project import Project, ProjectConfig
from service.cli.output import AsJson, ProjectName, actor, author, connected, emit, in_project, table
from service.projects.advice import advice
from service.projects.history import history
from service.projects.measuring import cost_of_measuring
from service.projects.project_file import parse_project, retired_keys
from service.written_files import read_text
from service.written_yaml import read_yaml

_SHOWN = 20
app = typer.Typer(no_args_is_help=True)
ProjectYaml = Annotated[
    Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help="The project's YAML file.")
]


@app.command()
def create(file: ProjectYaml, as_json: AsJson = False) -> None:
    """Make a project from a YAML file.

    Example: hardcase project create animals.yaml
    """
    with connected(as_json) as hardcase:
        config = config_in(file)
        by, now = author(), datetime.now(UTC)
        with transaction(hardcase.database) as session:
            made = projects.create(session, config, salt=secrets.token_hex(16), author=by, now=now)
            audit.record(session, by, "project.create", config.name, {}, now, made.id)
        heading = f"Made project {made.config.name} ({made.id})."
        emit(as_json, _document(made), heading, _labels(config), cost_of_measuring(made), *_notes(file, config))


@app.command()
def edit(
    project: ProjectName,
    file: ProjectYaml,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the project's history.")] = "",
    as_json: AsJson = False,
) -> None:
    """Put a changed YAML file in force: guidelines, descriptions, policy. Classes change with `hardcase labels`.

    Example: hardcase project edit animals animals.yaml --reason "clearer guidelines"
    """
    with in_project(as_json, project) as (hardcase, found):
        config, by = config_in(file), actor(reason)
        with transaction(hardcase.database) as session:
            made = projects.configure(session, found.id, config, by)
            detail = {"version": made.config_version, "reason": reason}
            audit.record(session, by.author, "project.edit", config.name, detail, by.now, found.id)
        emit(as_json, _document(made), f"Version {made.config_version} is in force.", *_notes(file, config))


@app.command()
def show(project: ProjectName, as_json: AsJson = False) -> None:
    """Show a project's configuration.

    Example: hardcase project show animals
    """
    with in_project(as_json, project) as (hardcase, found):
        heading = f"{found.config.name} ({found.id}), version {found.config_version}"
        labels = table("labels", ["name", "description"], ([one.name, one.description] for one in found.config.labels))
        policy = msgspec.to_builtins(found.config.policy)
        emit(as_json, _document(found), heading, labels, lambda console: console.print_json(data=policy))


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List all projects.

    Example: hardcase project list
    """
    with connected(as_json) as hardcase:
        everyone = hardcase.read(projects.everyone)
        rows = ([p.id, p.config.name, len(p.config.labels), p.created_at.date()] for p in everyone)
        shown = table("projects", ["id", "name", "labels", "since"], rows)
        emit(as_json, [_document(p) for p in everyone], shown)


@app.command("history")
def history_(project: ProjectName, as_json: AsJson = False) -> None:
    """Show every version of a project's configuration: who, when, why, and what changed.

    Example: hardcase project history animals
    """
    with in_project(as_json, project) as (hardcase, found):
        versions = history(hardcase.read(projects.history, found.id))
        emit(as_json, versions, lambda console: _show_history(console, versions))


def _show_history(console: Console, versions: list[dict[str, Any]]) -> None:
    for version in versions:
        heading = f"version {version['version']}, {version['at'][:16]}, by {version['author']}: {version['reason']}"
        console.print(Text(heading, style="bold"))
        changed = version["changed"] or {"guidelines": [], "labels": [], "policy": []}
        parts = [*((one["label"], one["changes"]) for one in changed["labels"]), ("policy", changed["policy"])]
        lines = [f"{name}.{c['key']}: {c['before']} -> {c['after']}" for name, changes in parts for c in changes]
        for line in (*changed["guidelines"][2:], *lines):
            console.print(Text(f"  {line}"))


def config_in(file: Path) -> ProjectConfig:
    """The content of a project file; Invalid names every mistake."""
    return parse_project(read_text(file))


def _labels(config: ProjectConfig) -> str:
    """The labels as they were read, a line each, so that a comma or quote that was meant otherwise shows at once."""
    more = [f"and {len(config.classes) - _SHOWN} more"] if len(config.classes) > _SHOWN else []
    return "\n  ".join([f"{len(config.classes)} labels:", *config.classes[:_SHOWN], *more])


def _notes(file: Path, config: ProjectConfig) -> list[str]:
    """A note for each choice that is seldom meant, and one where keys of an older hardcase mean nothing any more."""
    found = retired_keys(read_yaml(read_text(file)).content)
    if not found:
        return advice(config)
    names, verb = ", ".join(f"`{key}`" for key in found), "mean" if len(found) > 1 else "means"
    retired = f"Note: {names} {verb} nothing any more: one random stream measures (docs/reference/random-stream.md)."
    return [*advice(config), retired]


def _document(project: Project) -> dict[str, Any]:
    document: dict[str, Any] = {**msgspec.to_builtins(project), "measuring": cost_of_measuring(project)}
    document.pop("salt")  # it decides which images the random stream draws
    return document
