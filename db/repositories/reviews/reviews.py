"""Reviews: the questions put to people, which of them are open, and how they stand in Label Studio.

A review is *open* when it has no end and fewer people than are wanted (one, or what its `overlap` rows say) have a
current annotation that is answered or skipped and that counts: not void, not given while paused. The current row of an
annotation is the newest of its `unique_id` by (`updated_at`, `id`). Nothing here is a flag: all are
questions over appended rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from db.rows import columns, count, read, read_all, read_first
from db.session import insert_new, update
from db.tables import (
    AdoptedTaskRow,
    AnnotationRow,
    ImageRow,
    OverlapRow,
    PushRow,
    QueryRow,
    ReReviewRow,
    ReviewEndRow,
    ReviewRow,
    VoidRow,
)
from labeling.types import AnnotationAction, ImageId, ProjectId, ReviewId, ReviewKind

TASK_DELETED = "task deleted"
"""The reason of a review's end when its task is gone from Label Studio; it is never made again."""

CLOSING = (AnnotationAction.ANSWERED.value, AnnotationAction.SKIPPED.value)


@dataclass(frozen=True, slots=True)
class Review:
    """One review with what is needed to show it; `ls_task_id` is None until it stands in Label Studio."""

    id: ReviewId
    project_id: ProjectId
    image_id: ImageId
    query_number: int
    kind: ReviewKind
    blind: bool
    representative: bool
    place: float
    token: str
    content_hash: str
    text: str | None
    created_at: datetime
    ls_task_id: int | None


@dataclass(frozen=True, slots=True)
class Push:
    """A review as a task; `touched_at` is up to which change of the task its answers were read, None before that."""

    review_id: ReviewId
    token: str
    ls_task_id: int
    touched_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an image's review stands: how many people's answers count, and whether more are wanted."""

    review_id: ReviewId
    kind: ReviewKind
    people: int
    open: bool


@lru_cache(maxsize=16)  # as below: a condition never changes, and to make one of an alias takes milliseconds
def is_current(row: type[AnnotationRow] = AnnotationRow) -> sa.ColumnElement[bool]:
    """Whether an annotation row is the newest of its `unique_id`."""
    newer = aliased(AnnotationRow)
    later = sa.or_(newer.updated_at > row.updated_at, sa.and_(newer.updated_at == row.updated_at, newer.id > row.id))
    return ~sa.exists().where(newer.unique_id == row.unique_id, later).correlate(row)


@lru_cache(maxsize=16)
def is_valid(row: Any = AnnotationRow) -> sa.ColumnElement[bool]:
    """The condition on an annotation that it counts: not given while paused, and not void."""
    void = sa.exists().where(VoidRow.annotator_id == row.annotator_id, VoidRow.up_to >= row.id).correlate(row)
    return sa.and_(row.paused.is_(False), ~void)


@cache
def is_open() -> sa.ColumnElement[bool]:
    """The condition on `ReviewRow` that it is open: fewer people have answered than are wanted."""
    return sa.and_(~has_ended(), answered_people() < overlap_wanted())


@cache
def answered_people() -> sa.ColumnElement[int]:
    """How many different people have answered or skipped a `ReviewRow` in a way that counts."""
    answer = aliased(AnnotationRow)
    return (
        sa.select(sa.func.count(sa.distinct(sa.func.coalesce(answer.annotator_id, 0))))
        .where(answer.review_id == ReviewRow.id, answer.action.in_(CLOSING), is_current(answer), is_valid(answer))
        .correlate(ReviewRow)
        .scalar_subquery()
    )


@cache
def overlap_wanted() -> sa.ColumnElement[int]:
    """How many different people are wanted for a `ReviewRow`."""
    highest = sa.select(sa.func.max(OverlapRow.people)).where(OverlapRow.review_id == ReviewRow.id)
    return sa.func.coalesce(highest.correlate(ReviewRow).scalar_subquery(), 1)


@cache
def has_ended() -> sa.ColumnElement[bool]:
    """The condition on `ReviewRow` that it will get no answer any more."""
    return sa.exists().where(ReviewEndRow.review_id == ReviewRow.id).correlate(ReviewRow)


@cache
def is_re_review() -> sa.ColumnElement[bool]:
    """The condition on `ReviewRow` that it re-reviews a label blind: its answers are compared with that label."""
    return sa.exists().where(ReReviewRow.review_id == ReviewRow.id).correlate(ReviewRow)


def open_reviews(session: Session, project_id: ProjectId) -> list[Review]:
    """All open reviews of a project, oldest first."""
    rows = session.execute(_reviews().where(ReviewRow.project_id == project_id, is_open()).order_by(ReviewRow.id))
    return read_all(Review, rows)


def count_open(session: Session, project_id: ProjectId) -> int:
    """How many reviews of a project are open."""
    return count(session, ReviewRow, ReviewRow.project_id == project_id, is_open())


def has_fresh(session: Session, project_id: ProjectId, number: int) -> bool:
    """Whether so many reviews wait for their first answer; gold ones, which measure people, left out."""
    touched = sa.exists().where(
        AnnotationRow.review_id == ReviewRow.id, AnnotationRow.action.in_(CLOSING), is_current()
    )
    of_project, is_gold = ReviewRow.project_id == project_id, ReviewRow.kind == ReviewKind.GOLD.value
    fresh = sa.select(ReviewRow.id).where(of_project, ~is_gold, is_open(), ~touched)
    return len(session.scalars(fresh.order_by(ReviewRow.id.desc()).limit(number)).all()) >= number


def newest(session: Session, project_id: ProjectId) -> ReviewId:
    """The review of a project that was made last; 0 where there is none."""
    return ReviewId(session.scalar(sa.select(sa.func.max(ReviewRow.id)).where(ReviewRow.project_id == project_id)) or 0)


def newest_of_images(session: Session, project_id: ProjectId, image_ids: Sequence[ImageId]) -> dict[ImageId, Standing]:
    """The newest review of each image that has not ended, gold ones and re-reviews left out."""
    newest = (
        sa.select(sa.func.max(ReviewRow.id))
        .where(ReviewRow.project_id == project_id, ReviewRow.image_id.in_(image_ids))
        .where(ReviewRow.kind != ReviewKind.GOLD.value, ~is_re_review(), ~has_ended())
        .group_by(ReviewRow.image_id)
    )
    stand = columns(Standing, ReviewRow, review_id=ReviewRow.id, people=answered_people(), open=is_open())
    rows = session.execute(sa.select(ReviewRow.image_id, *stand).where(ReviewRow.id.in_(newest)))
    return {ImageId(row.image_id): read(Standing, row) for row in rows}


def by_token(session: Session, project_id: ProjectId, tokens: Sequence[str]) -> dict[str, Review]:
    """The reviews that these keys name; a key of another project names nothing."""
    rows = session.execute(_reviews().where(ReviewRow.project_id == project_id, ReviewRow.token.in_(tokens)))
    return {review.token: review for review in read_all(Review, rows)}


def pushes(session: Session, project_id: ProjectId, among: Collection[int] | None = None) -> list[Push]:
    """Everything that was pushed and has not ended, answered or not; `among` names tasks, None means all.

    A task of others that does not carry our key yet is left out.
    """
    statement = _pushes().where(ReviewRow.project_id == project_id, ~has_ended())
    if among is not None:
        statement = statement.where(PushRow.ls_task_id.in_(among))
    ours = statement.where(~_of_others(AdoptedTaskRow.taken_at.is_(None)))
    return read_all(Push, session.execute(ours.order_by(ReviewRow.id)))


def highest_push(session: Session, project_id: ProjectId) -> Push | None:
    """The push with the highest task id, ended or not; None before the first. Where an id was used again, the newer.

    Tasks that were taken over are left out: we did not import them.
    """
    imported = _pushes().where(ReviewRow.project_id == project_id, ~_of_others(sa.true()))
    return read_first(session, Push, imported.order_by(PushRow.ls_task_id.desc(), ReviewRow.id.desc()))


def _pushes() -> sa.Select[*tuple[Any, ...]]:
    return sa.select(*columns(Push, PushRow, ReviewRow)).join(PushRow, PushRow.review_id == ReviewRow.id)


def _of_others(which: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Whether a pushed review stands as a task that was made by others and taken over."""
    same = sa.and_(AdoptedTaskRow.project_id == ReviewRow.project_id, AdoptedTaskRow.ls_task_id == PushRow.ls_task_id)
    return sa.exists().where(same, which).correlate(ReviewRow, PushRow)


