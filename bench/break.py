"""Takes away what hardcase needs, gives it back, and measures on real processes how long until the loop turns again.

`python -m bench.break` runs a whole `hardcase up` on a small home (without Label Studio) and plays each fault: the
store away, no room on the disk, no descriptors, the worker stopped and killed in its work, the clock set. A fault has
healed when an image that is uploaded after it has its pre-label. At the end nothing that was acknowledged may be lost
or doubled, and nothing may wait for a person. `--quick` makes the faults short, all on one system. `--kills 500` plays
P12 instead: so many times web, worker or a decoder is killed while images and answers come in. Exit code 1 if anything
fails.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import sqlalchemy as sa

from bench import break_clock, break_faults, break_kills
from bench.break_faults import QUICK_S, Fault
from bench.break_system import SWEEP_EVERY_S, System, running
from bench.report import emit
from db.repositories.running import failures
from db.session import reading
from db.tables import FailureRow, FetchRow, ImageRow, PrelabelRow, RegistrationRow

FAULTS: tuple[Fault, ...] = (
    break_faults.store_away,
    break_faults.disk_full,
    break_faults.no_descriptors,
    break_faults.worker_stopped,
    break_faults.worker_killed,
)
CLOCKS: tuple[Fault, ...] = (break_clock.hour_back, break_clock.ten_years_forward)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.break", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short faults on one system")
    parser.add_argument("--only", choices=[fault.__name__ for fault in (*FAULTS, *CLOCKS)], help="one fault")
    parser.add_argument("--kills", type=int, metavar="N", help="so many kills, and no other fault")
    parser.add_argument("--seed", type=int, default=0, help="draws who is killed when")
    chosen = parser.parse_args(words)
    if chosen.kills:
        return _kill(chosen.kills, chosen.seed)
    seconds = QUICK_S if chosen.quick else 5 * SWEEP_EVERY_S + 20.0
    wrong: list[str] = []
    apart: tuple[tuple[tuple[Fault, ...], bool], ...] = ((FAULTS, False), (CLOCKS, True))
    for faults, movable_clock in (((*FAULTS, *CLOCKS), True),) if chosen.quick else apart:
        wanted = [fault for fault in faults if chosen.only in (None, fault.__name__)]
        if wanted:
            wrong += _played(wanted, seconds, movable_clock)
    return int(bool(wrong))


def _played(faults: Sequence[Fault], seconds: float, movable_clock: bool) -> list[str]:
    """Play faults on one system, and say what does not hold at the end."""
    with running(movable_clock=movable_clock) as system:
        print(f"{'nothing':17} {system.turned():6.1f} s until the loop turned", flush=True)
        for fault in faults:
            fault(system, seconds)
            print(f"{fault.__name__:17} {system.turned():6.1f} s until the loop turned again", flush=True)
        wrong = examine(system)
    print("; ".join(wrong) or f"all {len(system.acknowledged)} acknowledged uploads are there once, nothing is dead")
    return wrong


def _kill(count: int, seed: int) -> int:
    """Kill so many times, print what was found, and judge it by P12."""
    with break_kills.killed(count, seed) as (system, tally):
        wrong = [*examine(system), *tally.wrong(system)]
        print(
            "; ".join(wrong) or f"all {len(system.acknowledged)} acknowledged uploads are there once, nothing is dead"
        )
        emit("break", tally.targets(wrong), tally.lines())
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


if __name__ == "__main__":
    sys.exit(main())
