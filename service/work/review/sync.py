"""Reads people's answers from Label Studio: tasks that events name, tasks that changed, and tasks that are gone.

In: hints from the inbox and the tasks in Label Studio. Out: annotations, labels that follow from them, and the ends
of reviews whose task was deleted. An event is only a hint: what it names is read again.
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
from labeling.adapters.label_studio.client import Changed
from labeling.project import Project
from labeling.slices import batches
from labeling.types import ProjectId, ReviewId
from service.labels.resolution import resolve_labels
from service.work.review.image_urls import renew_addresses
from service.work.review.record_annotations import record_answers
from service.work.review.studio_project import read_studio_project
from service.work.wiring import Parts

SYNC_BATCH = 100
LABEL_BATCH = 500
NAMED_AT_ONCE = 5_000
OVERLAP = timedelta(seconds=30)
FAR_AHEAD = timedelta(minutes=10)
"""A change that lies so far ahead was noted by a clock that was set back since; two machines' clocks differ by less."""
"""Tasks that changed this long before the newest change read are read again: times are not given in order."""


@dataclass(frozen=True, slots=True)
class _Changes:
    """What changed in Label Studio: the tasks, those to read again, and the reviews whose task is gone."""

    tasks: dict[int, Changed]
    read_again: list[int]
    gone: set[ReviewId]


def sync(parts: Parts, project_id: ProjectId, *, full: bool = False) -> dict[str, int]:
    """Read the tasks that events name and those that changed, record their answers, and resolve labels.

    `full` reads every task: finds deleted ones and what a restore from a backup took or brought back, renews
    addresses, and resolves every label anew.
    """
    began = parts.now()
    with reading(parts.database) as session:
        project, place = projects.by_id(session, project_id), label_studio.get(session, project_id)
        hints = inbox.unhandled(session, project_id)
    counts = {"recorded": 0, "withdrawn": 0, "labels": 0}
    if place is not None:
        changes = _changes(parts, project, place, hints, full)
        gone = changes.gone | _read_again(parts, project, place, changes.read_again, counts)
        counts["labels"] += _resolve_rest(parts, project, full)
        _end(parts, gone)
        if full:
            renew_addresses(parts, place, list(changes.tasks.values()))
    with transaction(parts.database) as session:
        inbox.handled(session, [hint.id for hint in hints], parts.now())
        if place is not None:
            _note_how_far(session, place, changes.tasks.values(), began)
    return counts


def _changes(parts: Parts, project: Project, place: Place, hints: Sequence[inbox.Hint], full: bool) -> _Changes:
    since = None if full else _since(place, parts.now())
    if since is None:
        read_studio_project(parts, project, place)  # a project that is gone must not be taken for an empty one
    tasks = {task.task_id: task for task in parts.label_studio.changed(place.ls_project_id, since)}
    with reading(parts.database) as session:
        hinted = {task for hint in hints for task in hint.tasks}
        hinted |= answers.tasks_of(session, place.project_id, [a for hint in hints for a in hint.annotations])
        among = None if since is None or len(tasks) > NAMED_AT_ONCE else {*tasks, *hinted}
        pushes = reviews.pushes(session, place.project_id, among)
        held = answers.held(session, place.project_id, among)
    read_at = {push.ls_task_id: push.touched_at for push in pushes}
    again = {
        task.task_id
        for task in tasks.values()
        if (task.token or task.task_id in read_at)
        and _is_due(task, held.get(task.task_id, frozenset()), read_at.get(task.task_id))
    }
    gone = {push.review_id for push in pushes if since is None and not _is_there(push, tasks)}
    lost = {push.ls_task_id for push in pushes if push.review_id in gone} - set(tasks)
    return _Changes(tasks, sorted((again | (hinted & set(read_at))) - lost), gone)


def _since(place: Place, now: datetime) -> datetime | None:
    """Changes after this time may be new; None where nothing was read yet, or by another clock."""
    if _is_far_ahead(place, now):
        return None
    if place.swept_until is None or place.swept_at is None:
        return place.swept_until
    return place.swept_until - OVERLAP


def _is_far_ahead(place: Place, now: datetime) -> bool:
    """Whether what was read last lies so far ahead that everything is to be read once more."""
    return place.swept_until is not None and place.swept_until > now + FAR_AHEAD


def _note_how_far(session: Session, place: Place, tasks: Iterable[Changed], began: datetime) -> None:
    """Note the newest change read; once nothing newer came for a while, nothing older can come either."""
    newest = max((task.updated_at for task in tasks if task.updated_at <= began + FAR_AHEAD), default=None)
    if newest is not None and (place.swept_until is None or newest > place.swept_until or _is_far_ahead(place, began)):
        label_studio.note(session, place.project_id, swept_until=newest, swept_at=began)
    elif place.swept_at is not None and began - place.swept_at > OVERLAP:
        label_studio.note(session, place.project_id, swept_at=None)


def _is_due(task: Changed, held: frozenset[int], changed_at: datetime | None) -> bool:
    """Whether a task's answers may differ from what we hold; a change that was read, our own too, is no reason."""
    return task.annotations != held or (bool(held) and task.updated_at != changed_at)


def _is_there(push: reviews.Push, tasks: Mapping[int, Changed]) -> bool:
    """Whether the task is still there and still this review's: ids are used again after a restore from a backup."""
    found = tasks.get(push.ls_task_id)
    return found is not None and found.token in (push.token, "")


def _read_again(
    parts: Parts, project: Project, place: Place, task_ids: Sequence[int], counts: dict[str, int]
) -> set[ReviewId]:
    """Record these tasks' answers, a batch a transaction; return the reviews whose task is no longer there."""
    gone: set[ReviewId] = set()
    for batch in batches(task_ids, SYNC_BATCH):
        tasks = list(parts.label_studio.tasks(place.ls_project_id, batch))
        users = parts.label_studio.users() if any(task.annotations for task in tasks) else {}
        parts.failpoint("sync.before_write")
        with transaction(parts.database) as session:
            recorded = record_answers(session, project.id, place.ls_project_id, tasks, users, parts.now())
            counts["labels"] += resolve_labels(session, project, recorded.image_ids, parts.now())
        parts.failpoint("sync.after_write")
        counts["recorded"] += recorded.recorded
        counts["withdrawn"] += recorded.withdrawn
        there = {task.id: task.token for task in tasks}
        with reading(parts.database) as session:
            pushes = reviews.pushes(session, project.id, batch)
        gone |= {push.review_id for push in pushes if there.get(push.ls_task_id) not in (push.token, "")}
    return gone


def _resolve_rest(parts: Parts, project: Project, full: bool) -> int:
    """Labels of answers whose view was noted late; with `full`, of all answers."""
    with reading(parts.database) as session:
        find = answers.answered_images if full else answers.unresolved_images
        images = find(session, project.id)
    labelled = 0
    for batch in batches(images, LABEL_BATCH):
        with transaction(parts.database) as session:
            labelled += resolve_labels(session, project, batch, parts.now())
    return labelled


def _end(parts: Parts, review_ids: set[ReviewId]) -> None:
    """A review whose task was deleted gets no answer any more and is not pushed again; the answers it had stay."""
    for batch in batches(sorted(review_ids), LABEL_BATCH):
        with transaction(parts.database) as session:
            reviews.end(session, batch, reviews.TASK_DELETED, parts.now())
