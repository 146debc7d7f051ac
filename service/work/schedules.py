"""What the worker does by the clock: a heartbeat, the sweep, a look at the inbox, and tidying up.

One thread on the monotonic clock, so neither a changed clock nor a slept laptop fires anything twice; asking for
a job that already waits joins it. Whatever fails here is logged and tried again at the next tick.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import psutil
import sqlalchemy as sa

from db.repositories.reviews import inbox
from db.repositories.running import heartbeats
from db.session import reading, transaction
from labeling.jobs import JobName, Trigger
from service.logs import get_logger
from service.work.wiring import Parts

HEARTBEAT_EVERY_S = 10.0
INBOX_EVERY_S = 1.0
TIDY_EVERY_S = 3600.0
GONE_AFTER = timedelta(seconds=60)
"""A worker that has not beaten for so long is gone; its jobs go to those that live."""
KEEP_JOBS = timedelta(days=7)
log = get_logger(__name__)


class Clockwork:
    """The worker's clock; `start` and `stop` are called once each."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._started_at: datetime = parts.now()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clockwork", daemon=True)
        self._every: dict[Callable[[], None], float] = {
            self._beat: HEARTBEAT_EVERY_S,
            self._look_into_inbox: INBOX_EVERY_S,
            self._sweep: parts.settings.sweep_every_s,
            self._adopt_orphans: GONE_AFTER.total_seconds(),
            self._tidy: TIDY_EVERY_S,
        }
        self._next = {**dict.fromkeys(self._every, 0.0), self._tidy: 60.0}  # nothing to tidy before there is work

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        begun = time.monotonic()
        while not self._stopped.wait(0.2):
            elapsed = time.monotonic() - begun
            for action, due in list(self._next.items()):
                if elapsed >= due:
                    self._next[action] = elapsed + self._every[action]
                    try:
                        action()
                    except sa.exc.SQLAlchemyError:
                        log.exception("clockwork", action=action.__name__)

    def _beat(self) -> None:
        process = psutil.Process()
        counters = {
            "pid": os.getpid(),
            "rss_bytes": process.memory_info().rss,
            "cpu_s": round(sum(process.cpu_times()[:2]), 1),
            "threads": process.num_threads(),
            "label_studio_failures": self._parts.label_studio.failures,
        }
        with transaction(self._parts.database) as session:
            executor = self._parts.settings.executor
            heartbeats.beat(session, executor, self._started_at, self._parts.now(), counters)

    def _sweep(self) -> None:
        with transaction(self._parts.database) as session:
            self._parts.jobs.ask(session, JobName.SWEEP, None, Trigger.SCHEDULE)

    def _look_into_inbox(self) -> None:
        if self._parts.label_studio.pause_s:
            return  # the job could not look into anything now; the sweep asks for it again
        with reading(self._parts.database) as session:
            waiting = inbox.projects_with_unhandled(session)
        for project_id in waiting:
            with transaction(self._parts.database) as session:
                self._parts.jobs.ask(session, JobName.REVIEW, project_id, Trigger.ANSWERED)

    def _adopt_orphans(self) -> None:
        gone_before = self._parts.now() - GONE_AFTER
        with reading(self._parts.database) as session:
            alive = {beat.executor for beat in heartbeats.everyone(session) if beat.at > gone_before}
        adopted = self._parts.jobs.adopt(alive=alive | {self._parts.settings.executor})
        if adopted:
            log.warning("took over jobs of workers that are gone", jobs=adopted)

    def _tidy(self) -> None:
        with transaction(self._parts.database) as session:
            self._parts.jobs.ask(session, JobName.TIDY, None, Trigger.SCHEDULE)
        forgotten = self._parts.jobs.forget(before=self._parts.now() - KEEP_JOBS)
        if forgotten:
            log.info("old jobs forgotten", jobs=forgotten)
