"""Deletions: have something deleted for good, see what was, and let something come in again. For admins.

A deletion is carried out by the worker; until it has ended something of it may still lie somewhere.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from db.repositories.deletions import deletions
from db.repositories.deletions.deletions import Deletion
from db.session import reading, transaction
from labeling.types import Actor, DeletionKind
from service.deletions.orders import lift, order, preview
from service.web.api.bodies import Body
from service.web.api.paging import PagingDep, SliceOut
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["deletions"])
DeletionId = Annotated[int, Path(ge=1, lt=2**62, description="A deletion's number.")]


class DeletionIn(BaseModel):
    """What to delete: its kind and number; a project's number is its own."""

    model_config = ConfigDict(extra="forbid")
    kind: DeletionKind
    number: int = Field(ge=1, lt=2**62)
    reason: str = Field(min_length=1, max_length=500, description="It is kept: do not name what is deleted in it.")
    preview: bool = Field(default=False, description="Only say what would go.")


class PreviewOut(Body):
    """What goes with it; `measured` of the images belong to the random stream."""

    name: str
    images: int
    answers: int
    labels: int
    tasks: int
    measured: int
    words: list[str]


class DeletionOut(Body):
    """One deletion; `ended_at` is null while something of it may still lie somewhere."""

    id: int
    kind: DeletionKind
    subject: int
    author: str
    reason: str
    counts: dict[str, int]
    notes: list[str]
    asked_at: datetime
    ended_at: datetime | None


class OrderedOut(BaseModel):
    """What goes, and the deletion; null for a preview."""

    preview: PreviewOut
    deletion: DeletionOut | None


class LiftIn(BaseModel):
    """Why it may come in again."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=1, max_length=500)


class LiftedOut(BaseModel):
    """How many names and pictures may come in again."""

    marks: int


@router.get("/api/projects/{project}/deletions", summary="List what was deleted", response_model=SliceOut[DeletionOut])
def list_deletions(paging: PagingDep) -> SliceOut[Deletion]:
    return paging.slice_of(deletions.listing)


@router.post("/api/projects/{project}/deletions", status_code=202, summary="Delete something for good")
def delete(parts: PartsDep, caller: CallerDep, project: ProjectDep, body: DeletionIn) -> OrderedOut:
    """It cannot be undone. The rows go first, then what lies elsewhere; an outage there is waited for."""
    with reading(parts.database) as session:
        shown = PreviewOut.of(preview(session, project, body.kind, body.number))
    if body.preview:
        return OrderedOut(preview=shown, deletion=None)
    by = Actor(caller.name, body.reason, parts.now())
    with transaction(parts.database) as session:
        made = order(session, parts.jobs, project, body.kind, body.number, by)
    return OrderedOut(preview=shown, deletion=DeletionOut.of(made))


@router.post("/api/projects/{project}/deletions/{deletion_id}/lift", summary="Let in again what was deleted")
def lift_deletion(
    parts: PartsDep, caller: CallerDep, project: ProjectDep, deletion_id: DeletionId, body: LiftIn
) -> LiftedOut:
    """What its source still has, comes in again as something new; labels do not come back."""
    by = Actor(caller.name, body.reason, parts.now())
    with transaction(parts.database) as session:
        return LiftedOut(marks=lift(session, parts.jobs, project, deletion_id, by))
