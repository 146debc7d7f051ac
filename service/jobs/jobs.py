"""Ask for background work by name, in the same transaction as the fact that made it necessary.

In: a session, a job's name, its project and what triggered it. Out: the job's id. A job that already waits or
runs for the same project is joined (`deduplication_id`), so asking twice is harmless; the sweep asks again for what a
joined job did not process. Nothing here imports the worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from dbos import DBOSClient, DBOSPortableJSONSerializer, EnqueueOptions
from dbos import error as dbos_error
from sqlalchemy.orm import Session

from labeling.errors import Unavailable
from labeling.jobs import JobName, Trigger
from labeling.types import ProjectId
from service.jobs.arguments import Arguments, stored_arguments

APPLICATION = "hardcase"
APPLICATION_VERSION = "1"
QUEUES = ("compute", "sync", "patient")
"""`compute` has the jobs that load models or read the whole pool, one at a time; `sync` those that call Label Studio;
`patient` those that call expensive engines and may take hours, or that a person asked for, so that the loop continues
meanwhile."""

_HELD = ["PENDING", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
_QUEUE = {
    **dict.fromkeys((JobName.REVIEW, JobName.SWEEP, JobName.QUALITY, JobName.ADOPT, JobName.MESSAGES), "sync"),
    **dict.fromkeys((JobName.ESCALATE, JobName.ENGINES, JobName.COMPARE, JobName.INSPECT), "patient"),
}


def queue_of(job: JobName) -> str:
    """The queue that a job runs on."""
    return _QUEUE.get(job, "compute")


@dataclass(frozen=True, slots=True)
class JobStatus:
    """The state of one job; `state` is the word of the durable engine (ENQUEUED, PENDING, SUCCESS, ERROR, ...)."""

    id: str
    job: str
    project_id: ProjectId | None
    state: str
    created_at_ms: int
    updated_at_ms: int
    result: dict[str, Any] | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Begun:
    """A job that was begun, and by whom; `given_up` if the durable engine does not begin it again by itself."""

    id: str
    queue: str
    executor: str
    given_up: bool


class Jobs:
    """A client of the durable engine; one a process, made at its edge."""

    def __init__(self, engine: sa.Engine) -> None:
        self._client = DBOSClient(
            system_database_url=engine.url.render_as_string(hide_password=False),
            system_database_engine=engine,
            serializer=DBOSPortableJSONSerializer(),
            lazy=True,
        )

    def ask(
        self,
        session: Session,
        job: JobName,
        project_id: ProjectId | None,
        trigger: Trigger,
        arguments: Arguments | None = None,
    ) -> str:
        """Ask for a job; joins one that waits or runs for the same project with the same arguments.

        Returns the workflow id; Invalid if these are not the job's arguments.
        """
        stored = stored_arguments(job, arguments)
        scope = "all" if project_id is None else str(project_id)
        options: EnqueueOptions = {
            "workflow_name": job.value,
            "queue_name": queue_of(job),
            "app_version": APPLICATION_VERSION,
            "deduplication_id": ":".join((job.value, scope, *stored)),
            "authenticated_user": scope,  # the one attribute that jobs can be listed by on both databases
        }
        for _ in range(10):
            holder = _holder(session, options)
            if holder is not None:
                return holder
            try:
                with session.begin_nested():  # a lost race on PostgreSQL must not end the caller's transaction
                    handle: Any = self._client.enqueue_in_transaction(
                        session, options, project_id, trigger.value, *stored
                    )
                return str(handle.workflow_id)
            except dbos_error.DBOSQueueDeduplicatedError:
                continue  # another process asked first; join it, or ask again if it has just ended
        raise Unavailable(f"The job {job.value} could not be asked for; the sweep will ask again.")

    def begun(self) -> Sequence[Begun]:
        """The jobs that count as running, and those that were begun too often to be begun again by themselves."""
        rows = self._client.list_workflows(status=_HELD, load_input=False, load_output=False)
        return [
            Begun(row.workflow_id, row.queue_name, row.executor_id or "", row.status != "PENDING")
            for row in rows
            if row.queue_name in QUEUES
        ]

    def status(self, job_id: str) -> JobStatus | None:
        """The state of the job; None if it is not known (any more)."""
        return next(iter(self.list(ids=[job_id])), None)

    def list(
        self, *, project_id: ProjectId | None = None, ids: Sequence[str] | None = None, limit: int = 50
    ) -> list[JobStatus]:
        """The newest jobs first, of one project or of all."""
        rows = self._client.list_workflows(
            workflow_ids=list(ids) if ids is not None else None,
            user=None if project_id is None else str(project_id),
            limit=limit,
            sort_desc=True,
        )
        return [
            JobStatus(
                id=row.workflow_id,
                job=row.name,
                project_id=_project_of(row.authenticated_user),
                state=row.status,
                created_at_ms=row.created_at or 0,
                updated_at_ms=row.updated_at or 0,
                result=row.output if isinstance(row.output, dict) else None,
                error=str(row.error) if row.error else None,
            )
            for row in rows
        ]

    def forget(self, *, before: datetime) -> int:
        """Delete the records of jobs that ended before then; returns how many. What they did stays."""
        ended = self._client.list_workflows(
            status=["SUCCESS", "ERROR", "CANCELLED"],
            completed_before=before.isoformat(),
            limit=10_000,
            load_input=False,
            load_output=False,
        )
        self._client.delete_workflows([row.workflow_id for row in ended])
        return len(ended)

    def forget_errors(self, project_id: ProjectId) -> None:
        """Delete the records of a project's jobs that failed: an error may name what is deleted."""
        failed = self._client.list_workflows(
            status=["ERROR", "CANCELLED"], user=str(project_id), limit=10_000, load_input=False, load_output=False
        )
        self._client.delete_workflows([row.workflow_id for row in failed])

    def resume(self, jobs: Sequence[Begun]) -> None:
        """Put jobs that nobody runs any more back into their queues; each goes on after the last step that it ended.

        It lets go of what held back others of its kind.
        """
        for job in jobs:
            self._client.resume_workflows([job.id], queue_name=job.queue)

    def close(self) -> None:
        self._client.destroy()


def _project_of(scope: str | None) -> ProjectId | None:
    return None if scope in (None, "", "all") else ProjectId(int(scope))


def _holder(session: Session, options: EnqueueOptions) -> str | None:
    """The job that waits or runs under the same deduplication id, read in the caller's own transaction."""
    schema = None if session.get_bind().dialect.name == "sqlite" else "dbos"
    keys = {name: options[name] for name in ("queue_name", "deduplication_id")}
    table = sa.table("workflow_status", *map(sa.column, ("workflow_uuid", *keys)), schema=schema)
    where = [table.c[name] == value for name, value in keys.items()]
    return session.execute(sa.select(table.c.workflow_uuid).where(*where)).scalar_one_or_none()
