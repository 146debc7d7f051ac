"""The Label quality page: whether this data set can be shipped, why, how many labels are wrong, and the suspected ones.

In: figures of the worker (docs/reference/figures.md). A figure that is missing is not shown; of one in the form of
another release the page says that it is being computed. Suspects handled since they were listed are left out.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from db.repositories.running import alarms
from db.session import reading
from db.views import dashboard, label_audit
from labeling.project import Project
from service.figures.agreement import Agreement
from service.figures.drift import Drift, EngineCanaries
from service.figures.figures import decode, name_of
from service.figures.label_errors import LabelErrors, Suspect
from service.figures.label_quality import LabelQuality
from service.figures.wrong_labels import ShareOfWrongLabels
from service.labels.re_reviews import AT_ONCE
from service.web.api.alarms import end
from service.web.api.re_reviews import request_more
from service.web.api.suspects import MOST, Deed, handle
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.pages.login import CheckedForm
from service.web.pages.rendering import page
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)
SHOWN = 60
ENDED = 10


@router.get("/projects/{project}/label-quality", summary="The Label quality page")
def show_label_quality(
    request: Request,
    parts: PartsDep,
    project: ProjectDep,
    done: Annotated[int | None, Query(ge=0, le=MOST)] = None,
    asked: Annotated[int | None, Query(ge=0, le=AT_ONCE)] = None,
) -> Response:
    with reading(parts.database) as session:
        figures = decode(dashboard.figures(session, project.id))
        errors = figures.of(LabelErrors)
        suspects = _waiting(session, project, errors.suspects if errors else [])
        past = [alarm for alarm in alarms.lately(session, project.id, 4 * ENDED) if alarm.ended_at][:ENDED]
    counted = figures.kept.get(name_of(LabelQuality))
    return page(
        request,
        "label_quality.html",
        project=project,
        verdict=figures.of(LabelQuality),
        wrong=figures.of(ShareOfWrongLabels),
        agreement=figures.of(Agreement),
        pool=[one for one in suspects if not one.random][:SHOWN],
        random=[one for one in suspects if one.random][:SHOWN],
        drift=figures.of(Drift),
        canaries=figures.of(EngineCanaries),
        computed_at=counted.computed_at if counted else None,
        outdated=figures.outdated,
        past=past,
        done=done,
        asked=asked,
    )


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


@router.post("/projects/{project}/re-reviews", summary="Ask for blind re-reviews", dependencies=[CheckedForm])
def ask_for_re_reviews(
    parts: PartsDep,
    caller: CallerDep,
    project: ProjectDep,
    more: Annotated[int, Form(ge=1, le=AT_ONCE)],
) -> Response:
    new = request_more(parts, caller, project, more, "from the page").new
    return RedirectResponse(f"/projects/{project.id}/label-quality?asked={new}#wrong", status_code=303)


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


def _waiting(session: Session, project: Project, listed: list[Suspect]) -> list[Suspect]:
    """Those whose label is still in force, was not found right, and about which no review is open."""
    standing = label_audit.standing_labels(session, project.id, [one.label_id for one in listed])
    right = label_audit.checked_labels(session, project.id)
    asked = label_audit.open_images(session, standing.values())
    return [
        one for one in listed if one.label_id in standing and one.label_id not in right and one.image_id not in asked
    ]
