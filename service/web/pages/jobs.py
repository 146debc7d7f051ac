"""The jobs page of a project: what runs, what failed and why, and buttons to start jobs and to retry."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from db.repositories.running import heartbeats
from db.session import reading
from db.views import listings
from labeling.jobs import JobName
from service.web.api.jobs import JobOut, ask_by_hand
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.pages.login import CheckedForm
from service.web.pages.rendering import page
from service.web.retry import retry_failures
from service.web.wiring import PartsDep

SHOWN = 50
Startable = Literal["select", "learn", "review"]
router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)


@router.get("/projects/{project}/jobs", summary="Jobs and dead letters")
def show_jobs(request: Request, parts: PartsDep, project: ProjectDep) -> Response:
    with reading(parts.database) as session:
        failed = listings.failures(session, project.id, after=None, limit=SHOWN)
        workers = heartbeats.everyone(session)
    jobs = [JobOut.of(job) for job in parts.jobs.list(project_id=project.id, limit=SHOWN)]
    return page(request, "jobs.html", project=project, jobs=jobs, failed=failed, workers=workers, now=parts.now())


@router.post("/projects/{project}/jobs", summary="Ask for a job", dependencies=[CheckedForm])
def ask_for_job(
    parts: PartsDep,
    caller: CallerDep,
    project: ProjectDep,
    job: Annotated[Startable, Form()],
) -> Response:
    ask_by_hand(parts, caller, project, JobName(job))
    return RedirectResponse(f"/projects/{project.id}/jobs", status_code=303)


@router.post("/projects/{project}/retry", summary="Try what failed again", dependencies=[CheckedForm])
def retry(parts: PartsDep, caller: CallerDep, project: ProjectDep) -> Response:
    retry_failures(parts, caller, project, step=None)
    return RedirectResponse(f"/projects/{project.id}/jobs", status_code=303)
