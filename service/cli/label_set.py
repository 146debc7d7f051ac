"""`hardcase labels`: change the classes of a project, at any time, and show every version of its label set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from db.repositories.projects import projects
from db.session import reading, transaction
from labeling.project import LabelOperation
from service.cli.output import AsJson, ProjectName, actor, emit, in_project, table
from service.labels.label_set import change_label_set, preview, words_of
from service.projects.history import label_sets
from service.projects.label_operations import read_change

app = typer.Typer(no_args_is_help=True)
ClassName = Annotated[str, typer.Argument(metavar="CLASS", help="The class, as it is called now.")]
Reason = Annotated[str, typer.Option(help="Why; it stands beside the version and every label that follows.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")]
Description = Annotated[str, typer.Option(help="The line that explains the class to people and engines.")]


@app.command()
def show(project: ProjectName, as_json: AsJson = False) -> None:
    """Show the classes, and every version of the label set: who changed it, when, how and why.

    Example: hardcase labels show animals
    """
    with in_project(as_json, project) as (hardcase, found):
        versions = label_sets(hardcase.read(projects.history, found.id))
        document = {"label_set": found.config.label_set, "classes": found.config.classes, "versions": versions}
        rows = ([v["version"], v["words"], v["at"][:16], v["author"], v["reason"]] for v in versions)
        heading = f"{len(found.config.classes)} classes: {', '.join(found.config.classes)}"
        emit(as_json, document, heading, table("label set", ["version", "change", "when", "by", "why"], rows))


@app.command()
def add(
    project: ProjectName,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new class.")],
    description: Description = "",
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Add a class. Images that are labelled "none of these" may be of it: ask about them again.

    Example: hardcase labels add animals fox --reason "they came with the new cameras"
    """
    _change(project, LabelOperation.ADD, (), [{"name": name, "description": description}], reason, dry_run, as_json)


@app.command()
def rename(
    project: ProjectName,
    name: ClassName,
    to: Annotated[str, typer.Argument(metavar="TO", help="Its new name.")],
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Give a class another name. Its labels follow at once.

    Example: hardcase labels rename animals cat feline --reason "as the client calls them"
    """
    _change(project, LabelOperation.RENAME, [name], [to], reason, dry_run, as_json)


@app.command()
def merge(
    project: ProjectName,
    names: Annotated[list[str], typer.Argument(metavar="CLASS...", help="The classes that become one.")],
    into: Annotated[str, typer.Option(help="The class that they become: one of them, another one, or a new one.")],
    description: Description = "",
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make one class of several. Their labels follow at once.

    Example: hardcase labels merge animals cat dog --into pet --reason "nobody needs to tell them apart"
    """
    label = {"name": into, "description": description}
    _change(project, LabelOperation.MERGE, names, [label], reason, dry_run, as_json)


@app.command()
def split(
    project: ProjectName,
    name: ClassName,
    into: Annotated[list[str], typer.Option(help="A part; give it once for each.")],
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make several classes of one. People are asked again about every image that is labelled with it.

    Example: hardcase labels split animals dog --into puppy --into "adult dog" --reason "they are priced apart"
    """
    _change(project, LabelOperation.SPLIT, [name], into, reason, dry_run, as_json)


@app.command()
def retire(
    project: ProjectName, name: ClassName, reason: Reason = "", dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Take a class out. Its images are "none of these" from then on, with the reason.

    Example: hardcase labels retire animals ferret --reason "not sold any more"
    """
    _change(project, LabelOperation.RETIRE, [name], [], reason, dry_run, as_json)


def _change(
    project: str,
    operation: LabelOperation,
    classes: Sequence[str],
    into: Sequence[Any],
    reason: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    with in_project(as_json, project) as (hardcase, found):
        change = read_change(operation, classes, into).to_operation()
        if dry_run:
            with reading(hardcase.database) as session:
                effect = preview(session, found, change)
        else:
            with transaction(hardcase.database) as session:
                effect = change_label_set(session, hardcase.jobs, found.id, change, actor(reason))
        lines = words_of(effect, done=not dry_run)
        emit(as_json, {**effect.document, "done": not dry_run}, lambda console: _print(console, lines))


def _print(console: Console, lines: Sequence[str]) -> None:
    for line in lines:
        console.print(Text(line))
