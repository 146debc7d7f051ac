"""How many different people are wanted for a review: appended facts, of which the highest counts.

What Label Studio is to be told is more by everybody whose answer stands there and no longer counts here: it serves
nobody the same task twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from db.repositories.people import annotators
from db.repositories.reviews.reviews import is_current, is_open, is_valid, wanted_people
from db.rows import columns, count, in_parts, read, read_all
from db.session import insert_new
from db.tables import AnnotationRow, OverlapRow, PushRow, ReviewEndRow, ReviewRow, VoidRow
from labeling.types import Actor, AnnotationAction, ImageId, ProjectId, ReviewId, ReviewKind

_CLOSING = (AnnotationAction.ANSWERED.value, AnnotationAction.SKIPPED.value)


@dataclass(frozen=True, slots=True)
class Untold:
    """An open review whose task asks fewer people than it must; `people` is how many it is to ask in all."""

    review_id: ReviewId
    ls_task_id: int
    people: int


@dataclass(frozen=True, slots=True)
class Asked:
    """How a review that has not ended stands: its drawn place, how many people it wants, and whether it waits."""

    place: float
    wanted: int
    open: bool


def want(session: Session, people: Mapping[ReviewId, int], by: Actor) -> int:
    """Note that so many people are wanted for these reviews; return how many notes are new."""
    rows = [
        {"review_id": review, "people": number, "reason": by.reason, "author": by.author, "at": by.now}
        for review, number in people.items()
    ]
    return insert_new(session, OverlapRow, rows)


def untold(session: Session, project_id: ProjectId) -> list[Untold]:
    """The open reviews whose task was told fewer people than are wanted, those who do not count added."""
    needed = wanted_people() + _uncounted()
    rows = session.execute(
        sa.select(*columns(Untold, PushRow, people=needed))
        .join(ReviewRow, ReviewRow.id == PushRow.review_id)
        .where(
            ReviewRow.project_id == project_id,
            ReviewRow.id.in_(_candidates()),  # few reviews, cheaply found
            needed > PushRow.people,
            is_open(),
        )
        .order_by(ReviewRow.id)
    )
    return read_all(Untold, rows)


def told(session: Session, people: Sequence[Untold]) -> None:
    """Note what these tasks were told."""
    for one in people:
        session.execute(sa.update(PushRow).where(PushRow.review_id == one.review_id).values(people=one.people))


def people_since(session: Session, project_id: ProjectId, since: datetime) -> int:
    """How many different people have answered since then in a way that counts, those left out who are paused now."""
    rows = session.scalars(
        sa.select(AnnotationRow.annotator_id)
        .distinct()
        .join(ReviewRow, ReviewRow.id == AnnotationRow.review_id)
        .where(
            ReviewRow.project_id == project_id,
            AnnotationRow.updated_at >= since,
            AnnotationRow.action == AnnotationAction.ANSWERED.value,
            is_valid(),
        )
    )
    return len({one for one in rows if one is not None} - annotators.paused(session, project_id))


def answered_lately(session: Session, project_id: ProjectId, limit: int) -> list[ImageId]:
    """The images of so many reviews that were answered, the newest reviews first; gold ones left out."""
    answered = sa.exists().where(
        AnnotationRow.review_id == ReviewRow.id, AnnotationRow.action == AnnotationAction.ANSWERED.value
    )
    rows = session.scalars(
        sa.select(ReviewRow.image_id)
        .where(ReviewRow.project_id == project_id, ReviewRow.kind != ReviewKind.GOLD.value, answered)
        .order_by(ReviewRow.id.desc())
        .limit(limit)
    )
    return sorted({ImageId(image) for image in rows})


def states(session: Session, review_ids: Sequence[ReviewId]) -> dict[ReviewId, Asked]:
    """How these reviews stand; those that have ended are left out."""
    ended = sa.exists().where(ReviewEndRow.review_id == ReviewRow.id)
    found: dict[ReviewId, Asked] = {}
    stand = columns(Asked, ReviewRow, wanted=wanted_people(), open=is_open())
    for some in in_parts(review_ids):
        rows = session.execute(sa.select(ReviewRow.id, *stand).where(ReviewRow.id.in_(some), ~ended))
        found |= {ReviewId(row.id): read(Asked, row) for row in rows}
    return found


def count_answered(session: Session, project_id: ProjectId, kinds: Sequence[ReviewKind]) -> int:
    """How many reviews of these kinds somebody has answered."""
    answered = sa.exists().where(
        AnnotationRow.review_id == ReviewRow.id, AnnotationRow.action == AnnotationAction.ANSWERED.value
    )
    return count(session, ReviewRow, *_of_kinds(project_id, kinds), answered)


def count_asked(session: Session, project_id: ProjectId, kinds: Sequence[ReviewKind]) -> tuple[int, int]:
    """How many reviews of these kinds want several people, and how many of those still wait for one."""
    several = sa.exists().where(OverlapRow.review_id == ReviewRow.id, OverlapRow.people > 1)
    wanted = *_of_kinds(project_id, kinds), several
    return count(session, ReviewRow, *wanted), count(session, ReviewRow, *wanted, is_open())


def _of_kinds(project_id: ProjectId, kinds: Sequence[ReviewKind]) -> tuple[sa.ColumnElement[bool], ...]:
    return ReviewRow.project_id == project_id, ReviewRow.kind.in_([kind.value for kind in kinds])


def _uncounted() -> sa.ColumnElement[int]:
    """How many people have an answer to a `ReviewRow` over there, and none that counts."""
    answer, counted = aliased(AnnotationRow), aliased(AnnotationRow)
    counts = sa.exists().where(
        counted.review_id == answer.review_id,
        counted.annotator_id == answer.annotator_id,
        counted.action.in_(_CLOSING),
        is_current(counted),
        is_valid(counted),
    )
    return (
        sa.select(sa.func.count(sa.distinct(sa.func.coalesce(answer.annotator_id, 0))))
        .where(
            answer.review_id == ReviewRow.id,
            answer.action.in_(_CLOSING),
            is_current(answer),
            ~is_valid(answer),
            ~counts.correlate(answer),
        )
        .correlate(ReviewRow)
        .scalar_subquery()
    )


def _candidates() -> sa.CompoundSelect[tuple[int]]:
    """The reviews that may want more than was told: more are noted, or somebody's answer does not count."""
    return sa.union(
        sa.select(OverlapRow.review_id)
        .join(PushRow, PushRow.review_id == OverlapRow.review_id)
        .where(OverlapRow.people > PushRow.people),
        sa.select(AnnotationRow.review_id).where(AnnotationRow.paused.is_(True)),
        sa.select(AnnotationRow.review_id)
        .join(VoidRow, VoidRow.annotator_id == AnnotationRow.annotator_id)
        .where(AnnotationRow.id <= VoidRow.up_to),
    )
