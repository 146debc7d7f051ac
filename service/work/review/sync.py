"""Brings people's answers back from Label Studio: what events point at, what was touched, and what vanished.

In: hints from the inbox and what Label Studio says. Out: annotations, labels that follow from them, and the ends
of reviews whose task was deleted. An event is never believed, only looked into.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from db.repositories.projects import projects
from db.repositories.reviews import annotations as answers
from db.repositories.reviews import inbox, label_studio, reviews
from db.repositories.reviews.label_studio import Place
from db.session import reading, transaction
from labeling.adapters.label_studio.client import Changed, StudioTask
from labeling.project import Project
from labeling.slices import batches
from labeling.types import ProjectId, ReviewId
from service.labels.resolution import settle
from service.work.review.image_urls import renew_addresses
from service.work.review.record_annotations import Recorded, record_answers
from service.work.review.studio_project import look_at_ours
from service.work.wiring import Parts

SYNC_BATCH = 100
SETTLE_BATCH = 500
NAMED_AT_ONCE = 5_000
OVERLAP = timedelta(seconds=30)
"""Tasks touched this long before the newest one seen are looked at again: times are not handed out in order."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What a look over the tasks showed: those to read again, and the reviews whose task is not there any more."""

    tasks: dict[int, Changed]
    read_again: list[int]
    gone: set[ReviewId]


def sync(parts: Parts, project_id: ProjectId, *, full: bool = False) -> dict[str, int]:
    """Read from Label Studio what events and the sweep point at, record it, and let labels follow.

    `full` looks at every task: finds deleted ones and what a restore from a backup took or brought back, renews
    addresses, and settles every label anew.
    """
    began = parts.now()
    with reading(parts.database) as session:
        project, place = projects.by_id(session, project_id), label_studio.get(session, project_id)
        hints = inbox.unhandled(session, project_id)
    counts = {"recorded": 0, "withdrawn": 0, "labels": 0}
    if place is not None:
        look = _look(parts, project, place, hints, full)
        gone = look.gone | _read_again(parts, project, place, look.read_again, counts)
        counts["labels"] += _settle_rest(parts, project, full)
        _end(parts, gone)
        if full:
            renew_addresses(parts, place, list(look.tasks.values()))
    with transaction(parts.database) as session:
        inbox.handled(session, [hint.id for hint in hints], parts.now())
        if place is not None:
            _note_how_far(session, place, look.tasks.values(), began)
    return counts


def _look(parts: Parts, project: Project, place: Place, hints: Sequence[inbox.Hint], full: bool) -> _Look:
    since = None if full else _since(place)
    if since is None:
        look_at_ours(parts, project, place)  # a project that is gone must not look like an empty one
    tasks = {task.task_id: task for task in parts.label_studio.changed(place.ls_project_id, since)}
    with reading(parts.database) as session:
        hinted = {task for hint in hints for task in hint.tasks}
        hinted |= answers.tasks_of(session, place.project_id, [a for hint in hints for a in hint.annotations])
        among = None if since is None or len(tasks) > NAMED_AT_ONCE else {*tasks, *hinted}
        pushes = reviews.pushes(session, place.project_id, among)
        held = answers.held(session, place.project_id, among)
    touched = {push.ls_task_id: push.touched_at for push in pushes}
    again = {
        task.task_id
        for task in tasks.values()
        if (task.token or task.task_id in touched)
        and _is_due(task, held.get(task.task_id, frozenset()), touched.get(task.task_id))
    }
    gone = {push.review_id for push in pushes if since is None and not _stands(push, tasks)}
    lost = {push.ls_task_id for push in pushes if push.review_id in gone} - set(tasks)
    return _Look(tasks, sorted((again | (hinted & set(touched))) - lost), gone)


def _since(place: Place) -> datetime | None:
    """Touches after this one may be new; None where nothing was seen yet."""
    if place.swept_until is None or place.swept_at is None:
        return place.swept_until
    return place.swept_until - OVERLAP


def _note_how_far(session: Session, place: Place, tasks: Iterable[Changed], began: datetime) -> None:
    """The newest touch seen; once nothing newer came for a while, nothing older can come either."""
    newest = max((task.updated_at for task in tasks), default=None)
    if newest is not None and (place.swept_until is None or newest > place.swept_until):
        label_studio.note(session, place.project_id, swept_until=newest, swept_at=began)
    elif place.swept_at is not None and began - place.swept_at > OVERLAP:
        label_studio.note(session, place.project_id, swept_at=None)


def _is_due(task: Changed, held: frozenset[int], touched: datetime | None) -> bool:
    """Whether a task's answers may differ from what we hold; a touch that was seen, our own too, is no reason."""
    return task.annotations != held or (bool(held) and task.updated_at != touched)


def _stands(push: reviews.Push, tasks: Mapping[int, Changed]) -> bool:
    """Whether the task is still there and still this review's: ids are used again after a restore from a backup."""
    found = tasks.get(push.ls_task_id)
    return found is not None and found.token in (push.token, "")


def _read_again(
    parts: Parts, project: Project, place: Place, task_ids: Sequence[int], counts: dict[str, int]
) -> set[ReviewId]:
    """Record these tasks' answers, a batch a transaction; return the reviews whose task is no longer there."""
    gone: set[ReviewId] = set()
    for batch in batches(task_ids, SYNC_BATCH):
        found = list(parts.label_studio.tasks(place.ls_project_id, batch))
        recorded, labelled = _record(parts, project, place, found)
        counts["recorded"] += recorded.recorded
        counts["withdrawn"] += recorded.withdrawn
        counts["labels"] += labelled
        gone |= _without_task(parts, project.id, batch, found)
    return gone


def _without_task(
    parts: Parts, project_id: ProjectId, asked: Sequence[int], found: Sequence[StudioTask]
) -> set[ReviewId]:
    there = {task.id: task.token for task in found}
    with reading(parts.database) as session:
        pushes = reviews.pushes(session, project_id, asked)
    return {push.review_id for push in pushes if there.get(push.ls_task_id) not in (push.token, "")}


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
    for batch in batches(images, SETTLE_BATCH):
        with transaction(parts.database) as session:
            labelled += settle(session, project, batch, parts.now())
    return labelled


def _end(parts: Parts, review_ids: set[ReviewId]) -> None:
    """A review whose task was deleted gets no answer any more and is not pushed again; what it was told stays."""
    for batch in batches(sorted(review_ids), SETTLE_BATCH):
        with transaction(parts.database) as session:
            reviews.end(session, batch, reviews.TASK_DELETED, parts.now())
