"""Which jobs run in this process, and whether it is about to end.

A job that the durable engine holds for running, and that is not among these, died: its thread ended while nothing could
be written. A job that is cut short because the process ends is no failure: it goes on where the tables say.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Ending", "RunningJobs"]


class Ending(BaseException):
    """The process ends: leave the job as it is. No Exception, so that no step takes it for a failure of its own."""


class RunningJobs:
    """Ids of the jobs that run here; for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: dict[str, int] = {}
        self._ending = threading.Event()

    @contextmanager
    def __call__(self, job_id: str) -> Iterator[None]:
        """Run a job in the block. One that is given back to its queue may run here beside its older self."""
        with self._lock:
            self._ids[job_id] = self._ids.get(job_id, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._ids[job_id] -= 1
                if not self._ids[job_id]:
                    del self._ids[job_id]

    @property
    def ids(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._ids)

    @property
    def ending(self) -> bool:
        return self._ending.is_set()

    def end(self) -> None:
        """From now on no job begins another step."""
        self._ending.set()

    def check(self) -> None:
        """Raise Ending if the process is about to end."""
        if self._ending.is_set():
            raise Ending

    def pause(self, seconds: float) -> None:
        """Wait so long, or until the process is about to end."""
        self._ending.wait(seconds)
