"""What happened in a project between two moments: the counts that a weekly summary is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.labels.labels import DISPUTED, is_current_label
from db.repositories.reviews.reviews import is_current
from db.rows import count, count_by
from db.tables import AnnotationRow, AnnotatorRow, LabelRow, ReviewRow
from labeling.types import AnnotationAction, ProjectId

LONGEST_S = 600.0
"""An answer that took longer counts as this: a tab that was left open is not work."""


@dataclass(frozen=True, slots=True)
class Worked:
    """What one annotator did: answers and skips, and the seconds that they took as far as Label Studio knows them."""

    annotator_id: int
    name: str
    answers: int
    seconds: float


def labels_by_source(session: Session, project_id: ProjectId, start: datetime, end: datetime) -> dict[str, int]:
    """How many images got a label in this time that still stands, by where it comes from."""
    labelled = LabelRow.project_id == project_id, LabelRow.value.is_not(None), is_current_label()
    return count_by(session, LabelRow.source, *labelled, LabelRow.created_at >= start, LabelRow.created_at < end)


def worked(session: Session, project_id: ProjectId, start: datetime, end: datetime) -> list[Worked]:
    """What all annotators did in this time, the busiest first; a withdrawn answer is not counted."""
    seconds = sa.func.coalesce(AnnotationRow.lead_time_s, 0.0)
    capped = sa.case((seconds > LONGEST_S, LONGEST_S), else_=seconds)
    rows = session.execute(
        sa.select(AnnotatorRow.id, AnnotatorRow.name, sa.func.count(), sa.func.sum(capped))
        .select_from(AnnotationRow)
        .join(ReviewRow, ReviewRow.id == AnnotationRow.review_id)
        .join(AnnotatorRow, AnnotatorRow.id == AnnotationRow.annotator_id)
        .where(
            ReviewRow.project_id == project_id,
            AnnotationRow.action != AnnotationAction.WITHDRAWN.value,
            AnnotationRow.updated_at >= start,
            AnnotationRow.updated_at < end,
            is_current(),
        )
        .group_by(AnnotatorRow.id, AnnotatorRow.name)
        .order_by(sa.func.count().desc(), AnnotatorRow.id)
    )
    return [Worked(int(annotator), name, int(number), float(total or 0)) for annotator, name, number, total in rows]


def disputes(session: Session, project_id: ProjectId) -> int:
    """How many images have answers in conflict that no lead has decided."""
    conflict = LabelRow.value.is_(None), LabelRow.reason == DISPUTED, is_current_label()
    return count(session, LabelRow, LabelRow.project_id == project_id, *conflict)
