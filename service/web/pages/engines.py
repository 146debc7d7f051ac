"""The Engines page: which engines a project uses and what they did, the newest comparison, and the newest plan."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from db.repositories.engines import reports
from db.repositories.engines.reports import EngineReport
from db.session import reading
from db.views import dashboard
from labeling.jobs import JobName
from service.engines.overview import overview
from service.figures.engine_reports import Comparison, Plan, read_report
from service.figures.engines import EngineReliability
from service.figures.figures import decode, name_of
from service.jobs.arguments import EnginesArguments
from service.jobs.engine_requests import EngineRequest, ReportKind
from service.web.api.jobs import ask_by_hand
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.pages.login import CheckedForm
from service.web.pages.plots import addresses
from service.web.pages.rendering import page
from service.web.wiring import PartsDep

OLD = "This report was stored by another version of hardcase. Ask for a new one."
RELIABILITY = name_of(EngineReliability)
T = TypeVar("T", bound=msgspec.Struct)
router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)


@router.get("/projects/{project}/engines", summary="The Engines page")
def show_engines(request: Request, parts: PartsDep, project: ProjectDep) -> Response:
    with reading(parts.database) as session:
        compared = reports.newest(session, project.id, ReportKind.COMPARE)
        planned = reports.newest(session, project.id, ReportKind.PLAN)
        found = overview(session, project)
        figures = decode(dashboard.figures(session, project.id))
    jobs = parts.jobs.list(project_id=project.id, limit=20)
    return page(
        request,
        "engines.html",
        project=project,
        found=found,
        compared=compared,
        comparison=_read(compared, Comparison),
        planned=planned,
        plan=_read(planned, Plan),
        reliability=addresses(project.id, figures).get(RELIABILITY),
        reliability_is_old=RELIABILITY in figures.outdated,
        at_work=any(job.job == JobName.ENGINES and job.state in ("ENQUEUED", "PENDING") for job in jobs),
    )


@router.post("/projects/{project}/engines", summary="Ask to compare or plan engines", dependencies=[CheckedForm])
def ask_about_engines(
    parts: PartsDep, caller: CallerDep, project: ProjectDep, report: Annotated[Literal["compare", "plan"], Form()]
) -> Response:
    """The worker makes the report; until then the page shows the one before."""
    asked = EnginesArguments(EngineRequest(kind=ReportKind(report)), caller.name)
    ask_by_hand(parts, caller, project, JobName.ENGINES, asked)
    return RedirectResponse(f"/projects/{project.id}/engines", status_code=303)


def _read(report: EngineReport | None, kind: type[T]) -> T | str | None:
    """What the worker reported, or its reason why there is no result."""
    if report is None:
        return None
    if isinstance(report.result.get("error"), str):
        return str(report.result["error"])
    return read_report(report.result, kind) or OLD
