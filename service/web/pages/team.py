"""The Team page: how each annotator does, with intervals, and the switches of a lead.

What is done about a person is asked for first, with a reason, and done on a second page.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from db.repositories.people import annotators
from db.session import reading, transaction
from db.views import dashboard
from labeling.types import Actor
from service.labels import annotators as team
from service.projects.pseudonyms import shown_name
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.pages.login import CheckedForm
from service.web.pages.rendering import page
from service.web.pages.team_view import bars, look_at_team
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)

AnnotatorId = Annotated[int, Path(ge=1, lt=2**62, description="An annotator's number.")]
DeedName = Literal["pause", "resume", "void"]
DEEDS = {"pause": team.pause, "resume": team.resume, "void": team.void_answers}


@router.get("/projects/{project}/team", summary="The Team page")
def show_team(request: Request, parts: PartsDep, project: ProjectDep, done: DeedName | None = None) -> Response:
    with reading(parts.database) as session:
        people = annotators.everyone(session, project.id)
        figures = dashboard.figures(session, project.id)
    return page(
        request,
        "team.html",
        project=project,
        view=look_at_team(project, people, figures),
        computed_at=figures["team"].computed_at if "team" in figures else None,
        bars=bars,
        done=done,
    )


@router.get(
    "/projects/{project}/team/{annotator_id}/{deed}", summary="Ask before somebody is paused, resumed or voided"
)
def confirm(
    request: Request, parts: PartsDep, project: ProjectDep, annotator_id: AnnotatorId, deed: DeedName
) -> Response:
    with reading(parts.database) as session:
        who = annotators.by_id(session, project.id, annotator_id)
        images = len(annotators.images_of(session, [annotator_id])) if deed == "void" else 0
    name = shown_name(project, who.id, who.name)
    return page(request, "team_confirm.html", project=project, who=who, name=name, deed=deed, images=images)


@router.post(
    "/projects/{project}/team/{annotator_id}/{deed}",
    summary="Pause or resume somebody, or void their answers",
    dependencies=[CheckedForm],
)
def act(
    parts: PartsDep,
    caller: CallerDep,
    project: ProjectDep,
    annotator_id: AnnotatorId,
    deed: DeedName,
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    with transaction(parts.database) as session:
        DEEDS[deed](session, parts.jobs, project, annotator_id, Actor(caller.name, reason, parts.now()))
    return RedirectResponse(f"/projects/{project.id}/team?done={deed}", status_code=303)
