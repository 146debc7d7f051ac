"""What the worker does by the clock: a heartbeat, the sweep, a look at the inbox, and tidying up.

One thread on the monotonic clock, so neither a changed clock nor a slept laptop fires anything twice; asking for
a job that already waits joins it. Whatever fails here is logged and tried again at the next tick; the worker ends
itself when the heart has not beaten for too long.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import psutil

from db.outages import outage_of
from db.repositories.reviews import inbox
from db.repositories.running import heartbeats
from db.session import reading, transaction
from labeling.jobs import JobName, Trigger
from service.jobs.jobs import Begun
from service.logs import get_logger
from service.work.running_jobs import RunningJobs
from service.work.wiring import Parts

HEARTBEAT_EVERY_S = 10.0
INBOX_EVERY_S = 1.0
ORPHANS_EVERY_S = 15.0
TIDY_EVERY_S = 3600.0
GONE_AFTER_S = 60.0
"""A worker that has not beaten for so long is gone; its jobs go to those that live."""
KEEP_JOBS = timedelta(days=7)
log = get_logger(__name__)


class Clockwork:
    """The worker's clock; `start` and `stop` are called once each."""

    def __init__(self, parts: Parts, running: RunningJobs) -> None:
        self._parts, self._running = parts, running
        self._started_at: datetime = parts.now()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clockwork", daemon=True)
        self._every: dict[Callable[[], None], float] = {
            self._beat: HEARTBEAT_EVERY_S,
            self._look_into_inbox: INBOX_EVERY_S,
            self._sweep: parts.settings.sweep_every_s,
            self._take_up: min(ORPHANS_EVERY_S, max(parts.settings.sweep_every_s, 2.0)),
            self._tidy: TIDY_EVERY_S,
        }
        self._next = {**dict.fromkeys(self._every, 0.0), self._tidy: 60.0}  # nothing to tidy before there is work
        self._beaten = time.monotonic()
        self._idle: frozenset[str] = frozenset()
        self._beats = Beats(time.monotonic)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(timeout=5)

    def silent_s(self) -> float:
        """Seconds since the last heartbeat that was written."""
        return time.monotonic() - self._beaten

    def _run(self) -> None:
        begun = time.monotonic()
        while not self._stopped.wait(0.2):
            elapsed = time.monotonic() - begun
            for action, due in list(self._next.items()):
                if elapsed >= due:
                    self._next[action] = elapsed + self._every[action]
                    self._do(action)

    def _do(self, action: Callable[[], None]) -> None:
        """The thread's edge: no error ends it."""
        try:
            action()
        except Exception as error:  # noqa: BLE001 - it is logged, and the next tick tries again
            outage = outage_of(error)
            if outage is None:
                log.error("clockwork", action=action.__name__, exc_info=error)
            else:
                log.warning("clockwork waits", action=action.__name__, reason=outage.message)

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
        self._beaten = time.monotonic()

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

    def _take_up(self) -> None:
        """Resume what nobody runs: jobs of workers that are gone, and jobs that died here and could not say so."""
        with reading(self._parts.database) as session:
            alive = self._beats.alive(heartbeats.everyone(session), self._parts.now())
        begun = self._parts.jobs.begun()
        ours = {job.id for job in begun if job.executor == self._parts.settings.executor} - self._running.ids
        died, self._idle = ours & self._idle, frozenset(ours)  # twice in a row: one may be about to begin
        known = alive | {self._parts.settings.executor}
        orphans: list[Begun] = [job for job in begun if job.executor not in known or job.given_up or job.id in died]
        self._parts.jobs.resume(orphans)
        if orphans:
            log.warning("took up jobs that nobody ran", jobs=len(orphans), of_this_worker=len(died))

    def _tidy(self) -> None:
        with transaction(self._parts.database) as session:
            self._parts.jobs.ask(session, JobName.TIDY, None, Trigger.SCHEDULE)
        forgotten = self._parts.jobs.forget(before=self._parts.now() - KEEP_JOBS)
        if forgotten:
            log.info("old jobs forgotten", jobs=forgotten)


class Beats:
    """Who is alive, by whether their heartbeats change: clocks of several machines differ, and may be set."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._read: dict[str, tuple[datetime, float]] = {}

    def alive(self, beats: list[heartbeats.Heartbeat], now: datetime) -> set[str]:
        """The executors whose newest beat was first read less than `GONE_AFTER_S` ago.

        One that is read for the first time and says that it is older is gone at once.
        """
        for beat in beats:
            known = self._read.get(beat.executor)
            if known is None and (now - beat.at).total_seconds() > GONE_AFTER_S:
                self._read[beat.executor] = (beat.at, self._clock() - GONE_AFTER_S)
            elif known is None or known[0] != beat.at:
                self._read[beat.executor] = (beat.at, self._clock())
        return {name for name, (_, since) in self._read.items() if self._clock() - since < GONE_AFTER_S}
