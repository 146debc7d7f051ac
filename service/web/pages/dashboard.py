"""The board: all projects, and for each how good its labels are, from figures that the worker stored."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from db.repositories.projects import projects
from db.session import reading
from db.views import dashboard
from labeling.project import Project
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.pages.quality import Quality, look_at
from service.web.pages.rendering import page, pictures
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)


@router.get("/", summary="The projects")
def show_projects(request: Request, parts: PartsDep, caller: CallerDep) -> Response:
    with reading(parts.database) as session:
        seen = [project for project in projects.everyone(session) if caller.sees(project.config.name)]
        shown = [_overview(project, dashboard.tally(session, project.id)) for project in seen]
    return page(request, "projects.html", projects=shown)


@router.get("/projects/{project}", summary="The quality page")
def show_quality(request: Request, parts: PartsDep, project: ProjectDep) -> Response:
    with reading(parts.database) as session:
        tally = dashboard.tally(session, project.id)
        figures = dashboard.figures(session, project.id)
        place = dashboard.label_studio_place(session, project.id)
        failing = dashboard.failure_counts(session, project.id)
    jobs = parts.jobs.list(project_id=project.id, limit=20)
    quality: Quality = look_at(figures, place, parts.settings.label_studio_page_origin, pictures(parts, project))
    running = sorted({job.job for job in jobs if job.state in ("ENQUEUED", "PENDING")})
    return page(
        request,
        "quality.html",
        project=project,
        tally=tally,
        quality=quality,
        failing=failing,
        running=running,
    )


def _overview(project: Project, tally: dashboard.Tally | None) -> dict[str, object]:
    counts = tally.counts if tally else {}
    return {
        "project": project,
        "tally": tally,
        "images": counts.get("fetched", 0),
        "labelled": counts.get("labelled", 0),
    }
