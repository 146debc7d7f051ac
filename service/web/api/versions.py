"""Versions and promotions: what was learnt, what was decided about it, and deciding by hand."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from db.repositories.versions import versions
from db.session import reading
from db.views import rounds
from db.views.rounds import PromotionItem, VersionItem
from labeling.jobs import JobName
from labeling.project import Project
from service.auth import Caller
from service.jobs.arguments import DecisionByHand, PromoteArguments
from service.web.api.jobs import AskedOut, ask_by_hand
from service.web.api.paging import PagingDep, SliceOut
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.wiring import PartsDep, WebParts

router = APIRouter(route_class=Guarded, tags=["versions and promotions"])


class PromotionIn(BaseModel):
    """A decision by hand: put a version in use, or go back to the champion before this one."""

    model_config = ConfigDict(extra="forbid")
    action: Literal["promote", "rollback"]
    version: int | None = Field(default=None, ge=1, le=2**31, description="The version's number; to promote.")
    reason: str = Field(min_length=1, max_length=500)

    @model_validator(mode="after")
    def _names_a_version(self) -> PromotionIn:
        if (self.action == "promote") != (self.version is not None):
            raise ValueError("`version` is given to promote, and only then")
        return self


@router.get("/api/projects/{project}/versions", summary="List versions with their reports")
def list_versions(paging: PagingDep) -> SliceOut[VersionItem]:
    return paging.slice_of(rounds.versions)


@router.post("/api/projects/{project}/versions", status_code=202, summary="Ask to learn a new version")
def ask_to_learn(parts: PartsDep, caller: CallerDep, project: ProjectDep) -> AskedOut:
    return ask_by_hand(parts, caller, project, JobName.LEARN)


@router.get("/api/projects/{project}/promotions", summary="List verdicts with their reasons")
def list_promotions(paging: PagingDep) -> SliceOut[PromotionItem]:
    return paging.slice_of(rounds.promotions)


@router.post("/api/projects/{project}/promotions", status_code=202, summary="Promote or roll back by hand")
def decide_by_hand(parts: PartsDep, caller: CallerDep, project: ProjectDep, body: PromotionIn) -> AskedOut:
    return decide(parts, caller, project, body.action, body.version, body.reason)


def decide(
    parts: WebParts,
    caller: Caller,
    project: Project,
    action: Literal["promote", "rollback"],
    version: int | None,
    reason: str,
) -> AskedOut:
    """Ask to put this version in use, or to go back from the champion of now; NotFound where there is no such one."""
    with reading(parts.database) as session:
        champion = versions.champion(session, project.id)
        if version is not None:
            versions.by_number(session, project.id, version)  # one that is not there is refused at once
    leaving = champion.number if champion else 0  # named, so that a rollback asked for twice goes back once
    number = leaving if action == "rollback" else version or 0
    decision = DecisionByHand(action, number, caller.name, reason)
    return ask_by_hand(parts, caller, project, JobName.PROMOTE, PromoteArguments(decision))
