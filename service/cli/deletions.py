"""`hardcase delete`: have something deleted for good, after a look at what goes; list deletions; lift one."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import typer
from sqlalchemy.orm import Session

from db.repositories.deletions import deletions
from db.repositories.deletions.deletions import Deletion
from db.session import transaction
from db.views import listings
from labeling.jobs import JobName
from labeling.project import Project
from labeling.types import DeletionKind
from service.cli.output import AsJson, Connected, Here, ProjectName, actor, connected, do_job, emit, in_project, table
from service.deletions.orders import Preview, lift, order, preview

SHOWN = 1_000
app = typer.Typer(no_args_is_help=True)
Reason = Annotated[str, typer.Option(help="Why; it is kept, so do not name what is deleted in it.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it. Without it only what would go is shown, and asked for.")]


@app.command()
def image(
    project: ProjectName,
    number: Annotated[int, typer.Argument(metavar="IMAGE", help="The image's number.")],
    reason: Reason = "",
    yes: Yes = False,
    as_json: AsJson = False,
    here: Here = False,
) -> None:
    """Delete an image with everything that is known of it.

    Example: hardcase delete image animals 17 --reason "the owner took consent back" --yes
    """
    _delete(DeletionKind.IMAGE, project, number, reason, yes, as_json, here)


@app.command()
def source(
    project: ProjectName,
    number: Annotated[
        int | None, typer.Argument(metavar="SOURCE", help="The source's number; none: list them.")
    ] = None,
    reason: Reason = "",
    yes: Yes = False,
    as_json: AsJson = False,
    here: Here = False,
) -> None:
    """Delete a source with the images that only it has named; without a number, list the sources.

    Example: hardcase delete source animals 2 --reason "the contract has ended" --yes
    """
    if number is not None:
        _delete(DeletionKind.SOURCE, project, number, reason, yes, as_json, here)
        return
    with in_project(as_json, project) as (hardcase, found):
        items = hardcase.read(listings.sources, found.id, after=None, limit=SHOWN).items
        shown = table("sources", ["number", "address"], ([one.id, one.address] for one in items))
        emit(as_json, msgspec.to_builtins(items), shown)


@app.command()
def annotator(
    project: ProjectName,
    number: Annotated[int, typer.Argument(metavar="ANNOTATOR", help="The annotator's number (`team show`).")],
    reason: Reason = "",
    yes: Yes = False,
    as_json: AsJson = False,
    here: Here = False,
) -> None:
    """Delete an annotator's name, e-mail address and account; their answers stay, as nobody's.

    Example: hardcase delete annotator animals 3 --reason "has left and asked for it" --yes
    """
    _delete(DeletionKind.ANNOTATOR, project, number, reason, yes, as_json, here)


@app.command("project")
def project_(
    project: ProjectName, reason: Reason = "", yes: Yes = False, as_json: AsJson = False, here: Here = False
) -> None:
    """Delete a whole project, and its project in Label Studio.

    Example: hardcase delete project animals --reason "finished and delivered" --yes
    """
    _delete(DeletionKind.PROJECT, project, None, reason, yes, as_json, here)


@app.command("list")
def list_(
    project: Annotated[str, typer.Argument(metavar="[PROJECT]", help="Default: projects that were deleted.")] = "",
    as_json: AsJson = False,
) -> None:
    """List what was deleted: what, when, who and why; and what is not removed everywhere yet.

    Example: hardcase delete list animals
    """
    if project:
        with in_project(as_json, project) as (hardcase, found):
            _show(as_json, list(hardcase.read(deletions.listing, found.id, after=None, limit=SHOWN).items))
        return
    with connected(as_json) as hardcase:
        _show(as_json, hardcase.read(deletions.of_projects))


@app.command("lift")
def lift_(
    project: ProjectName,
    number: Annotated[int, typer.Argument(metavar="DELETION", help="The deletion's number (`delete list`).")],
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Let in again what a deletion removed, if its source still has it. Labels do not come back.

    Example: hardcase delete lift animals 4 --reason "it was the wrong image"
    """
    with in_project(as_json, project) as (hardcase, found):
        with transaction(hardcase.database) as session:
            marks = lift(session, hardcase.jobs, found, number, actor(reason))
        emit(as_json, {"deletion": number, "marks": marks}, f"{marks} names and pictures may come in again.")


def _delete(
    kind: DeletionKind, name: str, number: int | None, reason: str, yes: bool, as_json: bool, here: bool
) -> None:
    with in_project(as_json, name) as (hardcase, found):
        subject = found.id if number is None else number
        if not yes and not _agreed(hardcase.read(preview, found, kind, subject), as_json):
            return

    def first(hardcase: Connected, session: Session, project: Project) -> None:
        order(session, hardcase.jobs, project, kind, subject, actor(reason))

    do_job(JobName.DELETE, name, as_json=as_json, here=here, first=first)


def _agreed(shown: Preview, as_json: bool) -> bool:
    """Show what would go; where somebody sits at a terminal, ask them."""
    counts = {name: getattr(shown, name) for name in ("images", "answers", "labels", "tasks")}
    rows = [[name, number] for name, number in counts.items() if number]
    emit(as_json, msgspec.to_builtins(shown), table(f"{shown.name}: this would go", ["what", "how many"], rows))
    if as_json:
        return False
    emit(False, None, *shown.words, "It cannot be undone.")
    if sys.stdin.isatty():
        return typer.confirm("Delete it?")
    emit(False, None, "Nothing was deleted. Say it again with --yes.")
    return False


def _show(as_json: bool, found: list[Deletion]) -> None:
    rows = (
        [
            *(one.id, f"{one.kind.value} {one.subject}", f"{one.asked_at:%Y-%m-%d %H:%M}", one.author, one.reason),
            ", ".join(f"{number} {name}" for name, number in one.counts.items()),
            "not removed everywhere yet" if one.ended_at is None else "; ".join(one.notes),
        ]
        for one in found
    )
    columns = ["number", "what", "when", "by", "why", "went", ""]
    emit(as_json, [msgspec.to_builtins(one) for one in found], table("deletions", columns, rows))
