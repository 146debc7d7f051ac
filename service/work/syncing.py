"""Brings people's answers back from Label Studio: what events point at, what was touched, and what vanished.

In: hints from the inbox and what Label Studio says. Out: annotations, labels that follow from them, and the ends
of reviews whose task was deleted. An event is never believed, only looked into.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from db.repositories import annotations as answers
from db.repositories import inbox, label_studio, projects, reviews
from db.repositories.label_studio import Place
from db.session import reading, transaction
from labeling.adapters.label_studio import StudioTask
from labeling.types import Project, ProjectId
from service.settling import settle
from service.work.image_addresses import renew_addresses
from service.work.ledger import Recorded, record_answers
from service.work.wiring import Parts

__all__ = ["sync"]

SYNC_BATCH = 100
SETTLE_BATCH = 500
OVERLAP = timedelta(seconds=30)
"""Tasks touched this long before the newest one seen are looked at again: times are not handed out in order."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Touched:
    """The tasks to read again, those that are gone, and the newest touch that was seen."""

    read_again: list[int]
    gone: set[int]
    newest: datetime | None


def sync(parts: Parts, project_id: ProjectId, *, full: bool = False) -> dict[str, int]:
    """Read from Label Studio what events and the sweep point at, record it, and let labels follow.

    `full` looks at every task: finds deleted ones, renews addresses, and settles every label anew.
    """
    with reading(parts.database) as session:
        project, place = projects.by_id(session, project_id), label_studio.get(session, project_id)
        hints = inbox.unhandled(session, project_id)
    counts = {"recorded": 0, "withdrawn": 0, "labels": 0}
    if place is not None:
        touched = _touched(parts, place, hints, full)
        gone = touched.gone | _read_again(parts, project, place, touched, counts)
        counts["labels"] += _settle_rest(parts, project, full)
        _end_deleted(parts, project_id, gone)
        if full:
            renew_addresses(parts, place)
    with transaction(parts.database) as session:
        inbox.handled(session, [hint.id for hint in hints], parts.now())
        if place is not None and touched.newest is not None:
            label_studio.note(session, project_id, swept_until=touched.newest)
    return counts


def _touched(parts: Parts, place: Place, hints: Sequence[inbox.Hint], full: bool) -> _Touched:
    since = None if full or place.swept_until is None else place.swept_until - OVERLAP
    if since is None:
        parts.label_studio.project(place.ls_project_id)  # a project that is gone must not look like an empty one
    changed = parts.label_studio.changed(place.ls_project_id, since)
    with reading(parts.database) as session:
        known = set(reviews.unended_tasks(session, place.project_id))
        answered = answers.answered_tasks(session, place.project_id)
        hinted = {task for hint in hints for task in hint.tasks}
        hinted |= answers.tasks_of(session, place.project_id, [a for hint in hints for a in hint.annotations])
    again = {task.task_id for task in changed if task.answered or task.task_id in answered} | (hinted & known)
    gone = set() if since is not None else known - {task.task_id for task in changed}
    newest = max((task.updated_at for task in changed), default=place.swept_until)
    return _Touched(sorted(again - gone), gone, newest)


def _read_again(parts: Parts, project: Project, place: Place, touched: _Touched, counts: dict[str, int]) -> set[int]:
    """Record these tasks' answers, a batch a transaction; return the tasks that are no longer there."""
    gone: set[int] = set()
    for batch in _batches(touched.read_again, SYNC_BATCH):
        found = list(parts.label_studio.tasks(place.ls_project_id, batch))
        recorded, labelled = _record(parts, project, place, found)
        counts["recorded"] += recorded.recorded
        counts["withdrawn"] += recorded.withdrawn
        counts["labels"] += labelled
        gone |= set(batch) - {task.id for task in found}
    return gone


def _record(parts: Parts, project: Project, place: Place, tasks: Sequence[StudioTask]) -> tuple[Recorded, int]:
    """One batch: its answers and the labels that follow from them, in one transaction."""
    users = parts.label_studio.users() if any(task.annotations for task in tasks) else {}
    parts.failpoint("sync.before_write")
    with transaction(parts.database) as session:
        recorded = record_answers(session, project.id, place.ls_project_id, tasks, users, parts.now())
        labelled = settle(session, project, recorded.image_ids, parts.now())
    parts.failpoint("sync.after_write")
    return recorded, labelled


def _settle_rest(parts: Parts, project: Project, full: bool) -> int:
    """Answers whose image turned out to have been seen after all; with `full`, all there are."""
    with reading(parts.database) as session:
        find = answers.answered_images if full else answers.unsettled_images
        images = find(session, project.id)
    labelled = 0
    for batch in _batches(images, SETTLE_BATCH):
        with transaction(parts.database) as session:
            labelled += settle(session, project, batch, parts.now())
    return labelled


def _end_deleted(parts: Parts, project_id: ProjectId, task_ids: set[int]) -> None:
    """A deleted task gets no answer any more and is not made again; what it was answered with stays."""
    for batch in _batches(sorted(task_ids), SETTLE_BATCH):
        with transaction(parts.database) as session:
            found = reviews.by_task(session, project_id, batch)
            reviews.end(session, [review.id for review in found.values()], reviews.TASK_DELETED, parts.now())


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
