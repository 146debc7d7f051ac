"""Tasks that were made in Label Studio and taken over: which there are, and which still lack a review.

A task is *ready* when its image was fetched and has its group, and the key of its review is not in Label Studio yet.
All are questions over rows; a task is noted once, however often it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import columns, read_all, to_row
from db.session import insert_new, update
from db.tables import AdoptedTaskRow, FetchRow, ImageRow, PushRow, RegistrationRow, ReviewRow
from labeling.types import ImageId, ProjectId, RegistrationId, ReviewId


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to be noted: its registration, whether it had an answer, and how many people were to answer it."""

    ls_task_id: int
    registration_id: RegistrationId
    answered: bool
    people: int


@dataclass(frozen=True, slots=True)
class Ready:
    """A noted task whose image is there. `review_id` and `token` are None until it has a review."""

    ls_task_id: int
    image_id: ImageId
    text: str | None
    people: int
    review_id: ReviewId | None
    token: str | None


def add(session: Session, project_id: ProjectId, tasks: Sequence[NewTask], now: datetime) -> int:
    """Note these tasks; return how many are new."""
    return insert_new(session, AdoptedTaskRow, [to_row(one, project_id=project_id, adopted_at=now) for one in tasks])


def known_tasks(session: Session, project_id: ProjectId, ls_project_id: int, task_ids: Sequence[int]) -> set[int]:
    """Those of these tasks that are noted already, or that we made."""
    noted = sa.select(AdoptedTaskRow.ls_task_id).where(
        AdoptedTaskRow.project_id == project_id, AdoptedTaskRow.ls_task_id.in_(task_ids)
    )
    made = sa.select(PushRow.ls_task_id).where(PushRow.ls_project_id == ls_project_id, PushRow.ls_task_id.in_(task_ids))
    return set(session.scalars(sa.union(noted, made)))


def ready(session: Session, project_id: ProjectId, limit: int) -> list[Ready]:
    """The first tasks whose image has its group and whose key was not written to Label Studio yet."""
    held = (
        sa.select(PushRow.ls_task_id, ReviewRow.id, ReviewRow.token)
        .join(ReviewRow, ReviewRow.id == PushRow.review_id)
        .where(ReviewRow.project_id == project_id)
        .subquery()
    )
    held_review = {"review_id": held.c.id, "token": held.c.token}
    rows = session.execute(
        sa.select(*columns(Ready, AdoptedTaskRow, RegistrationRow, image_id=ImageRow.id, **held_review))
        .join(RegistrationRow, RegistrationRow.id == AdoptedTaskRow.registration_id)
        .join(FetchRow, FetchRow.registration_id == RegistrationRow.id)
        .join(ImageRow, ImageRow.id == FetchRow.image_id)
        .outerjoin(held, held.c.ls_task_id == AdoptedTaskRow.ls_task_id)
        .where(*_is_ready(project_id))
        .order_by(AdoptedTaskRow.id)
        .limit(limit)
    )
    return read_all(Ready, rows)


def has_ready(session: Session, project_id: ProjectId) -> bool:
    """Whether `ready` would give any."""
    found = (
        sa.select(AdoptedTaskRow.id)
        .join(FetchRow, FetchRow.registration_id == AdoptedTaskRow.registration_id)
        .join(ImageRow, ImageRow.id == FetchRow.image_id)
        .where(*_is_ready(project_id))
    )
    return session.scalar(found.limit(1)) is not None


def taken(session: Session, project_id: ProjectId, task_ids: Sequence[int], now: datetime) -> None:
    """Note that the keys of these tasks were written to Label Studio."""
    of_project = AdoptedTaskRow.project_id == project_id
    update(session, AdoptedTaskRow, of_project, AdoptedTaskRow.ls_task_id.in_(task_ids), taken_at=now)


def count(session: Session, project_id: ProjectId) -> tuple[int, int]:
    """How many tasks were noted, and how many of them are taken over by now."""
    statement = sa.select(sa.func.count(), sa.func.count(AdoptedTaskRow.taken_at))
    noted, done = session.execute(statement.where(AdoptedTaskRow.project_id == project_id)).one()
    return int(noted), int(done)


def _is_ready(project_id: ProjectId) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        AdoptedTaskRow.project_id == project_id,
        AdoptedTaskRow.taken_at.is_(None),
        ImageRow.group_id.is_not(None),
    )
