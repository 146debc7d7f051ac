"""Blind re-reviews: how many labels are wrong, what more re-reviews would tell, and a request for them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from db.session import reading, transaction
from db.views import dashboard
from labeling.errors import NotFound
from labeling.project import Project
from labeling.types import Actor
from service.auth import Caller
from service.figures.figures import name_of, outdated, read
from service.figures.wrong_labels import ShareOfWrongLabels
from service.labels.re_reviews import AT_ONCE, Requested, ask_for_more
from service.web.api.figures import OUTDATED
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.wiring import PartsDep, WebParts

router = APIRouter(route_class=Guarded, tags=["re-reviews"])

More = Annotated[int, Field(ge=1, le=AT_ONCE)]


class ReReviewsOut(BaseModel):
    """What is known, in words, what more would tell, and the figure; docs/reference/figures.md explains it."""

    words: str
    offer: str
    figure: dict[str, Any]


class ReReviewsIn(BaseModel):
    """How many more labels are to be re-reviewed blind, and why."""

    model_config = ConfigDict(extra="forbid")
    more: More = 30
    reason: Annotated[str, Field(max_length=500)] = ""


@router.get("/api/projects/{project}/re-reviews", summary="Show the share of wrong labels, and what more would tell")
def show_re_reviews(parts: PartsDep, project: ProjectDep) -> ReReviewsOut:
    with reading(parts.database) as session:
        figures = dashboard.figures(session, project.id)
    if name_of(ShareOfWrongLabels) in outdated(figures):
        raise NotFound(OUTDATED)
    found = read(figures, ShareOfWrongLabels)
    if found is None:
        raise NotFound("This figure is not computed yet. The worker computes it after the first answers.")
    return ReReviewsOut(words=found.words, offer=found.offer, figure=msgspec.to_builtins(found))


@router.post("/api/projects/{project}/re-reviews", summary="Ask for more blind re-reviews of labels")
def ask_for_re_reviews(parts: PartsDep, caller: CallerDep, project: ProjectDep, body: ReReviewsIn) -> Requested:
    """The worker chooses the labels, an eighth the most suspicious. While one request waits another adds none."""
    return request_more(parts, caller, project, body.more, body.reason)


def request_more(parts: WebParts, caller: Caller, project: Project, more: int, reason: str) -> Requested:
    """Ask in the caller's name; the audit log says who did."""
    with transaction(parts.database) as session:
        return ask_for_more(session, parts.jobs, project, more, Actor(caller.name, reason, parts.now()))
