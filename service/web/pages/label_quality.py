"""The Label quality page: can this data set be shipped, why, and the labels to look at; with one click each."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from db.repositories.people import audit
from db.repositories.running import alarms
from db.session import reading, transaction
from labeling.types import Actor
from service.web.api.suspects import MOST, call_right, send_back
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
    what: Annotated[Literal["review", "right"], Form()] = "review",
    label: Annotated[list[int], Form(max_length=MOST)] = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    handle = send_back if what == "review" else call_right
    done = handle(parts, caller, project, label).done if label else 0
    return RedirectResponse(f"/projects/{project.id}/label-quality?done={done}#suspects", status_code=303)


@router.post("/projects/{project}/alarms/{alarm_id}/end", summary="End an alarm", dependencies=[CheckedForm])
def end_alarm(
    parts: PartsDep,
    caller: CallerDep,
    project: ProjectDep,
    alarm_id: Annotated[int, Path(ge=1, lt=2**62)],
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    with transaction(parts.database) as session:
        alarm = alarms.by_id(session, project.id, alarm_id)
        if alarms.end(session, alarm.id, Actor(caller.name, reason or "seen to", parts.now())):
            audit.record(session, caller.name, "alarm.end", str(alarm.id), {"reason": reason}, parts.now())
    return RedirectResponse(f"/projects/{project.id}/label-quality#alarms", status_code=303)
