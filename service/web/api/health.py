"""Whether the process is alive and able to work, and its numbers for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from pydantic import BaseModel
from sqlalchemy.orm import Session

from db.repositories.projects import projects
from db.repositories.running import alarms, heartbeats
from db.session import reading
from db.views import dashboard
from labeling.errors import Conflict
from labeling.project import Project
from labeling.types import ProjectId
from service.operations.processes import read_processes
from service.schema import check_schema
from service.web.edge.access import CallerDep, Guarded
from service.web.wiring import PartsDep, WebParts

WORKER_FRESH_S = 30
"""A worker beats every ten seconds; after three missed beats it counts as gone."""
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
router = APIRouter(route_class=Guarded, tags=["service"])


class Health(BaseModel):
    """The process answers."""

    status: str


class Ready(BaseModel):
    """What it needs in order to work; `worker` is false when no worker reported in the last 30 s."""

    ready: bool
    database: bool
    worker: bool


@router.get("/health", summary="The process is alive")
def health() -> Health:
    return Health(status="ok")


@router.get("/ready", summary="Database at the right schema, and a worker alive", responses={503: {"model": Ready}})
def ready(parts: PartsDep, response: Response) -> Ready:
    try:
        check_schema(parts.database)
        database = True
    except Conflict:
        database = False
    worker = database and _worker_alive(parts)
    if not (database and worker):
        response.status_code = 503
    return Ready(ready=database and worker, database=database, worker=worker)


@router.get("/metrics", summary="Numbers for Prometheus, of the projects that the key sees", response_class=Response)
def metrics(parts: PartsDep, caller: CallerDep) -> Response:
    registry = CollectorRegistry(auto_describe=False)
    with reading(parts.database) as session:
        visible = [project for project in projects.everyone(session) if caller.sees(project.config.name)]
        _count_projects(registry, session, visible)
        only = None if caller.projects is None else [project.id for project in visible]
        _count_process(registry, session, parts, only)
    return Response(generate_latest(registry), media_type=METRICS_TYPE)


def _worker_alive(parts: WebParts) -> bool:
    with reading(parts.database) as session:
        newest = heartbeats.newest(session)
    return newest is not None and parts.now() - newest < timedelta(seconds=WORKER_FRESH_S)


def _count_projects(registry: CollectorRegistry, session: Session, visible: Iterable[Project]) -> None:
    images = Gauge("hardcase_images", "Images by state.", ["project", "state"], registry=registry)
    failing = Gauge("hardcase_failures", "Things that fail, by step.", ["project", "step"], registry=registry)
    raised = Gauge("hardcase_alarms", "Open alarms, by kind.", ["project", "kind"], registry=registry)
    for project in visible:
        name = project.config.name
        stored = dashboard.tally(session, project.id)
        for state, count in (stored.counts if stored else {}).items():
            if isinstance(count, int | float):
                images.labels(name, state).set(count)
        for step, count in dashboard.failure_counts(session, project.id).items():
            failing.labels(name, step).set(count)
        for kind, count in alarms.count_open(session, project.id).items():
            raised.labels(name, kind).set(count)


def _count_process(
    registry: CollectorRegistry, session: Session, parts: WebParts, only: list[ProjectId] | None
) -> None:
    """Jobs and the webhooks' lag, of `only` these projects; a worker's counters are about all projects at once."""
    home, now = parts.settings.home, parts.now()
    jobs = Gauge("hardcase_jobs", "Jobs that are remembered, by state.", ["job", "state"], registry=registry)
    for (job, state), count in dashboard.job_counts(session, only).items():
        jobs.labels(job, state).set(count)
    up = Gauge("hardcase_process_stays_up", "Whether a process of `hardcase up` stays up.", ["name"], registry=registry)
    for process in read_processes(home):
        up.labels(process.name).set(process.stays_up)
    worker = Gauge("hardcase_worker", "Counters since a worker's start.", ["executor", "counter"], registry=registry)
    beat = Gauge("hardcase_worker_silent_seconds", "Since a worker's last beat.", ["executor"], registry=registry)
    for heartbeat in heartbeats.everyone(session):
        beat.labels(heartbeat.executor).set((now - heartbeat.at).total_seconds())
        for counter, value in heartbeat.counters.items() if only is None else ():
            worker.labels(heartbeat.executor, counter).set(float(value))
    since = dashboard.inbox_waiting_since(session, only)
    lag = Gauge("hardcase_webhook_lag_seconds", "Age of the oldest event that is not handled yet.", registry=registry)
    lag.set(0.0 if since is None else max(0.0, (now - since).total_seconds()))
