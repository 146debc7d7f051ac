"""What choosing saves, what more labels would add, and when to stop."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, Field

from db.session import reading
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


class SavingsOut(BaseModel):
    answers: int = Field(description="Answers of people to anything.")
    measuring: int = Field(description="How many of them went into measuring.")
    hours: float = Field(description="How long people worked; an answer counts as ten minutes at most.")
    saved: KnownOut = Field(description="Random labels for each chosen one at the same accuracy.")
    accuracy: KnownOut = Field(description="Of the champion on the collection.")
    gain: KnownOut = Field(description="Accuracy that the next `more` labels are expected to add.")
    more: int
    rules: list[RuleOut] = Field(description="Every rule of `policy.stop`.")
    stopped_by: RuleOut | None = Field(description="The rule that holds: no query is made while it does.")


@router.get("/api/projects/{project}/savings", summary="What choosing saves, and when to stop")
def show_savings(parts: PartsDep, project: ProjectDep) -> SavingsOut:
    """From figures of the worker and the answers that there are."""
    with reading(parts.database) as session:
        found = savings_of(session, project, parts.now())
    return SavingsOut.model_validate(msgspec.to_builtins(found))
