"""Decisions: what leads decide about images, the images in dispute, and asking people again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from db.session import reading, transaction
from db.views import label_list
from labeling.errors import Invalid
from labeling.project import Project
from labeling.types import Actor, ImageId, ReviewKind
from service.labels.corrections import AT_ONCE, ask_people, correct, take_back
from service.labels.disputes import Disputed, listed
from service.web.api.answers import Answer
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.wiring import PartsDep, WebParts

router = APIRouter(route_class=Guarded, tags=["decisions"])
_Number = Annotated[int, Field(ge=1, lt=2**62)]
_Words = Annotated[str, Field(min_length=1, max_length=500)]


class SaidOut(Answer):
    """One voice; `probability` only where an engine gave one."""

    who: str
    answer: str
    probability: float | None


class DisputeOut(BaseModel):
    """One image in dispute; a blind one tells neither votes nor the engine's opinion."""

    image_id: int
    review_id: int
    kind: ReviewKind
    why: str
    label: str | None
    since: datetime
    waiting: bool = Field(description="Whether another person is being asked.")
    damage: float = Field(description="Expected damage: the list is in this order.")
    blind: bool
    votes: list[SaidOut]
    engine: SaidOut | None


class DisputesOut(BaseModel):
    """The dearest disputes, and how many there are in all."""

    items: list[DisputeOut]
    total: int


class DecisionIn(BaseModel):
    """What an image is: a class, "none of these", "unsure" (no label), or null to take a decision back."""

    model_config = ConfigDict(extra="forbid")
    image_id: _Number
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
    """Which images people are to look at again, and why."""

    model_config = ConfigDict(extra="forbid")
    image_ids: list[_Number] = Field(min_length=1, max_length=AT_ONCE)
    reason: _Words


class AskedAgainOut(Answer):
    """How many reviews want another person now, how many were newly made, how many were open already."""

    another: int
    new: int
    open: int


@router.get("/api/projects/{project}/disputes", summary="List images in dispute, the dearest first")
def list_disputes(parts: PartsDep, project: ProjectDep, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> DisputesOut:
    with reading(parts.database) as session:
        found = listed(session, project)
    return DisputesOut(items=[_out(one) for one in found[:limit]], total=len(found))


@router.post("/api/projects/{project}/decisions", summary="Decide about images")
def decide(parts: PartsDep, caller: CallerDep, project: ProjectDep, body: DecisionsIn) -> DecidedOut:
    """The label follows at once, whatever people answered; the author is the name of the key."""
    _check(parts, project, [one.image_id for one in body.decisions])
    by_value: dict[str | None, list[ImageId]] = {}
    for one in body.decisions:
        by_value.setdefault(one.value, []).append(ImageId(one.image_id))
    decided = 0
    by = Actor(caller.name, body.reason, parts.now())
    with transaction(parts.database) as session:
        for value, images in by_value.items():
            if value is None:
                decided += take_back(session, parts.jobs, project, images, by)
            else:
                decided += correct(session, parts.jobs, project, images, value, by, body.kind)
    return DecidedOut(decided=decided)


@router.post("/api/projects/{project}/ask-again", summary="Ask people again about images")
def ask_again(parts: PartsDep, caller: CallerDep, project: ProjectDep, body: AskAgainIn) -> AskedAgainOut:
    """Another person on the review that stands, or a new review; whoever answered already is not asked twice."""
    _check(parts, project, body.image_ids)
    images = [ImageId(image) for image in body.image_ids]
    with transaction(parts.database) as session:
        asked = ask_people(session, parts.jobs, project, images, Actor(caller.name, body.reason, parts.now()))
    return AskedAgainOut.of(asked)


def _check(parts: WebParts, project: Project, image_ids: list[int]) -> None:
    with reading(parts.database) as session:
        found = label_list.of_images(session, project.id, [ImageId(image) for image in image_ids])
    missing = set(image_ids) - {item.image_id for item in found}
    if missing:
        raise Invalid(f"This project has no image {min(missing)}; nothing was changed. Leave it out.")


def _out(one: Disputed) -> DisputeOut:
    return DisputeOut(
        image_id=one.dispute.image_id,
        review_id=one.dispute.review_id,
        kind=one.dispute.kind,
        why=one.why.value,
        label=one.dispute.label,
        since=one.dispute.since,
        waiting=one.dispute.waiting,
        damage=round(one.damage, 4),
        blind=one.blind,
        votes=[SaidOut.of(vote) for vote in one.votes],
        engine=one.engine and SaidOut.of(one.engine),
    )
