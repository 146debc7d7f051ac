"""How many different people are wanted for a review: appended facts, of which the highest counts.

Label Studio must ask one more person for each answer that stands there and no longer counts here: it shows nobody the
same task twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from db.repositories.people import annotators
from db.repositories.reviews.reviews import (
    CLOSING,
    answered_people,
    has_ended,
    is_current,
    is_open,
    is_re_review,
    is_valid,
    overlap_wanted,
)
from db.rows import columns, count, read, read_all, rows_of
from db.session import insert_new, update
from db.tables import AnnotationRow, OverlapRow, PushRow, ReviewRow, VoidRow
from labeling.types import Actor, AnnotationAction, ImageId, ProjectId, ReviewId, ReviewKind


@dataclass(frozen=True, slots=True)
class TooFewPeople:
    """An open review whose task asks fewer people than it must; `people` is how many it is to ask in all."""

    review_id: ReviewId
    ls_task_id: int
    people: int


@dataclass(frozen=True, slots=True)
class Asked:
    """How a review that has not ended stands: its drawn place, how many people it wants, and whether it waits.

    `people` have answered it in a way that counts, those who could not tell among them.
    """

    place: float
    people: int
    wanted: int
    open: bool


def want(session: Session, people: Mapping[ReviewId, int], by: Actor) -> int:
    """Note that so many people are wanted for these reviews; return how many notes are new."""
    rows = [
        {"review_id": review, "people": number, "reason": by.reason, "author": by.author, "at": by.now}
        for review, number in people.items()
    ]
    return insert_new(session, OverlapRow, rows)


def too_few_people(session: Session, project_id: ProjectId) -> list[TooFewPeople]:
    """The open reviews whose task asks fewer people than are wanted, those whose answers do not count added."""
    needed = overlap_wanted() + _uncounted()
    rows = session.execute(
        sa.select(*columns(TooFewPeople, PushRow, people=needed))
        .join(ReviewRow, ReviewRow.id == PushRow.review_id)
        .where(ReviewRow.project_id == project_id, ReviewRow.id.in_(_candidates()))  # few reviews, cheaply found
        .where(needed > PushRow.people, is_open())
        .order_by(ReviewRow.id)
    )
    return read_all(TooFewPeople, rows)


def note_people(session: Session, people: Sequence[TooFewPeople]) -> None:
    """Note how many people these tasks ask now."""
    for one in people:
        update(session, PushRow, PushRow.review_id == one.review_id, people=one.people)


def people_since(session: Session, project_id: ProjectId, since: datetime) -> set[int]:
    """The people who have answered since then in a way that counts, those left out who are paused now."""
    rows = session.scalars(
        sa.select(AnnotationRow.annotator_id)
        .distinct()
        .join(ReviewRow, ReviewRow.id == AnnotationRow.review_id)
        .where(ReviewRow.project_id == project_id, AnnotationRow.updated_at >= since)
        .where(AnnotationRow.action == AnnotationAction.ANSWERED.value, is_valid())
    )
    return {one for one in rows if one is not None} - annotators.paused(session, project_id)


def answered_lately(session: Session, project_id: ProjectId, limit: int) -> list[ImageId]:
    """The images of so many reviews that were answered, the newest reviews first; gold ones left out."""
    rows = session.scalars(
        sa.select(ReviewRow.image_id)
        .where(ReviewRow.project_id == project_id, ReviewRow.kind != ReviewKind.GOLD.value, _is_answered())
        .order_by(ReviewRow.id.desc())
        .limit(limit)
    )
    return sorted({ImageId(image) for image in rows})


def states(session: Session, review_ids: Sequence[ReviewId]) -> dict[ReviewId, Asked]:
    """How these reviews stand; those that have ended are left out."""
    stand = columns(Asked, ReviewRow, people=answered_people(), wanted=overlap_wanted(), open=is_open())
    statement = sa.select(ReviewRow.id, *stand).where(~has_ended())
    return {ReviewId(row.id): read(Asked, row) for row in rows_of(session, statement, ReviewRow.id, review_ids)}


def count_answered(session: Session, project_id: ProjectId, kinds: Sequence[ReviewKind]) -> int:
    """How many reviews of these kinds somebody has answered, re-reviews left out."""
    return count(session, ReviewRow, *_of_kinds(project_id, kinds), _is_answered())


def count_asked(session: Session, project_id: ProjectId, kinds: Sequence[ReviewKind]) -> tuple[int, int]:
    """How many reviews of these kinds want several people, and how many of those still wait for one."""
    several = sa.exists().where(OverlapRow.review_id == ReviewRow.id, OverlapRow.people > 1)
    wanted = *_of_kinds(project_id, kinds), several
    return count(session, ReviewRow, *wanted), count(session, ReviewRow, *wanted, is_open())


def count_answered_since(session: Session, project_id: ProjectId, kinds: Sequence[ReviewKind]) -> int:
    """How many reviews of these kinds one person has answered since several were wanted for one of them last."""
    of_kinds = _of_kinds(project_id, kinds)
    wanted = sa.select(sa.func.max(OverlapRow.at)).join(ReviewRow, ReviewRow.id == OverlapRow.review_id)
    last = wanted.where(*of_kinds, OverlapRow.people > 1).scalar_subquery()
    answered = AnnotationRow.action == AnnotationAction.ANSWERED.value
    of_review = AnnotationRow.review_id == ReviewRow.id
    since = sa.exists().where(of_review, answered, sa.or_(last.is_(None), AnnotationRow.recorded_at > last))
    before = sa.exists().where(of_review, answered, AnnotationRow.recorded_at <= last)
    return count(session, ReviewRow, *of_kinds, since, ~before)


def count_noted(session: Session, project_id: ProjectId, reason: str) -> int:
    """For how many reviews more people were wanted for this reason."""
    noted = sa.exists().where(OverlapRow.review_id == ReviewRow.id, OverlapRow.reason == reason)
    return count(session, ReviewRow, ReviewRow.project_id == project_id, noted)


def _of_kinds(project_id: ProjectId, kinds: Sequence[ReviewKind]) -> tuple[sa.ColumnElement[bool], ...]:
    return ReviewRow.project_id == project_id, ReviewRow.kind.in_([kind.value for kind in kinds]), ~is_re_review()


@cache
def _is_answered() -> sa.ColumnElement[bool]:
    answered = AnnotationRow.action == AnnotationAction.ANSWERED.value
    return sa.exists().where(AnnotationRow.review_id == ReviewRow.id, answered)


@cache
def _uncounted() -> sa.ColumnElement[int]:
    """How many people have an answer to a `ReviewRow` over there, and none that counts."""
    answer, counted = aliased(AnnotationRow), aliased(AnnotationRow)
    counts = sa.exists().where(
        counted.review_id == answer.review_id,
        counted.annotator_id == answer.annotator_id,
        counted.action.in_(CLOSING),
        is_current(counted),
        is_valid(counted),
    )
    return (
        sa.select(sa.func.count(sa.distinct(sa.func.coalesce(answer.annotator_id, 0))))
        .where(
            answer.review_id == ReviewRow.id,
            answer.action.in_(CLOSING),
            is_current(answer),
            ~is_valid(answer),
            ~counts.correlate(answer),
        )
        .correlate(ReviewRow)
        .scalar_subquery()
    )


def _candidates() -> sa.CompoundSelect[tuple[int]]:
    """The reviews that may want more people than their task asks: more are noted, or an answer does not count."""
    return sa.union(
        sa.select(OverlapRow.review_id)
        .join(PushRow, PushRow.review_id == OverlapRow.review_id)
        .where(OverlapRow.people > PushRow.people),
        sa.select(AnnotationRow.review_id).where(AnnotationRow.paused.is_(True)),
        sa.select(AnnotationRow.review_id)
        .join(VoidRow, VoidRow.annotator_id == AnnotationRow.annotator_id)
        .where(AnnotationRow.id <= VoidRow.up_to),
    )
