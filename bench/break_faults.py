"""What can be taken away from a running hardcase: its store, room on the disk, descriptors, its worker.

In: a running system and for how long. Out: nothing; when a function returns, all has been given back.
"""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

from bench.break_system import System

__all__ = ["QUICK_S", "Fault", "disk_full", "no_descriptors", "play", "store_away", "worker_killed", "worker_stopped"]

QUICK_S = 3.0
Fault = Callable[[System, float], None]


def store_away(system: System, seconds: float) -> None:
    """The folder of the images is gone, and something else stands in its place."""
    media = system.home / "media"
    away = media.rename(media.with_name("media.away"))
    media.touch()
    try:
        play(system, seconds, {503, 0})
    finally:
        media.unlink()
        away.rename(media)


def disk_full(system: System, seconds: float) -> None:
    """No file of web and worker may grow: what a quota that is used up says."""
    with _limited(system, resource.RLIMIT_FSIZE, lambda _: 0):
        play(system, seconds, {507, 0})


def no_descriptors(system: System, seconds: float) -> None:
    """Web and worker can open nothing more."""
    with _limited(system, resource.RLIMIT_NOFILE, lambda process: process.num_fds()):
        play(system, seconds, {503, 0, 202})


def worker_stopped(system: System, seconds: float) -> None:
    """SIGTERM in the middle of its work, three times, or once if it is to be quick."""
    for _ in range(_times(seconds)):
        _end_worker(system, signal.SIGTERM, seconds)


def worker_killed(system: System, seconds: float) -> None:
    """SIGKILL in the middle of its work, as often."""
    for _ in range(_times(seconds)):
        _end_worker(system, signal.SIGKILL, seconds)


def play(system: System, seconds: float, expected: set[int]) -> None:
    """Upload again and again while the fault lasts; RuntimeError where what is answered is not among `expected`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status = system.upload()
        if status not in expected:
            raise RuntimeError(f"an upload was answered {status}, not one of {sorted(expected)}")
        time.sleep(0.5)


def _times(seconds: float) -> int:
    return 3 if seconds > QUICK_S else 1


def _end_worker(system: System, number: int, seconds: float) -> None:
    """Give the worker much to do, and end it while it does that; the supervisor starts the next."""
    while (worker := system.process("service.work")) is None:
        time.sleep(0.1)
    system.upload(60 if seconds > QUICK_S else 20)
    time.sleep(min(seconds, 2.0))
    worker.send_signal(number)
    worker.wait(timeout=20)


@contextmanager
def _limited(system: System, what: int, soft: Callable[[psutil.Process], int]) -> Iterator[None]:
    """A lower limit of web and worker, for as long as the block lasts."""
    processes = [one for one in map(system.process, ("service.web", "service.work")) if one is not None]
    before = {one: resource.prlimit(one.pid, what) for one in processes}
    try:
        for one in processes:
            resource.prlimit(one.pid, what, (soft(one), before[one][1]))
        yield
    finally:
        for one in processes:
            if one.is_running():
                resource.prlimit(one.pid, what, before[one])
