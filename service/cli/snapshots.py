"""`hardcase snapshot` and `release`: freeze a project's labels under a name, compare two states, release them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from db.repositories.labels import snapshots
from db.repositories.labels.snapshots import Snapshot
from db.repositories.people import audit
from db.session import transaction
from labeling.review.label_sets import Change, Comparison
from service.cli.output import AsJson, ProjectName, author, emit, fields_of, in_project, progress, table
from service.labels.snapshots import compare_states, create, rebuild, verify

SHOWN = 20
app = typer.Typer(no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The snapshot's name.")]


@app.command("create")
def create_(
    project: ProjectName,
    name: Name,
    note: Annotated[str, typer.Option(help="What it is for.")] = "",
    as_json: AsJson = False,
) -> None:
    """Freeze the current labels. The same name with the same labels gives the same snapshot.

    Example: hardcase snapshot create animals v1 --note "before the night images"
    """
    with in_project(as_json, project) as (hardcase, found):
        now = datetime.now(UTC)
        made = create(hardcase.database, hardcase.settings.home, found, name, author=author(), note=note, now=now)
        with transaction(hardcase.database) as session:
            audit.record(
                session,
                author(),
                "snapshot.create",
                f"{found.id}/{name}",
                {"hash": made.state, "labels": made.left},
                now,
                found.id,
            )
        emit(as_json, _document(made), f"{made.name}: {made.left} labels, {made.state}")


@app.command("list")
def list_(project: ProjectName, as_json: AsJson = False) -> None:
    """List the snapshots, newest first.

    Example: hardcase snapshot list animals
    """
    with in_project(as_json, project) as (hardcase, found):
        kept = hardcase.read(snapshots.listing, found.id, after=None, limit=1_000).items
        columns = ["name", "labels", "withdrawn", "hash", "made", "by", "released"]
        rows = (
            [
                *(s.name, s.labels, s.withdrawn or "", s.hash[:12], f"{s.created_at:%Y-%m-%d %H:%M}", s.author),
                "yes" if s.released else "",
            ]
            for s in kept
        )
        emit(as_json, [_document(s) for s in kept], table("snapshots", columns, rows))


@app.command()
def show(project: ProjectName, name: Name, as_json: AsJson = False) -> None:
    """Show one snapshot.

    Example: hardcase snapshot show animals v1
    """
    with in_project(as_json, project) as (hardcase, found):
        kept = hardcase.read(snapshots.by_name, found.id, name)
        emit(as_json, _document(kept), table(kept.name, ["", ""], _document(kept).items()))


@app.command()
def compare(
    project: ProjectName,
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="The earlier snapshot.")],
    after: Annotated[str, typer.Argument(metavar="[AFTER]", help="The later one; default: the current labels.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show what was added, removed and changed between two snapshots, or since one.

    Example: hardcase snapshot compare animals v1 v2
    """
    with in_project(as_json, project) as (hardcase, found):
        first = hardcase.read(snapshots.by_name, found.id, before)
        second = hardcase.read(snapshots.by_name, found.id, after) if after else None
        changes = compare_states(hardcase.database, hardcase.settings.home, found, first, second)
        emit(as_json, _differences(before, after, changes), *_changes(changes))


@app.command("verify")
def verify_(
    project: ProjectName,
    name: Name,
    again: Annotated[bool, typer.Option("--rebuild", help="Write its file again from the labels first.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check that the labels and the file still give the snapshot's hash.

    Example: hardcase snapshot verify animals v1
    """
    with in_project(as_json, project) as (hardcase, found):
        kept = hardcase.read(snapshots.by_name, found.id, name)
        kept = (rebuild if again else verify)(hardcase.database, hardcase.settings.home, found, kept)
        document = {"name": name, "hash": kept.hash, "state": kept.state, "ok": True}
        less = f", less {kept.withdrawn} labels that were deleted" if kept.withdrawn else ""
        emit(as_json, document, f"{name} is as it was made{less}: {kept.state}")


def release(
    project: ProjectName,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The release's name; a snapshot of that name is taken.")],
    note: Annotated[str, typer.Option(help="What the labels may be used for, their licence, what to know.")] = "",
    as_json: AsJson = False,
) -> None:
    """Freeze the labels with their figures into one page, under your name.

    Example: hardcase release animals v1 --note "For internal use. Night images are missing."
    """
    from labeling.adapters.storage.image_store import ImageStore
    from service.release import release as making
    from service.release.files import PAGE, folder_of

    with in_project(as_json, project) as (hardcase, found):
        home = hardcase.settings.home
        order = making.Order(name, author(), note, datetime.now(UTC))
        with progress("labels", as_json) as bar:
            images = ImageStore(hardcase.settings.storage)
            made = making.release(hardcase.database, home, images, found, order, bar.tick)
        page = folder_of(home, found, made.name).absolute() / PAGE
        document = {**fields_of(made, ("name", "labels", "hash", "withdrawn", "state")), "page": page}
        emit(as_json, document, f"{made.left} labels released: {page}")


def _document(snapshot: Snapshot) -> dict[str, Any]:
    names = ("name", "labels", "hash", "withdrawn", "state", "last_label_id", "released", "author", "note")
    return fields_of(snapshot, (*names, "created_at", "path"))


def _differences(before: str, after: str, found: Comparison) -> dict[str, Any]:
    return {
        "before": before,
        "after": after or None,
        "same": found.same,
        "moves": [{"before": one, "after": other, "images": count} for one, other, count in found.counts],
        **{name: _listed(getattr(found, name)) for name in ("added", "removed", "changed", "restated")},
    }


def _listed(changes: Sequence[Change]) -> list[dict[str, str | None]]:
    return [{"content_hash": c.content_hash, "before": c.labels[0], "after": c.labels[1]} for c in changes]


def _changes(found: Comparison) -> Iterator[str | Table]:
    yield (
        f"{len(found.added)} added, {len(found.removed)} removed, {len(found.changed)} changed, "
        f"{len(found.restated)} the same with other evidence, {found.same} the same"
    )
    moves = [[one or "no label", other or "no label", count] for one, other, count in found.counts]
    if moves:
        yield table("by class", ["before", "after", "images"], moves)
    listed = [[one.content_hash, *(label or "no label" for label in one.labels)] for one in found.changed[:SHOWN]]
    if listed:
        title = f"changed (the first {SHOWN}; --json lists all)" if len(found.changed) > SHOWN else "changed"
        yield table(title, ["image", "before", "after"], listed)
