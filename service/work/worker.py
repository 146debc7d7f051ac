"""The worker process: takes jobs off the durable queues and runs them; everything that loads a model lives here.

`run_worker` blocks until a signal stops it, finishes or abandons what runs (the tables say where to go on), and returns
an exit code. On SQLite there is exactly one worker, held by a lock file.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import sqlalchemy as sa
from dbos import DBOS, DBOSPortableJSONSerializer
from filelock import FileLock, Timeout

from db.session import make_engine
from labeling.errors import Conflict
from service.jobs.jobs import APPLICATION, APPLICATION_VERSION, QUEUES
from service.logs import get_logger
from service.schema import check_schema
from service.settings import Settings
from service.work.schedules import Clockwork
from service.work.wiring import Parts, make_parts, set_aside_what_is_loaded
from service.work.workflows import register

STOP_WITHIN_S = 3
log = get_logger(__name__)


def run_worker(settings: Settings) -> int:
    """Work until SIGTERM or SIGINT. Returns 0."""
    stopped = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with worker_lock(settings), running_worker(settings):
        set_aside_what_is_loaded()
        log.info("worker ready", executor=settings.executor, pid=os.getpid())
        parent = os.getppid()
        while not stopped.wait(1.0):
            if os.getppid() != parent:
                log.warning("worker stops", reason="the process that started it is gone")
                break
    return 0


@contextmanager
def running_worker(settings: Settings) -> Iterator[Parts]:
    """A launched durable engine with all jobs registered, for as long as the block lasts."""
    parts = make_parts(settings)
    check_schema(parts.database)
    engine_of_jobs = make_engine(settings.database, durable=False)
    _launch(parts, engine_of_jobs)
    clockwork = Clockwork(parts)
    clockwork.start()
    try:
        yield parts
    finally:
        clockwork.stop()
        DBOS.destroy(workflow_completion_timeout_sec=STOP_WITHIN_S, destroy_registry=True)
        parts.decoders.rest()
        parts.jobs.close()
        parts.label_studio.close()
        engine_of_jobs.dispose()
        parts.database.dispose()


@contextmanager
def worker_lock(settings: Settings) -> Iterator[None]:
    """Hold the lock of the one worker on SQLite; Conflict if another holds it. On PostgreSQL there is none."""
    if not settings.is_sqlite:
        yield
        return
    lock = FileLock(settings.home / "worker.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise Conflict(
            f"A worker already runs on {settings.home} (SQLite allows one). Stop it, or ask it for the work: "
            "leave out --here."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _launch(parts: Parts, engine: sa.Engine) -> None:
    settings = parts.settings
    DBOS(
        config={
            "name": APPLICATION,
            "system_database_url": settings.database,
            "system_database_engine": engine,
            "executor_id": settings.executor,
            "application_version": APPLICATION_VERSION,
            "run_migrations": False,
            "serializer": DBOSPortableJSONSerializer(),
            # what a job raises is logged once, by us (workflows.py)
            "log_level": "CRITICAL",
            "console_log_level": "CRITICAL",
            "max_executor_threads": 8,
        }
    )
    register(parts)
    DBOS.launch()
    for queue in QUEUES:
        DBOS.register_queue(
            queue, worker_concurrency=1, polling_interval_sec=settings.queue_poll_s, on_conflict="always_update"
        )
