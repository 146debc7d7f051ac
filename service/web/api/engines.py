"""Engines: which a project uses, what they did and cost, and reports that compare and plan them.

The web process never loads an engine: a report is asked for, made by the worker, and read here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from db.repositories.engines import reports
from db.repositories.engines.call_ledger import EndpointState, Spending
from db.repositories.engines.reports import EngineReport, ReportItem
from db.repositories.projects import projects
from db.session import reading
from db.views.engine_stats import RevisionFacts
from labeling.jobs import JobName
from service import plugins
from service.engines.allowed_models import check_engines
from service.engines.kinds import KindState, kinds
from service.engines.overview import EngineInUse, overview
from service.jobs.arguments import EnginesArguments
from service.jobs.engine_requests import MOST_ENGINES, MOST_IMAGES, MOST_PILOT, EngineRequest, ReportKind
from service.projects.history import history
from service.web.api.jobs import AskedOut, ask_by_hand
from service.web.api.paging import PagingDep, SliceOut
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["engines"])
EngineName = Annotated[str, Field(min_length=1, max_length=300)]


class EnginesOut(BaseModel):
    """The engines of a project in the order of escalation, older revisions, and every kind that may be named."""

    engines: list[EngineInUse]
    older: list[RevisionFacts]
    kinds: list[KindState]
    spending: Spending
    budget_micro: int | None = Field(description="What the project may spend in all; null: no limit.")
    endpoints: list[EndpointState]
    flags: dict[str, int] = Field(description="Pre-labels with each flag, and the canaries: given, and followed.")


class ReportIn(BaseModel):
    """A report to make. Without `engines`: about those that the project uses."""

    model_config = ConfigDict(extra="forbid")
    kind: ReportKind
    engines: list[EngineName] = Field(default=[], max_length=MOST_ENGINES)
    image_id: int | None = Field(default=None, ge=1, le=2**53, description="To try: an image of the project.")
    limit: int = Field(default=200, ge=1, le=MOST_IMAGES, description="To compare: at most so many labelled images.")
    pilot: int = Field(default=0, ge=0, le=MOST_PILOT, description="To plan: how many images may be paid for.")

    def to_request(self) -> EngineRequest:
        return EngineRequest(**{**dict(self), "engines": tuple(self.engines)})


class ConfigVersionOut(BaseModel):
    """One version of the configuration, and what it changed of the one before; null for the first."""

    version: int
    author: str
    reason: str
    at: datetime
    changed: dict[str, Any] | None


class HistoryOut(BaseModel):
    """Every version, the newest first."""

    items: list[ConfigVersionOut]


@router.get("/api/projects/{project}/engines", summary="List engines with what they did and cost")
def list_engines(parts: PartsDep, project: ProjectDep) -> EnginesOut:
    with reading(parts.database) as session:
        found = overview(session, project)
    return EnginesOut(
        engines=found.engines,
        older=found.older,
        kinds=kinds(plugins.names_of(plugins.ENGINES), endpoints=parts.settings.endpoints.exists()),
        spending=found.spending,
        budget_micro=found.budget_micro,
        endpoints=found.endpoints,
        flags=found.flags,
    )


@router.get("/api/projects/{project}/engines/reports", summary="List reports on engines")
def list_reports(paging: PagingDep) -> SliceOut[ReportItem]:
    return paging.slice_of(reports.listing, kinds=tuple(ReportKind))


@router.get("/api/projects/{project}/engines/reports/{report_id}", summary="Show a report on engines")
def show_report(parts: PartsDep, project: ProjectDep, report_id: Annotated[int, Path(ge=1, le=2**53)]) -> EngineReport:
    with reading(parts.database) as session:
        return reports.by_id(session, project.id, report_id, tuple(ReportKind))


@router.post("/api/projects/{project}/engines/reports", status_code=202, summary="Ask to try, compare or plan engines")
def ask_for_report(parts: PartsDep, caller: CallerDep, project: ProjectDep, body: ReportIn) -> AskedOut:
    check_engines(parts.settings, body.engines, project.config.policy)
    return ask_by_hand(parts, caller, project, JobName.ENGINES, EnginesArguments(body.to_request(), caller.name))


@router.get("/api/projects/{project}/history", summary="List every version of a project's configuration")
def show_history(parts: PartsDep, project: ProjectDep) -> HistoryOut:
    with reading(parts.database) as session:
        versions = projects.history(session, project.id)
    return HistoryOut(items=[ConfigVersionOut(**version) for version in history(versions)])
