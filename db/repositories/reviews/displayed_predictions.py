"""What was last sent to Label Studio for our tasks: the answer that each pre-selects, and its place in the queue.

Noted after every order of the queue, so that it can be read later without a model. A blind review has no answer here.
An annotator waits for these reads before the next task: the statements are built once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import in_parts
from db.tables import LabelStudioProjectRow, ProjectConfigRow, PushRow, ReviewRow
from labeling.errors import NotFound
from labeling.types import ProjectId, ReviewId

LAST = 0.999999
"""The place behind all others."""

_PUSH, _REVIEW = PushRow.__table__.c, ReviewRow.__table__.c
_PLACE, _CONFIG = LabelStudioProjectRow.__table__.c, ProjectConfigRow.__table__.c
_KEYS: sa.BindParameter[Any] = sa.bindparam("keys", expanding=True)
_PROJECT: sa.BindParameter[int] = sa.bindparam("project")
_BY_TOKEN = (
    sa.select(_REVIEW.token, _PUSH.answer, _PUSH.score, _REVIEW.blind)
    .select_from(ReviewRow.__table__.outerjoin(PushRow.__table__, _PUSH.review_id == _REVIEW.id))
    .where(_REVIEW.project_id == _PROJECT, _REVIEW.token.in_(_KEYS))
)
_BY_TASK = (
    sa.select(_PUSH.ls_task_id, _PUSH.answer, _PUSH.score, _REVIEW.blind)
    .select_from(PushRow.__table__.join(ReviewRow.__table__, _REVIEW.id == _PUSH.review_id))
    .where(_REVIEW.project_id == _PROJECT, _PUSH.ls_task_id.in_(_KEYS))
)
_ORDER = (
    sa.select(_PLACE.ls_project_id, _PLACE.model_version, _PLACE.controls)
    .select_from(
        ProjectConfigRow.__table__.outerjoin(LabelStudioProjectRow.__table__, _PLACE.project_id == _CONFIG.project_id)
    )
    .where(_CONFIG.project_id == _PROJECT)
    .limit(1)
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shown:
    """One task as it was last ordered; `score` in [0, 1): the lowest is served first."""

    answer: str | None
    score: float


@dataclass(frozen=True, slots=True)
class Order:
    """Where a project stands in Label Studio and which order of its queue is shown; None before the first push.

    `controls` are the names in its labelling config, where they are not ours.
    """

    ls_project_id: int | None
    model_version: str | None
    controls: dict[str, Any] | None


def note(session: Session, shown: Mapping[ReviewId, Shown]) -> None:
    """Note what was sent for these reviews' tasks; the last one counts."""
    rows = [{"review_id": review, "answer": one.answer, "score": one.score} for review, one in shown.items()]
    if rows:
        session.execute(sa.update(PushRow), rows)


def order_of(session: Session, project_id: ProjectId) -> Order:
    """The order of the queue that is shown now; NotFound if there is no such project."""
    row = session.connection().execute(_ORDER, {"project": project_id}).one_or_none()
    if row is None:
        raise NotFound(f"There is no project {project_id}.")
    return Order(*row)


def by_token(session: Session, project_id: ProjectId, tokens: Sequence[str]) -> dict[str, Shown]:
    """What was last sent for the tasks that carry these keys; a key of another project names nothing."""
    return dict(_read(session, _BY_TOKEN, project_id, tokens))


def by_task(session: Session, project_id: ProjectId, task_ids: Sequence[int]) -> dict[int, Shown]:
    """The same by the task's number in Label Studio, for tasks that carry no key of ours."""
    return dict(_read(session, _BY_TASK, project_id, task_ids))


def _read(
    session: Session, statement: sa.Select[Any], project_id: ProjectId, keys: Sequence[T]
) -> Iterator[tuple[T, Shown]]:
    """A few keys at a time: a database takes only so many in one statement."""
    for some in in_parts(keys):
        asked = {"project": project_id, "keys": some}
        for key, answer, score, blind in session.connection().execute(statement, asked):
            yield key, Shown(None if blind else answer, LAST if score is None else score)
