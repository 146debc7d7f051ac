"""What holds for every job: how its steps are run, what its errors mean, and when it is left alone.

In: the body of a job. Out: the same as the durable engine runs it. An error that says that something is away or full is
no failure, and neither is the end of this process; any other is counted, and after three in a row the job is a dead
letter, which only a person's retry revives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from dbos import DBOS
from sqlalchemy.exc import IntegrityError

from db.outages import outage_of
from db.repositories.projects import projects
from db.repositories.running import failures
from db.session import reading, transaction
from labeling.errors import Unavailable
from labeling.jobs import JobName
from labeling.types import ProjectId
from service.jobs.arguments import read_arguments
from service.logs import get_logger
from service.work.locks import OneAtATime
from service.work.running_jobs import RunningJobs
from service.work.wiring import Parts, release_freed_memory

Counts = dict[str, int]
T = TypeVar("T")
log = get_logger(__name__)


class Steps:
    """Runs functions of the rooms as durable steps."""

    def __init__(self, parts: Parts, running: RunningJobs) -> None:
        self._parts, self._running = parts, running

    def one(self, function: Callable[..., T], *args: Any, **options: Any) -> T:
        """Run one function; what is unavailable is tried twice more, with a pause.

        So is what could not be written because an image that it speaks of was deleted meanwhile.
        """

        def patiently() -> T:
            for pause_s in (0.5, 1.5):
                self._running.check()
                try:
                    return function(self._parts, *args, **options)
                except (Unavailable, IntegrityError):
                    self._running.pause(pause_s)
            self._running.check()
            return function(self._parts, *args, **options)

        self._running.check()
        result: T = DBOS.run_step({"name": function.__name__}, patiently)
        return result

    def until_done(self, function: Callable[..., Counts], project_id: ProjectId) -> Counts:
        """Repeat a batch step until nothing is left; a batch in which all failed waits a moment before the next."""
        total = {"done": 0, "failed": 0}
        while True:
            counts = self.one(function, project_id)
            total = {name: total[name] + counts[name] for name in total}
            if not counts["left"] or not (counts["done"] or counts["failed"]):
                return total
            if not counts["done"]:
                self._running.pause(1.0)


def guarded(
    parts: Parts, job: JobName, body: Callable[..., Counts], alone: OneAtATime, running: RunningJobs
) -> Callable[..., Counts]:
    """A job of a project: one at a time, its failures counted."""

    def run(project_id: ProjectId, trigger: str, *stored: str) -> Counts:
        with running(str(DBOS.workflow_id)):
            try:
                if job is not JobName.DELETE and not _stands(parts, project_id):
                    return {}  # it was asked for before the project was deleted
                arguments = read_arguments(job, stored)
                with alone(f"{job.value}:{project_id}"):
                    counts = body(project_id, trigger, *([] if arguments is None else [arguments]))
                with transaction(parts.database) as session:
                    failures.clear(session, f"job:{job.value}", str(project_id))
            except Exception as error:
                if not _is_no_failure(error, job, running, project=project_id):
                    _count(parts, job, project_id, error)
                raise
            if any(counts.values()):
                release_freed_memory()
                log.info("job done", job=job.value, project=project_id, trigger=trigger, **counts)
            return counts

    run.__qualname__ = run.__name__ = f"job_{job.value}"
    return run


def logged(job: JobName, body: Callable[..., Counts], running: RunningJobs) -> Callable[..., Counts]:
    """A job of no project: what fails is asked for again by the clock."""

    def run(project_id: None, trigger: str) -> Counts:
        with running(str(DBOS.workflow_id)):
            try:
                return body(project_id, trigger)
            except Exception as error:
                if not _is_no_failure(error, job, running):
                    log.exception("job failed", job=job.value)
                raise

    run.__qualname__ = run.__name__ = f"job_{job.value}"
    return run


def is_dead(parts: Parts, project_id: ProjectId, job: JobName) -> bool:
    """Whether a job of a project is left alone until a person retries it."""
    with reading(parts.database) as session:
        return failures.is_dead(session, f"job:{job.value}", str(project_id))


def _is_no_failure(error: Exception, job: JobName, running: RunningJobs, **facts: object) -> bool:
    """Whether the error speaks of something else than the job: an outage, or the end of this process."""
    if running.ending:
        log.info("job is left", job=job.value, reason="this process ends", **facts)
        return True
    outage = outage_of(error)
    if outage is not None:
        log.warning("job waits", job=job.value, reason=outage.message, error=type(error).__name__, **facts)
    return outage is not None


def _stands(parts: Parts, project_id: ProjectId) -> bool:
    with reading(parts.database) as session:
        return projects.stands(session, project_id)


def _count(parts: Parts, job: JobName, project_id: ProjectId, error: Exception) -> None:
    log.exception("job failed", job=job.value, project=project_id)
    if not _stands(parts, project_id):
        return  # deleted meanwhile: nobody retries what belongs to nothing
    reason = f"{type(error).__name__}: {error}"[:500]
    with transaction(parts.database) as session:
        failures.record(session, project_id, f"job:{job.value}", str(project_id), reason, False, parts.now())
