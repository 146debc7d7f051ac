"""What Label Studio was last told of our tasks: the answer that each pre-selects, and its place in the queue.

Noted after every order of the queue, so that whoever asks later hears what annotators see, without a model. A blind
review has no answer here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.tables import PushRow, ReviewRow
from labeling.types import ProjectId, ReviewId

__all__ = ["LAST", "Shown", "by_task", "by_token", "note"]

KEYS_A_STATEMENT = 500
LAST = 0.999999
"""The place behind all others."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shown:
    """One task as it was last ordered; `score` in [0, 1): the lowest is served first."""

    answer: str | None
    score: float


def note(session: Session, shown: Mapping[ReviewId, Shown]) -> None:
    """Remember what these reviews' tasks were told; the last word counts."""
    rows = [{"review_id": review, "answer": told.answer, "score": told.score} for review, told in shown.items()]
    if rows:
        session.execute(sa.update(PushRow), rows)


def by_token(session: Session, project_id: ProjectId, tokens: Sequence[str]) -> dict[str, Shown]:
    """What was last told of the tasks that carry these keys; a key of another project names nothing."""
    return {
        token: _shown(answer, score, blind)
        for some in _some(tokens)
        for token, answer, score, blind in session.execute(
            sa.select(ReviewRow.token, PushRow.answer, PushRow.score, ReviewRow.blind)
            .outerjoin(PushRow, PushRow.review_id == ReviewRow.id)
            .where(ReviewRow.project_id == project_id, ReviewRow.token.in_(some))
        )
    }


def by_task(session: Session, project_id: ProjectId, task_ids: Sequence[int]) -> dict[int, Shown]:
    """The same by the task's number in Label Studio, for tasks that carry no key of ours."""
    return {
        task: _shown(answer, score, blind)
        for some in _some(task_ids)
        for task, answer, score, blind in session.execute(
            sa.select(PushRow.ls_task_id, PushRow.answer, PushRow.score, ReviewRow.blind)
            .join(ReviewRow, ReviewRow.id == PushRow.review_id)
            .where(ReviewRow.project_id == project_id, PushRow.ls_task_id.in_(some))
        )
    }


def _some(keys: Sequence[T]) -> Iterator[Sequence[T]]:
    """A few keys at a time: a database takes only so many in one statement."""
    return (keys[start : start + KEYS_A_STATEMENT] for start in range(0, len(keys), KEYS_A_STATEMENT))


def _shown(answer: str | None, score: float | None, blind: bool) -> Shown:
    """A task that was made and not ordered yet is served after all others."""
    return Shown(None if blind else answer, LAST if score is None else score)
