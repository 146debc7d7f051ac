"""Suspects: labels that are probably wrong; sent back to review or found right, one or many at a time."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, Field

from db.repositories.people import audit
from db.session import reading, transaction
from db.views import dashboard
from labeling.errors import NotFound
from labeling.jobs import JobName, Trigger
from labeling.project import Project
from service.auth import Caller
from service.figures.figures import name_of, outdated, read
from service.figures.label_errors import LabelErrors
from service.labels import suspects
from service.labels.suspects import Handled
from service.web.api.figures import OUTDATED
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.wiring import PartsDep, WebParts

MOST = 200
Deed = Literal["review", "right"]
router = APIRouter(route_class=Guarded, tags=["suspects"])


class SuspectsOut(BaseModel):
    """The suspected labels, the most suspicious first; docs/reference/figures.md explains `label_errors`."""

    figure: dict[str, Any]


class SuspectsIn(BaseModel):
    """Labels by their numbers, as listed."""

    labels: list[Annotated[int, Field(ge=1, lt=2**62)]] = Field(min_length=1, max_length=MOST)


@router.get("/api/projects/{project}/suspects", summary="List labels that are probably wrong")
def list_suspects(parts: PartsDep, project: ProjectDep) -> SuspectsOut:
    with reading(parts.database) as session:
        figures = dashboard.figures(session, project.id)
    if name_of(LabelErrors) in outdated(figures):
        raise NotFound(OUTDATED)
    found = read(figures, LabelErrors)
    if found is None:
        raise NotFound("This figure is not computed yet. It needs labels of at least two classes.")
    return SuspectsOut(figure=msgspec.to_builtins(found))


@router.post("/api/projects/{project}/suspects/review", summary="Send suspected labels back to review")
def review_suspects(parts: PartsDep, caller: CallerDep, project: ProjectDep, body: SuspectsIn) -> Handled:
    """Another person is asked about each; the label stays in force until they answer."""
    return handle(parts, caller, project, "review", body.labels)


@router.post("/api/projects/{project}/suspects/right", summary="Mark suspected labels as right")
def suspects_are_right(parts: PartsDep, caller: CallerDep, project: ProjectDep, body: SuspectsIn) -> Handled:
    """They are not suspected again until they change."""
    return handle(parts, caller, project, "right", body.labels)


def handle(parts: WebParts, caller: Caller, project: Project, deed: Deed, labels: list[int]) -> Handled:
    """Ask another person about each label, or note that it is right; the audit log says who did."""
    now = parts.now()
    act = suspects.send_back if deed == "review" else suspects.find_right
    with transaction(parts.database) as session:
        handled = act(session, project, labels, author=caller.name, now=now)
        audit.record(session, caller.name, f"suspects.{deed}", project.config.name, {"labels": labels}, now, project.id)
        if deed == "review" and handled.done:
            parts.jobs.ask(session, JobName.REVIEW, project.id, Trigger.HAND)
    return handled
