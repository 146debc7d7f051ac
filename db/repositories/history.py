"""How a project came along: which queries were made, and every answer in the order in which it was recorded.

Read-only, and whole: for a look back over one project, such as the demo's report. Not for pages over large ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.tables import AnnotationRow, FetchRow, ImageRow, LabelRow, PrelabelRow, QueryRow, RegistrationRow, ReviewRow
from labeling.types import AnnotationAction, LabelSource, ProjectId, ReviewKind, Trigger

__all__ = ["Answer", "AskedQuery", "answers", "first_prelabels", "labels_by_people", "queries", "references"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One recorded version of one person's answer. `shown` is the class that stood pre-selected; None if blind."""

    review_id: int
    image_id: int
    content_hash: str
    kind: ReviewKind
    unique_id: str
    action: AnnotationAction
    answers: tuple[str, ...]
    shown: str | None
    accepted: bool | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class AskedQuery:
    """One batch that was chosen for people, and what made it."""

    number: int
    trigger: Trigger
    created_at: datetime


def answers(session: Session, project_id: ProjectId) -> list[Answer]:
    """Every annotation row of a project, skips and withdrawals included, oldest first."""
    rows = session.execute(
        sa.select(AnnotationRow, ReviewRow.kind, ImageRow.id, ImageRow.content_hash)
        .join(ReviewRow, ReviewRow.id == AnnotationRow.review_id)
        .join(ImageRow, ImageRow.id == ReviewRow.image_id)
        .where(ReviewRow.project_id == project_id)
        .order_by(AnnotationRow.id)
    )
    return [
        Answer(
            row.review_id,
            image_id,
            content_hash,
            ReviewKind(kind),
            row.unique_id,
            AnnotationAction(row.action),
            tuple(row.answers),
            row.shown,
            row.accepted,
            row.recorded_at,
        )
        for row, kind, image_id, content_hash in rows
    ]


def queries(session: Session, project_id: ProjectId) -> list[AskedQuery]:
    """All queries of a project, oldest first."""
    rows = session.scalars(sa.select(QueryRow).where(QueryRow.project_id == project_id).order_by(QueryRow.number))
    return [AskedQuery(row.number, Trigger(row.trigger), row.created_at) for row in rows]


def labels_by_people(session: Session, project_id: ProjectId, up_to: int) -> int:
    """How many images had a label by people when label `up_to` was the newest."""
    newest = (
        sa.select(sa.func.max(LabelRow.id).label("id"))
        .where(LabelRow.project_id == project_id, LabelRow.id <= up_to)
        .group_by(LabelRow.image_id)
        .subquery()
    )
    count = (
        sa.select(sa.func.count())
        .select_from(LabelRow)
        .join(newest, newest.c.id == LabelRow.id)
        .where(LabelRow.value.is_not(None), LabelRow.source == LabelSource.PEOPLE)
    )
    return session.scalar(count) or 0


def references(session: Session, project_id: ProjectId) -> dict[int, str]:
    """The reference under which each image was first registered, by image id."""
    rows = session.execute(
        sa.select(FetchRow.image_id, RegistrationRow.reference)
        .join(RegistrationRow, RegistrationRow.id == FetchRow.registration_id)
        .where(RegistrationRow.project_id == project_id)
        .order_by(RegistrationRow.id.desc())
    )
    return dict(rows.tuples().all())


def first_prelabels(session: Session, project_id: ProjectId) -> dict[int, list[float]]:
    """The probabilities of the first prelabel of each image, by image id."""
    rows = session.execute(
        sa.select(PrelabelRow.image_id, PrelabelRow.probs)
        .join(ImageRow, ImageRow.id == PrelabelRow.image_id)
        .where(ImageRow.project_id == project_id)
        .order_by(PrelabelRow.id.desc())
    )
    return dict(rows.tuples().all())
