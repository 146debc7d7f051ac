"""What an export holds: every labelled image with its label, where the label comes from, and its prelabel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from db.tables import (
    AnnotationRow,
    AnnotatorRow,
    FetchRow,
    GroupRow,
    ImageRow,
    LabelRow,
    PrelabelRow,
    RegistrationRow,
    ReviewRow,
)
from labeling.types import AnnotationAction, Project

__all__ = ["labelled"]


def labelled(session: Session, project: Project) -> Iterator[dict[str, object]]:
    """One row per image with a current label, oldest image first."""
    for row in session.execute(_statement(project)).yield_per(1_000).mappings():
        probs = row["probs"]
        best = max(range(len(probs)), key=probs.__getitem__) if probs else None
        yield {
            **{name: row[name] for name in ("image", "content_hash", "reference", "text", "label", "source", "kind")},
            "annotator": row["annotator"],
            "labelled_at": row["created_at"].isoformat(),
            "prelabel": row["answer"] or (None if best is None else project.config.classes[best]),
            "prelabel_confidence": None if best is None else round(probs[best], 6),
            "side": row["side"],
        }


def _statement(project: Project) -> sa.Select[*tuple[Any, ...]]:
    newest = _newest(LabelRow.image_id, LabelRow.id, LabelRow.project_id == project.id)
    prelabel = _newest(PrelabelRow.image_id, PrelabelRow.id)
    fetched = (
        sa.select(FetchRow.image_id, sa.func.min(FetchRow.registration_id).label("id"))
        .group_by(FetchRow.image_id)
        .subquery()
    )
    answered = AnnotationRow.action == AnnotationAction.ANSWERED.value  # who skipped afterwards did not say this
    answer = _newest(AnnotationRow.review_id, AnnotationRow.id, answered)
    return (
        sa.select(
            ImageRow.id.label("image"),
            ImageRow.content_hash,
            RegistrationRow.reference,
            ImageRow.text,
            LabelRow.value.label("label"),
            LabelRow.source,
            ReviewRow.kind,
            AnnotatorRow.name.label("annotator"),
            LabelRow.created_at,
            PrelabelRow.probs,
            PrelabelRow.answer,
            GroupRow.side,
        )
        .select_from(LabelRow)
        .join(newest, newest.c.id == LabelRow.id)
        .join(ImageRow, ImageRow.id == LabelRow.image_id)
        .outerjoin(fetched, fetched.c.image_id == ImageRow.id)
        .outerjoin(RegistrationRow, RegistrationRow.id == fetched.c.id)
        .outerjoin(ReviewRow, ReviewRow.id == LabelRow.review_id)
        .outerjoin(answer, answer.c.review_id == ReviewRow.id)
        .outerjoin(AnnotationRow, AnnotationRow.id == answer.c.id)
        .outerjoin(AnnotatorRow, AnnotatorRow.id == AnnotationRow.annotator_id)
        .outerjoin(prelabel, prelabel.c.image_id == ImageRow.id)
        .outerjoin(PrelabelRow, PrelabelRow.id == prelabel.c.id)
        .outerjoin(GroupRow, GroupRow.id == ImageRow.group_id)
        .where(LabelRow.value.is_not(None))
        .order_by(ImageRow.id)
    )


def _newest(
    of: InstrumentedAttribute[int], row_id: InstrumentedAttribute[int], *where: sa.ColumnElement[bool]
) -> sa.Subquery:
    """The newest row's id per `of`."""
    return sa.select(of, sa.func.max(row_id).label("id")).where(*where).group_by(of).subquery()
