"""The Savings page: what choosing the images saves, what more labels would add, when to stop, and what to do next."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from db.session import reading
from db.views import dashboard
from service.figures.figures import name_of
from service.figures.random_arm import RandomArm
from service.labels.certificates import read_certificates
from service.projects.next_action import MEASURED, next_action
from service.projects.savings import NOT_COUNTED, savings_of
from service.web.edge.access import Guarded, ProjectDep
from service.web.pages.rendering import page
from service.web.wiring import PartsDep

SHOWN = 24
"""So many images of the ranking."""
router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)


@router.get("/projects/{project}/savings", summary="The Savings page")
def show_savings(request: Request, parts: PartsDep, project: ProjectDep) -> Response:
    with reading(parts.database) as session:
        found = savings_of(session, project, parts.now())
        ranking = next_action(session, project, SHOWN)
        counted = dashboard.figures(session, project.id).get(name_of(RandomArm))
        certificates = read_certificates(session, project)
    computed_at = counted.computed_at if counted else None
    return page(
        request,
        "savings.html",
        project=project,
        found=found,
        certificates=certificates,
        computed_at=computed_at,
        ranking=ranking,
        measured=MEASURED,
        not_counted=NOT_COUNTED,
    )