def record_pushes(session: Session, tasks: Mapping[ReviewId, int], *, ls_project_id: int, now: datetime) -> int:
    """Note which task each review stands as; a review keeps its first task.

    Label Studio uses a task's id again only after a restore from a backup in which that task was not: whatever review
    stood as it before has lost its task, and ends.
    """
    before = session.scalars(
        sa.select(PushRow.review_id)
        .join(ReviewRow, ReviewRow.id == PushRow.review_id)
        .where(PushRow.ls_task_id.in_(tasks.values()), PushRow.ls_project_id == ls_project_id)
        .where(PushRow.review_id.not_in(tasks), ~has_ended())
    )
    end(session, [ReviewId(review) for review in before], TASK_DELETED, now)
    rows = [
        {"review_id": review, "ls_task_id": task, "ls_project_id": ls_project_id, "pushed_at": now}
        for review, task in tasks.items()
    ]
    return insert_new(session, PushRow, rows)


def note_touches(session: Session, touches: Mapping[ReviewId, datetime]) -> None:
    """Note up to which change the answers at these reviews' tasks were read."""
    for review, at in touches.items():
        update(session, PushRow, PushRow.review_id == review, touched_at=at)


def end(session: Session, review_ids: Sequence[ReviewId], reason: str, now: datetime) -> int:
    """Note that these reviews will get no answer any more."""
    rows = [{"review_id": review, "reason": reason, "at": now} for review in review_ids]
    return insert_new(session, ReviewEndRow, rows)


def _reviews() -> sa.Select[*tuple[Any, ...]]:
    return (
        sa.select(*columns(Review, ReviewRow, ImageRow, PushRow, query_number=QueryRow.number))
        .join(QueryRow, QueryRow.id == ReviewRow.query_id)
        .join(ImageRow, ImageRow.id == ReviewRow.image_id)
        .outerjoin(PushRow, PushRow.review_id == ReviewRow.id)
    )
