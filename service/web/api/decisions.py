"""Decisions: what leads decide about images, those in dispute or undecided, and asking people again."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from db.session import reading, transaction
from db.views.undecided import UndecidedState
from labeling.types import Actor, ImageId, ReviewKind
from service.labels import undecided
from service.labels.corrections import AT_ONCE, ask_people, correct
from service.labels.disputes import Disputed, Said, listed
from service.labels.reannotation import Asked
from service.labels.undecided import UndecidedImage
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["decisions"])
_Image = Annotated[ImageId, Field(ge=1, lt=2**62)]
_Words = Annotated[str, Field(min_length=1, max_length=500)]


class DisputeOut(BaseModel):
    """One image in dispute; of a blind one neither votes nor the engine's prediction are shown."""

    image_id: int
    review_id: int
    kind: ReviewKind
    why: str
    label: str | None
    since: datetime
    waiting: bool = Field(description="Whether another person is being asked.")
    damage: float = Field(description="Expected damage: the list is in this order.")
    blind: bool
    votes: list[Said]
    engine: Said | None


class DisputesOut(BaseModel):
    """The disputes with the highest expected damage, and how many there are in all."""

    items: list[DisputeOut]
    total: int


class UndecidedOut(BaseModel):
    """The images that nobody who was asked could tell, the newest review first, and how many are in each state."""

    items: list[UndecidedImage]
    counts: dict[UndecidedState, int]


class DecisionIn(BaseModel):
    """What an image is: a class, "none of these", "unsure" (undecidable), or null to take a decision back."""

    model_config = ConfigDict(extra="forbid")
    image_id: _Image
    value: Annotated[str, Field(max_length=200)] | None


class DecisionsIn(BaseModel):
    """One decision or many, for one reason; all are taken or none."""

    model_config = ConfigDict(extra="forbid")
    decisions: list[DecisionIn] = Field(min_length=1, max_length=AT_ONCE)
    kind: Literal["correction", "adjudication"] = "correction"
    reason: _Words


class DecidedOut(BaseModel):
    """How many images were decided about; their labels have followed."""

    decided: int


class AskAgainIn(BaseModel):
    """Which images people are asked about again, and why."""

    model_config = ConfigDict(extra="forbid")
    image_ids: list[_Image] = Field(min_length=1, max_length=AT_ONCE)
    reason: _Words


@router.get("/api/projects/{project}/disputes", summary="List images in dispute, highest expected damage first")
def list_disputes(parts: PartsDep, project: ProjectDep, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> DisputesOut:
    with reading(parts.database) as session:
        found = listed(session, project)
    return DisputesOut(items=[_out(one) for one in found[:limit]], total=len(found))


@router.get("/api/projects/{project}/undecided", summary="List images that nobody who was asked could tell")
def list_undecided(
    parts: PartsDep,
    project: ProjectDep,
    state: UndecidedState | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> UndecidedOut:
    """With who was unsure or skipped it, and whether another person is asked, a lead decides, or a lead gave it up."""
    with reading(parts.database) as session:
        found = undecided.listed(session, project)
    counts = Counter(one.state for one in found)
    items = [one for one in found if state in (None, one.state)][:limit]
    return UndecidedOut(items=items, counts={one: counts[one] for one in UndecidedState})


@router.post("/api/projects/{project}/decisions", summary="Decide about images")
def decide(parts: PartsDep, caller: CallerDep, project: ProjectDep, body: DecisionsIn) -> DecidedOut:
    """The label follows at once, whatever people answered; the author is the name of the key."""
    by_value: dict[str | None, list[ImageId]] = defaultdict(list)
    for one in body.decisions:
        by_value[one.value].append(one.image_id)
    by = Actor(caller.name, body.reason, parts.now())
    with transaction(parts.database) as session:
        decided = sum(
            correct(session, parts.jobs, project, images, value, by, body.kind) for value, images in by_value.items()
        )
    return DecidedOut(decided=decided)


@router.post("/api/projects/{project}/ask-again", summary="Ask people again about images")
def ask_again(parts: PartsDep, caller: CallerDep, project: ProjectDep, body: AskAgainIn) -> Asked:
    """Asks another person in the existing review, or makes a new review; nobody is asked twice."""
    by = Actor(caller.name, body.reason, parts.now())
    with transaction(parts.database) as session:
        return ask_people(session, parts.jobs, project, body.image_ids, by)


def _out(one: Disputed) -> DisputeOut:
    return DisputeOut.model_validate({**asdict(one.dispute), **asdict(one), "damage": round(one.damage, 4)})
