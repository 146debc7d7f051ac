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

from db.repositories.reviews import is_current, is_open, is_valid, wanted_people
from db.session import insert_new
from db.tables import AnnotationRow, OverlapRow, PushRow, ReviewRow
from labeling.types import AnnotationAction, ProjectId, ReviewId

__all__ = ["Untold", "told", "untold", "want"]

_CLOSING = (AnnotationAction.ANSWERED.value, AnnotationAction.SKIPPED.value)


@dataclass(frozen=True, slots=True)
class Untold:
    """An open review whose task asks fewer people than it must; `people` is how many it is to ask in all."""

    review_id: ReviewId
    ls_task_id: int
    people: int


def want(session: Session, people: Mapping[ReviewId, int], *, reason: str, author: str, now: datetime) -> int:
    """Note that so many people are wanted for these reviews; return how many notes are new."""
    rows = [
        {"review_id": review, "people": number, "reason": reason, "author": author, "at": now}
        for review, number in people.items()
    ]
    return insert_new(session, OverlapRow, rows)


def untold(session: Session, project_id: ProjectId) -> list[Untold]:
    """The open reviews whose task was told fewer people than are wanted, those who do not count added."""
    needed = wanted_people() + _uncounted()
    more = sa.exists().where(OverlapRow.review_id == ReviewRow.id, OverlapRow.people > PushRow.people)
    rows = session.execute(
        sa.select(ReviewRow.id, PushRow.ls_task_id, needed)
        .join(PushRow, PushRow.review_id == ReviewRow.id)
        .where(
            ReviewRow.project_id == project_id,
            more.correlate(ReviewRow, PushRow) | _somebody_does_not_count(),  # few reviews, cheaply found
            needed > PushRow.people,
            is_open(),
        )
        .order_by(ReviewRow.id)
    )
    return [Untold(ReviewId(review), task, people) for review, task, people in rows]


def told(session: Session, people: Sequence[Untold]) -> None:
    """Note what these tasks were told."""
    for one in people:
        session.execute(sa.update(PushRow).where(PushRow.review_id == one.review_id).values(people=one.people))


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


def _somebody_does_not_count() -> sa.ColumnElement[bool]:
    answer = aliased(AnnotationRow)
    return sa.exists().where(answer.review_id == ReviewRow.id, ~is_valid(answer)).correlate(ReviewRow)
