"""Is the process alive, is it able to work, and its numbers for Prometheus."""

from __future__ import annotations

from datetime import datetime, timedelta

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from pydantic import BaseModel
from sqlalchemy.orm import Session

from db.repositories.projects import projects
from db.repositories.running import alarms, heartbeats
from db.session import reading
from db.views import dashboard
from labeling.errors import Conflict
from service.auth import Caller
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
    """What it needs in order to work; `worker` is false when none was heard of for half a minute."""

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
    with reading(parts.database) as session:
        families = [
            *_of_projects(session, caller),
            *_of_process(session, parts.now()),
        ]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(families))
    return Response(generate_latest(registry), media_type=METRICS_TYPE)


class _Collected:
    """What prometheus_client wants to see of a set of numbers that are already there."""

    def __init__(self, families: list[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> list[GaugeMetricFamily]:
        return self._families


def _worker_alive(parts: WebParts) -> bool:
    with reading(parts.database) as session:
        newest = heartbeats.newest(session)
    return newest is not None and parts.now() - newest < timedelta(seconds=WORKER_FRESH_S)


def _of_projects(session: Session, caller: Caller) -> list[GaugeMetricFamily]:
    images = GaugeMetricFamily("hardcase_images", "Images by state.", labels=["project", "state"])
    failing = GaugeMetricFamily("hardcase_failures", "Things that fail, by step.", labels=["project", "step"])
    raised = GaugeMetricFamily("hardcase_alarms", "Open alarms, by kind.", labels=["project", "kind"])
    for project in projects.everyone(session):
        if not caller.sees(project.config.name):
            continue
        stored = dashboard.tally(session, project.id)
        for state, count in (stored.counts if stored else {}).items():
            if isinstance(count, int | float):
                images.add_metric([project.config.name, state], count)
        for step, count in dashboard.failure_counts(session, project.id).items():
            failing.add_metric([project.config.name, step], count)
        for kind, count in alarms.count_open(session, project.id).items():
            raised.add_metric([project.config.name, kind], count)
    return [images, failing, raised]


def _of_process(session: Session, now: datetime) -> list[GaugeMetricFamily]:
    jobs = GaugeMetricFamily("hardcase_jobs", "Jobs that are remembered, by state.", labels=["job", "state"])
    for (job, state), count in dashboard.job_counts(session).items():
        jobs.add_metric([job, state], count)
    worker = GaugeMetricFamily("hardcase_worker", "Counters since a worker's start.", labels=["executor", "counter"])
    beat = GaugeMetricFamily("hardcase_worker_silent_seconds", "Since a worker's last beat.", labels=["executor"])
    for heartbeat in heartbeats.everyone(session):
        beat.add_metric([heartbeat.executor], (now - heartbeat.at).total_seconds())
        for counter, value in heartbeat.counters.items():
            worker.add_metric([heartbeat.executor, counter], float(value))
    since = dashboard.inbox_waiting_since(session)
    lag = GaugeMetricFamily("hardcase_webhook_lag_seconds", "Age of the oldest event that nobody handled yet.")
    lag.add_metric([], 0.0 if since is None else max(0.0, (now - since).total_seconds()))
    return [jobs, worker, beat, lag]
