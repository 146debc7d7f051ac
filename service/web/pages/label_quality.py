"""The Label quality page: can this data set be shipped, why, and the labels to look at; with one click each."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from db.repositories.running import alarms
from db.session import reading
from service.web.api.alarms import end
from service.web.api.suspects import MOST, Deed, handle
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.pages.label_quality_view import look_at_labels
from service.web.pages.login import CheckedForm
from service.web.pages.rendering import page
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)
ENDED = 10


@router.get("/projects/{project}/label-quality", summary="The Label quality page")
def show_label_quality(
    request: Request, parts: PartsDep, project: ProjectDep, done: Annotated[int | None, Query(ge=0, le=MOST)] = None
) -> Response:
    with reading(parts.database) as session:
        view = look_at_labels(session, project)
        past = [alarm for alarm in alarms.lately(session, project.id, 4 * ENDED) if alarm.ended_at][:ENDED]
    return page(request, "label_quality.html", project=project, view=view, past=past, done=done)


@router.post("/projects/{project}/suspects", summary="Handle suspected labels", dependencies=[CheckedForm])
def handle_suspects(
    parts: PartsDep,
    caller: CallerDep,
    project: ProjectDep,
    what: Annotated[Deed, Form()] = "review",
    label: Annotated[list[int], Form(max_length=MOST)] = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    done = handle(parts, caller, project, what, label).done if label else 0
    return RedirectResponse(f"/projects/{project.id}/label-quality?done={done}#suspects", status_code=303)


@router.post("/projects/{project}/alarms/{alarm_id}/end", summary="End an alarm", dependencies=[CheckedForm])
def end_alarm(
    parts: PartsDep,
    caller: CallerDep,
    project: ProjectDep,
    alarm_id: Annotated[int, Path(ge=1, lt=2**62)],
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    end(parts, caller, project, alarm_id, reason or "handled")
    return RedirectResponse(f"/projects/{project.id}/label-quality#alarms", status_code=303)
