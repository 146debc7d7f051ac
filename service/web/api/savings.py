"""What choosing saves, what more labels would add, when to stop, and what to do next."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from db.session import reading
from service.projects.next_action import MEASURED, MOST, next_action
from service.projects.savings import savings_of
from service.web.edge.access import Guarded, ProjectDep
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["labels"])


class KnownOut(BaseModel):
    """A number with its 95 % interval; null while it is not yet known."""

    known: bool
    n: int
    value: float | None
    lower: float | None
    upper: float | None


class RuleOut(BaseModel):
    """A rule of `policy.stop`: its key, whether it holds, and how far it is."""

    key: str
    holds: bool
    words: str


class NextAttemptOut(BaseModel):
    """What the next attempt at a certificate may accept: a forecast from training labels and counts, not measured."""

    version: int | None = Field(description="In use; null with the other numbers where nothing can be said.")
    planned: int | None = Field(description="With so many sampled images it is tried.")
    answered: int | None = Field(description="How many of them have been answered.")
    missing: int | None = Field(description="So many more answers of the random stream bring them.")
    others: int | None = Field(description="Images of the set that are not sampled: so many it could accept.")
    expected: int | None = Field(description="So many by the training labels, which are harder than the set.")
    at_least: int | None = Field(description="So many or more in 19 of 20 samples; 0 says nothing.")
    labels: int = Field(description="How many training labels say so.")
    words: str = Field(description="All of it, or why nothing can be said.")


class SavingsOut(BaseModel):
    answers: int = Field(description="Answers of people to anything.")
    measuring: int = Field(description="How many of them went into measuring.")
    hours: float = Field(description="How long people worked; an answer counts as ten minutes at most.")
    saved: KnownOut = Field(description="Random labels for each chosen one at the same accuracy.")
    saved_in_words: str = Field(description="Whether choosing the images has saved anything.")
    accuracy: KnownOut = Field(description="Of the champion on the collection.")
    gain: KnownOut = Field(description="Accuracy that the next `more` labels are expected to add.")
    more: int
    next_attempt: NextAttemptOut | None = Field(description="Null without a target, and while it is not counted yet.")
    rules: list[RuleOut] = Field(description="Every rule of `policy.stop`.")
    stopped_by: RuleOut | None = Field(description="The rule that holds: no query is made while it does.")


@router.get("/api/projects/{project}/savings", summary="What choosing saves, and when to stop")
def show_savings(parts: PartsDep, project: ProjectDep) -> SavingsOut:
    """From figures of the worker and the answers that there are."""
    with reading(parts.database) as session:
        found = savings_of(session, project, parts.now())
    return SavingsOut.model_validate(msgspec.to_builtins(found))


class OneActionOut(BaseModel):
    """One kind of action; its expected numbers are null where nothing is known or there is no image for it."""

    action: str
    engine: str = Field(description="Which engine; empty for people.")
    images: int = Field(description="For how many images it is the best of what could be done.")
    seconds: float | None = Field(description="Of people, for one of the best, on average.")
    money: float | None = Field(description="For one of them; null without a wage.")
    best: int = Field(description="How many of the best are summed up, at most 100.")
    corrects: float | None = Field(description="Wrong labels that these are expected to correct by themselves.")
    teaches: float | None = Field(description="Those expected of other images, because a classifier learns from them.")
    per_hour: float | None = Field(description="Both together, for an hour of people's work.")
    per_money: float | None = Field(description="Both together, for one unit of money.")
    note: str = Field(description="Why nothing is known of it; empty where something is.")


class NextImageOut(BaseModel):
    """One image and the best that could be done about it."""

    image_id: int
    content_hash: str
    action: str
    engine: str
    wrong_now: float = Field(description="How likely its label is wrong now.")
    wrong_after: float = Field(description="The same after the action, on average.")
    corrects: float
    seconds: float
    money: float | None
    reason: str
    ls_task_id: int | None


class NextOut(BaseModel):
    pool: int = Field(description="How many images there are, near-duplicates counted once.")
    expected_wrong: float
    accept: int = Field(description="How many are best left as they are.")
    actions: list[OneActionOut]
    first: list[NextImageOut]
    wage: float = Field(description="Of an hour; 0: the ranking is by seconds, and money is not counted.")
    currency: str
    seconds: float = Field(description="How long an answer takes.")
    timed: int = Field(description="How many answers were timed; under 30 the seconds are assumed.")
    used_error: float = Field(description="How often people are held to err; beforehand one error in ten.")
    pairs: int = Field(description="How many images that two people answered that is from.")
    label_teaches: float = Field(description="Those of other images that one more label is expected to correct.")
    new_answer: float = Field(description="Wrong labels that the answer about a new image is expected to correct.")
    worth_asking_twice: int = Field(description="For how many images a second answer corrects more for each answer.")


class NextDocument(BaseModel):
    measured: str = Field(description="What these numbers are.")
    ranking: NextOut | None = Field(description="Null while the worker has not counted it.")


@router.get("/api/projects/{project}/next", summary="What to do next, by expected corrections for the price")
def show_next(
    parts: PartsDep,
    project: ProjectDep,
    limit: Annotated[int, Query(ge=1, le=MOST, description="Most images in the answer.")] = 20,
) -> NextDocument:
    """Expected by a model from predicted probabilities; not measured."""
    with reading(parts.database) as session:
        found = next_action(session, project, limit)
    return NextDocument.model_validate(
        {"measured": MEASURED, "ranking": None if found is None else msgspec.to_builtins(found)}
    )
