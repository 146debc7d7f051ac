"""Snapshots and releases: frozen states of the labels, what differs between two, and what was released."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from db.repositories.labels import snapshots
from db.repositories.labels.snapshots import Snapshot
from db.repositories.people import audit
from db.session import reading, transaction
from labeling.review.label_sets import Change
from service.labels.snapshots import NAME, compare_states, create
from service.release.files import FIGURES, read_file
from service.web.api.bodies import Body
from service.web.api.paging import PagingDep, SliceOut
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.wiring import PartsDep

LISTED = 1_000
"""So many changes are listed; the counts are over all."""
router = APIRouter(route_class=Guarded, tags=["snapshots"])
Name = Annotated[str, Path(alias="snapshot", max_length=64)]


class SnapshotIn(BaseModel):
    """The name and note of a snapshot of the current labels."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(pattern=f"^{NAME}$")
    note: str = Field(default="", max_length=2_000)


class SnapshotOut(Body):
    """A frozen state of the labels; the same labels have the same `hash`.

    A deletion withdraws labels from it: so many are `withdrawn`, and `state` is the hash of what is left.
    """

    id: int
    name: str
    labels: int
    hash: str
    state: str
    withdrawn: int
    last_label_id: int
    released: bool
    author: str
    note: str
    created_at: datetime


class ReleaseOut(BaseModel):
    """A released snapshot with the figures of that time; docs/how-to/release.md explains them."""

    snapshot: SnapshotOut
    released_by: str
    released_at: datetime
    note: str
    files: dict[str, str] = Field(description="The sha256 of each file of the release.")
    figures: dict[str, Any]


class MoveOut(BaseModel):
    """How many images went from one label to another; null: no label."""

    before: str | None
    after: str | None
    images: int


class ChangeOut(BaseModel):
    """One image whose label was added, removed or changed."""

    content_hash: str
    before: str | None
    after: str | None


class ComparisonOut(BaseModel):
    """What differs. `restated`: the same label for other reasons."""

    added: int
    removed: int
    changed: int
    restated: int
    same: int
    moves: list[MoveOut]
    changes: list[ChangeOut] = Field(description=f"The first {LISTED}.")


@router.get(
    "/api/projects/{project}/snapshots",
    summary="List snapshots, newest first",
    response_model=SliceOut[SnapshotOut],
)
def list_snapshots(paging: PagingDep, released: bool | None = None) -> SliceOut[Snapshot]:
    return paging.slice_of(snapshots.listing, released=released)


@router.post("/api/projects/{project}/snapshots", status_code=201, summary="Freeze the current labels")
def create_snapshot(parts: PartsDep, caller: CallerDep, project: ProjectDep, body: SnapshotIn) -> SnapshotOut:
    """The same name with the same labels gives the existing snapshot; with other labels it is a conflict."""
    now = parts.now()
    made = create(parts.database, parts.settings.home, project, body.name, author=caller.name, note=body.note, now=now)
    with transaction(parts.database) as session:
        audit.record(
            session,
            caller.name,
            "snapshot.create",
            f"{project.id}/{made.name}",
            {"hash": made.state, "labels": made.left},
            now,
            project.id,
        )
    return SnapshotOut.of(made)


@router.get("/api/projects/{project}/snapshots/{snapshot}", summary="Show a snapshot")
def show_snapshot(parts: PartsDep, project: ProjectDep, name: Name) -> SnapshotOut:
    with reading(parts.database) as session:
        return SnapshotOut.of(snapshots.by_name(session, project.id, name))


@router.get("/api/projects/{project}/snapshots/{snapshot}/changes", summary="Compare a snapshot with a later state")
def show_changes(
    parts: PartsDep, project: ProjectDep, name: Name, to: Annotated[str | None, Query(max_length=64)] = None
) -> ComparisonOut:
    """What changed up to the snapshot `to`, or up to the current labels."""
    with reading(parts.database) as session:
        before = snapshots.by_name(session, project.id, name)
        after = None if to is None else snapshots.by_name(session, project.id, to)
    found = compare_states(parts.database, parts.settings.home, project, before, after)
    return ComparisonOut(
        added=len(found.added),
        removed=len(found.removed),
        changed=len(found.changed),
        restated=len(found.restated),
        same=found.same,
        moves=[MoveOut(before=one, after=other, images=count) for one, other, count in found.counts],
        changes=[_change(change) for change in (*found.changed, *found.added, *found.removed)[:LISTED]],
    )


@router.get("/api/projects/{project}/releases/{snapshot}", summary="Show a release with its figures")
def show_release(parts: PartsDep, project: ProjectDep, name: Name) -> ReleaseOut:
    """The figures are read from the release's own file, whose hash is checked."""
    with reading(parts.database) as session:
        snapshot = snapshots.by_name(session, project.id, name)
    figures = json.loads(read_file(parts.settings.home, project, snapshot, FIGURES))
    return ReleaseOut(
        snapshot=SnapshotOut.of(snapshot),
        released_by=snapshot.report["author"],
        released_at=snapshot.report["at"],
        note=snapshot.report["note"],
        files=snapshot.report["files"],
        figures=figures,
    )


def _change(change: Change) -> ChangeOut:
    before, after = change.labels
    return ChangeOut(content_hash=change.content_hash, before=before, after=after)
