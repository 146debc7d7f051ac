"""Is hardcase's ledger what Label Studio holds, after everything that can go wrong between them did?

A real Label Studio and a whole hardcase with fault proxies both ways (events: 30 % lost, 30 % doubled, others late or
in another order; calls: broken, cut, false, refused), people who answer, change, delete and accept in bulk, and SIGKILL
of our worker, of our web process and of Label Studio in turn. Then all is left in peace, and the ledger is compared
with Label Studio's own export, annotation by annotation.

python -m bench.chaos [--minutes N] [--quick]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from bench.chaos_people import Crowd
from bench.chaos_system import CLASSES, NAME, System, running_system
from bench.report import at_least, at_most, emit
from db.repositories.projects import projects
from db.repositories.reviews.reviews import is_current
from db.session import reading
from db.tables import AnnotationRow, PushRow, ReviewRow
from labeling.errors import Unavailable
from labeling.review.events import parse_answer

__all__ = ["Difference", "difference", "play", "settle"]

TEMPLATE = Path(tempfile.gettempdir()) / "hardcase-label-studio-template"
"""Label Studio's empty database is kept here, so that the next start takes seconds."""
SETTLE_WITHIN_S = 300.0
LIVES_AT_LEAST_S = 2.0
"""Nothing is killed before all of it has been up for so long; else a busy machine would only ever start processes."""
NO_ACTS = ("nothing to do", "interrupted", "refused")
Said = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Difference:
    """The ledger against Label Studio's export. Only tasks that are still there are compared."""

    held: int
    lost: int
    false: int
    doubled: int
    tasks: int
    twin_tasks: int

    @property
    def none(self) -> bool:
        return not (self.lost or self.false or self.doubled)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="how long the chaos lasts")
    parser.add_argument("--quick", action="store_true", help="half a minute")
    asked = parser.parse_args()
    minutes = 0.5 if asked.quick else asked.minutes
    with (
        tempfile.TemporaryDirectory(prefix="bench-chaos") as folder,
        running_system(Path(folder), images=max(80, int(60 * minutes)), seed=1, template=TEMPLATE) as system,
    ):
        crowd = play(system, seconds=60 * minutes, kill_every_s=8.0 if asked.quick else 20.0, tell=_print)
        settled_s = settle(system, SETTLE_WITHIN_S)
        found = difference(system)
    acts = {name: count for name, count in crowd.items() if name not in NO_ACTS}
    targets = {
        "lost": at_most(found.lost, 0),
        "false": at_most(found.false, 0),
        "doubled": at_most(found.doubled, 0),
        "acts_by_people": at_least(sum(acts.values()), 20 * minutes),
        "kills": at_least(sum(system.kills.values()), 1.5 * minutes),
    }
    last = {
        "arm": "at the end",
        "settled_s": settled_s,
        "annotations": found.held,
        "tasks": found.tasks,
        "people": acts,
    }
    emit("chaos", targets, [{**last, "twin_tasks": found.twin_tasks, "kills": system.kills}])


def play(
    system: System, *, seconds: float, kill_every_s: float, tell: Callable[[dict[str, Any]], None]
) -> Counter[str]:
    """Let people work while everything is killed in turn, each once at least; what they did.

    `tell` is called once a minute.
    """
    _wait_for_tasks(system)
    kills = [system.kill_worker, system.kill_web, system.kill_label_studio, system.kill_worker]
    began, minute, turn, killed = time.monotonic(), 1, 0, 0.0
    up_since: float | None = None
    with Crowd(system.where, system.accounts, CLASSES, seed=7, pause_s=0.2) as crowd:
        while (passed := time.monotonic() - began) < seconds or not all(system.kills.values()):
            up_since = (up_since or time.monotonic()) if system.is_up() else None
            if killed + kill_every_s < passed and up_since and time.monotonic() - up_since > LIVES_AT_LEAST_S:
                kills[turn % len(kills)]()
                turn, killed, up_since = turn + 1, time.monotonic() - began, None
            if passed > minute * 60:
                tell(_line(system, crowd, minute))
                minute += 1
            time.sleep(0.2)
    return crowd.counts


def settle(system: System, within_s: float) -> float | None:
    """Leave all in peace until the ledger is what Label Studio holds; seconds that it took, None if it is not so."""
    system.webhooks.calm()
    system.api.calm()
    began = time.monotonic()
    while (passed := time.monotonic() - began) < within_s:
        if difference(system).none:
            return round(passed, 1)
        time.sleep(1.0)
        if passed > within_s / 4:
            system.cli("sync", NAME, "--full")
    return None


def difference(system: System) -> Difference:
    """Compare the newest row of every annotation with Label Studio's export of the project."""
    tasks = _export(system)
    project = system.ls_project() or 0
    there = {task["id"] for task in tasks}
    tokens = _our_tokens(system)
    said = {
        (task["id"], answer.ls_annotation_id): (answer.action.value, answer.answers)
        for task in tasks
        if task["data"].get("external_id") in tokens
        for answer in (parse_answer(project, raw, ()) for raw in task["annotations"])
    }
    held = [row for row in _held(system) if row[0][0] in there]
    ours = dict(held)
    copies = Counter(task["data"].get("external_id") for task in tasks)
    return Difference(
        held=len(held),
        lost=sum(ours.get(key) != what for key, what in said.items()),
        false=len(set(ours) - set(said)),
        doubled=len(held) - len(ours),
        tasks=len(tasks),
        twin_tasks=sum(count - 1 for count in copies.values()),
    )


def _held(system: System) -> list[tuple[tuple[int, int], Said]]:
    """(task, annotation) and what it says, for every annotation that the ledger holds for given."""
    with reading(system.database) as session:
        rows = session.execute(
            sa.select(AnnotationRow, PushRow.ls_task_id)
            .outerjoin(PushRow, PushRow.review_id == AnnotationRow.review_id)
            .where(is_current(), AnnotationRow.action != "withdrawn")
        )
        return [
            ((row.ls_task_id or task, row.ls_annotation_id), (row.action, tuple(row.answers))) for row, task in rows
        ]


def _our_tokens(system: System) -> set[str]:
    with reading(system.database) as session:
        project = projects.by_name(session, NAME)
        return set(session.scalars(sa.select(ReviewRow.token).where(ReviewRow.project_id == project.id)))


def _export(system: System) -> list[dict[str, Any]]:
    answer = httpx.get(
        f"{system.studio.url}/api/projects/{system.ls_project()}/export",
        params={"exportType": "JSON", "download_all_tasks": "true"},
        headers={"Authorization": f"Token {system.studio.token}"},
        timeout=300,
    )
    found: list[dict[str, Any]] = answer.raise_for_status().json()
    return found


def _wait_for_tasks(system: System) -> None:
    deadline = time.monotonic() + 180
    while system.ls_project() is None or not _export(system):
        if time.monotonic() > deadline:
            raise Unavailable(f"Nothing was pushed to Label Studio; see the logs in {system.home}.")
        time.sleep(0.5)


def _line(system: System, crowd: Crowd, minute: int) -> dict[str, Any]:
    with reading(system.database) as session:
        rows = session.scalar(sa.select(sa.func.count()).select_from(AnnotationRow)) or 0
    return {
        "arm": "chaos",
        "minute": minute,
        "people": dict(crowd.counts),
        "events": dict(system.webhooks.counts),
        "calls": dict(system.api.counts),
        "kills": dict(system.kills),
        "ledger_rows": rows,
    }


def _print(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
