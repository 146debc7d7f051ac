"""Projects: made, shown, changed."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from db.repositories.people import audit
from db.repositories.projects import projects
from db.session import reading, transaction
from db.views import dashboard
from labeling.errors import Denied
from labeling.jobs import JobName, Trigger
from labeling.project import Project
from labeling.types import Actor
from service.engines.allowed_models import check_models
from service.projects.measuring import cost_of_measuring
from service.projects.project_file import ProjectFile
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["projects"])


class ProjectOut(BaseModel):
    """A project with its configuration in force."""

    id: int
    name: str
    config_version: int
    config: dict[str, Any]
    created_at: datetime
    measuring: str = Field(description="What measuring will cost.")


class ProjectsOut(BaseModel):
    """The projects that the key sees, oldest first."""

    items: list[ProjectOut]


class StatusOut(BaseModel):
    """The counts of a project, as the sweep made them last; empty before its first count."""

    images: dict[str, Any]
    counted_at: datetime | None
    failing: dict[str, int] = Field(description="Things that fail, by step.")


@router.get("/api/projects", summary="List projects")
def list_projects(parts: PartsDep, caller: CallerDep) -> ProjectsOut:
    with reading(parts.database) as session:
        everyone = projects.everyone(session)
    return ProjectsOut(items=[_out(project) for project in everyone if caller.sees(project.config.name)])


@router.post("/api/projects", status_code=201, summary="Make a project")
def create_project(parts: PartsDep, caller: CallerDep, body: ProjectFile, response: Response) -> ProjectOut:
    if caller.projects is not None:
        raise Denied("A key that is limited to some projects cannot make new ones. Use one without a list.")
    now, config = parts.now(), body.to_config()
    check_models(parts.settings, config.policy)
    with transaction(parts.database) as session:
        project = projects.create(session, config, salt=secrets.token_hex(16), author=caller.name, now=now)
        audit.record(session, caller.name, "project.create", project.config.name, {}, now, project.id)
    response.headers["Location"] = f"/api/projects/{project.id}"
    return _out(project)


@router.get("/api/projects/{project}", summary="Show a project")
def show_project(project: ProjectDep) -> ProjectOut:
    return _out(project)


@router.put("/api/projects/{project}", summary="Change a project's guidelines or policy")
def configure_project(
    parts: PartsDep,
    caller: CallerDep,
    project: ProjectDep,
    body: ProjectFile,
    reason: Annotated[str, Query(max_length=500, description="Why; needed, and kept with the version.")] = "",
) -> ProjectOut:
    by, config = Actor(caller.name, reason, parts.now()), body.to_config()
    check_models(parts.settings, config.policy, project.config.policy)
    with transaction(parts.database) as session:
        changed = projects.configure(session, project.id, config, by)
        detail = {"version": changed.config_version, "reason": reason}
        audit.record(session, by.author, "project.edit", project.config.name, detail, by.now, project.id)
        parts.jobs.ask(session, JobName.REVIEW, project.id, Trigger.HAND)
    return _out(changed)


@router.get("/api/projects/{project}/status", summary="How many images are in which state")
def show_status(parts: PartsDep, project: ProjectDep) -> StatusOut:
    with reading(parts.database) as session:
        tally = dashboard.tally(session, project.id)
        failing = dashboard.failure_counts(session, project.id)
    counts, counted_at = (tally.counts, tally.refreshed_at) if tally else ({}, None)
    return StatusOut(images=counts, counted_at=counted_at, failing=failing)


def _out(project: Project) -> ProjectOut:
    measuring = cost_of_measuring(project)
    return ProjectOut(name=project.config.name, measuring=measuring, **msgspec.to_builtins(project))
