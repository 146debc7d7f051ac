"""Takes away what hardcase needs, gives it back, and measures on real processes how long until the loop turns again.

`python -m bench.break` runs a whole `hardcase up` on a small home (without Label Studio) and plays each fault: the
store away, no room on the disk, no descriptors, the worker stopped and killed in its work. A fault has healed when an
image that is uploaded after it has its pre-label. At the end nothing that was acknowledged may be lost or doubled, and
nothing may wait for a person. `--quick` makes the faults short. Exit code 1 if anything does not hold.
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import sqlalchemy as sa

from bench.break_system import SWEEP_EVERY_S, System, running
from db.repositories.running import failures
from db.session import reading
from db.tables import FailureRow, FetchRow, ImageRow, PrelabelRow, RegistrationRow

QUICK_S = 3.0
Fault = Callable[[System, float], None]


def store_away(system: System, seconds: float) -> None:
    """The folder of the images is gone, and something else stands in its place."""
    media = system.home / "media"
    away = media.rename(media.with_name("media.away"))
    media.touch()
    try:
        _play(system, seconds, {503, 0})
    finally:
        media.unlink()
        away.rename(media)


def disk_full(system: System, seconds: float) -> None:
    """No file of web and worker may grow: what a quota that is used up says."""
    with _limited(system, resource.RLIMIT_FSIZE, lambda _: 0):
        _play(system, seconds, {507, 0})


def no_descriptors(system: System, seconds: float) -> None:
    """Web and worker can open nothing more."""
    with _limited(system, resource.RLIMIT_NOFILE, lambda process: process.num_fds()):
        _play(system, seconds, {503, 0, 202})


def worker_stopped(system: System, seconds: float) -> None:
    """SIGTERM in the middle of its work, three times, or once if it is to be quick."""
    for _ in range(_times(seconds)):
        _end_worker(system, signal.SIGTERM, seconds)


def worker_killed(system: System, seconds: float) -> None:
    """SIGKILL in the middle of its work, as often."""
    for _ in range(_times(seconds)):
        _end_worker(system, signal.SIGKILL, seconds)


FAULTS: tuple[Fault, ...] = (store_away, disk_full, no_descriptors, worker_stopped, worker_killed)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.break", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short faults")
    parser.add_argument("--only", choices=[fault.__name__ for fault in FAULTS], help="one fault")
    chosen = parser.parse_args(words)
    seconds = QUICK_S if chosen.quick else 5 * SWEEP_EVERY_S + 20.0
    with running() as system:
        print(f"{'nothing':16} {system.turned():6.1f} s until the loop turned", flush=True)
        for fault in FAULTS:
            if chosen.only in (None, fault.__name__):
                fault(system, seconds)
                print(f"{fault.__name__:16} {system.turned():6.1f} s until the loop turned again", flush=True)
        wrong = examine(system)
    print("; ".join(wrong) or f"all {len(system.acknowledged)} acknowledged uploads are there once, nothing is dead")
    return int(bool(wrong))


def examine(system: System) -> list[str]:
    """What does not hold: acknowledged uploads that are lost or doubled, dead letters, a damaged database."""
    with reading(system.database) as session:
        images = list(session.scalars(sa.select(ImageRow.content_hash)))
        twice = session.scalar(
            sa.select(sa.func.count()).select_from(
                sa.select(PrelabelRow.image_id).group_by(PrelabelRow.image_id).having(sa.func.count() > 1).subquery()
            )
        )
        fetched = session.scalar(sa.select(sa.func.count()).select_from(FetchRow)) or 0
        registered = session.scalar(sa.select(sa.func.count()).select_from(RegistrationRow)) or 0
        dead = list(session.scalars(sa.select(FailureRow.reason).where(failures.has_no_tries_left())))
        sound = session.connection().exec_driver_sql("PRAGMA integrity_check").scalar()
    lost = system.acknowledged - set(images)
    found = {
        f"{len(lost)} acknowledged uploads are lost": bool(lost),
        f"{len(images) - len(set(images))} images and {twice} pre-labels are doubled": bool(
            twice or len(images) != len(set(images))
        ),
        f"{registered - fetched} registrations were not fetched": registered != fetched,
        f"dead letters: {dead}": bool(dead),
        f"the database: {sound}": sound != "ok",
    }
    return [words for words, holds in found.items() if holds]


def _play(system: System, seconds: float, expected: set[int]) -> None:
    """Upload again and again while the fault lasts; what is answered must be among `expected`."""
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


if __name__ == "__main__":
    sys.exit(main())
