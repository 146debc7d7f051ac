"""The list of projects, and for each its quality page, from figures that the worker stored.

A figure that is missing is not shown; of one in the form of another release the page says that it is being computed.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from db.repositories.projects import projects
from db.session import reading
from db.views import dashboard
from db.views import rounds as list_of_rounds
from service.figures.accuracy import Acceptance, AccuracyByVersion, Confusion, Hardest, Rounds
from service.figures.figures import decode
from service.figures.random_arm import RandomArm
from service.figures.random_stream import RandomStream
from service.projects.measuring import cost_of_measuring
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.pages.plots import addresses
from service.web.pages.rendering import page
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)


@router.get("/", summary="The projects")
def show_projects(request: Request, parts: PartsDep, caller: CallerDep) -> Response:
    with reading(parts.database) as session:
        visible = [project for project in projects.everyone(session) if caller.sees(project.config.name)]
        shown = [(project, dashboard.tally(session, project.id)) for project in visible]
    return page(request, "projects.html", projects=shown)


@router.get("/projects/{project}", summary="The quality page")
def show_quality(request: Request, parts: PartsDep, project: ProjectDep) -> Response:
    with reading(parts.database) as session:
        tally = dashboard.tally(session, project.id)
        figures = decode(dashboard.figures(session, project.id))
        failing = dashboard.failure_counts(session, project.id)
        queries = list_of_rounds.queries(session, project.id, after=None, limit=1).items
    jobs = parts.jobs.list(project_id=project.id, limit=20)
    hardest, by_version = figures.of(Hardest), figures.of(AccuracyByVersion)
    return page(
        request,
        "quality.html",
        project=project,
        tally=tally,
        failing=failing,
        running=sorted({job.job for job in jobs if job.state in ("ENQUEUED", "PENDING")}),
        by_version=by_version,
        champion=by_version.champion if by_version else None,
        stream=figures.of(RandomStream),
        arm=figures.of(RandomArm),
        measuring=cost_of_measuring(project),
        last_query=queries[0] if queries else None,
        rounds=figures.of(Rounds),
        acceptance=figures.of(Acceptance),
        confusion=figures.of(Confusion),
        hardest=hardest.images if hardest else [],
        plots=addresses(project.id, figures),
        outdated=figures.outdated,
    )
