"""Jobs: background work of a project, asked for by hand and followed by its address."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from db.repositories.people import audit
from db.session import transaction
from labeling.errors import NotFound
from labeling.jobs import JobName, Trigger
from labeling.project import Project
from service.auth import Caller
from service.jobs.arguments import Arguments, stored_arguments
from service.web.api.bodies import Body
from service.web.edge.access import Guarded, ProjectDep
from service.web.wiring import PartsDep, WebParts

router = APIRouter(route_class=Guarded, tags=["jobs"])


class JobOut(Body):
    """The state of one job."""

    id: str
    job: str
    state: str = Field(description="ENQUEUED, PENDING (running), SUCCESS, ERROR, CANCELLED.")
    asked_at: datetime = Field(validation_alias="created_at_ms")  # a number is read as milliseconds
    changed_at: datetime = Field(validation_alias="updated_at_ms")
    result: dict[str, Any] | None
    error: str | None


class JobsOut(BaseModel):
    """The newest jobs first."""

    items: list[JobOut]


class AskedOut(BaseModel):
    """The job that was asked for, or the same one that already waits; follow it at its address."""

    job_id: str
    address: str


@router.get("/api/projects/{project}/jobs", summary="List the newest jobs")
def list_jobs(parts: PartsDep, project: ProjectDep, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> JobsOut:
    return JobsOut(items=[JobOut.of(status) for status in parts.jobs.list(project_id=project.id, limit=limit)])


@router.get("/api/projects/{project}/jobs/{job_id}", summary="Follow one job")
def show_job(parts: PartsDep, project: ProjectDep, job_id: Annotated[str, Path(max_length=100)]) -> JobOut:
    status = parts.jobs.status(job_id)
    if status is None or status.project_id != project.id:
        raise NotFound("This project has no such job; old ones are forgotten.")
    return JobOut.of(status)


def ask_by_hand(
    parts: WebParts, caller: Caller, project: Project, job: JobName, arguments: Arguments | None = None
) -> AskedOut:
    """Ask for a job in the caller's name; the audit log says who did."""
    detail = {"args": list(stored_arguments(job, arguments))}
    with transaction(parts.database) as session:
        audit.record(session, caller.name, f"job.{job.value}", project.config.name, detail, parts.now(), project.id)
        job_id = parts.jobs.ask(session, job, project.id, Trigger.HAND, arguments)
    return AskedOut(job_id=job_id, address=f"/api/projects/{project.id}/jobs/{job_id}")
