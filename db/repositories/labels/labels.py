"""Labels: what we hold true of an image; appended, never changed.

The current label of an image is its newest row; a row whose value is null says that there is none any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from db.rows import to_row
from db.tables import LabelRow, ReviewRow
from labeling.types import ImageId, LabelSource, ProjectId, ReviewId, ReviewKind

DISPUTED = "people disagree: a lead must decide"
"""The reason of the row that withdraws a label because people's answers are in conflict."""


@dataclass(frozen=True, slots=True)
class NewLabel:
    """A label to append; `value` None withdraws the one that stood."""

    image_id: ImageId
    value: str | None
    source: LabelSource
    author: str
    reason: str
    review_id: ReviewId | None = None
    evidence: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """A label as stored; `kind` is the kind of the review that it came from, None for an imported one.

    `decision_id` names the decision of a lead that it states, None where it follows from answers or was given.
    `disputed`: there is none because people disagree.
    """

    id: int
    image_id: ImageId
    value: str | None
    source: LabelSource
    review_id: ReviewId | None
    kind: ReviewKind | None
    decision_id: int | None
    disputed: bool
    created_at: datetime


def append(session: Session, project_id: ProjectId, labels: Sequence[NewLabel], now: datetime) -> int:
    """Append labels in this order; return how many."""
    more = {"project_id": project_id, "created_at": now}
    session.add_all(LabelRow(**to_row(label, **more, evidence=label.evidence or {})) for label in labels)
    session.flush()
    return len(labels)


def is_current_label() -> sa.ColumnElement[bool]:
    """The condition on `LabelRow` that it is the newest of its image."""
    newer = aliased(LabelRow)
    return ~sa.exists().where(newer.image_id == LabelRow.image_id, newer.id > LabelRow.id).correlate(LabelRow)


def current(session: Session, project_id: ProjectId, *, up_to: int | None = None) -> list[Label]:
    """The labels that stand, by image; with `up_to`, as they stood after the label of that id."""
    newest = sa.select(sa.func.max(LabelRow.id)).where(LabelRow.project_id == project_id)
    if up_to is not None:
        newest = newest.where(LabelRow.id <= up_to)
    rows = session.execute(
        _labels()
        .where(LabelRow.id.in_(newest.group_by(LabelRow.image_id)), LabelRow.value.is_not(None))
        .order_by(LabelRow.image_id)
    )
    return [_label(row) for row in rows]


def current_of(session: Session, image_ids: Sequence[ImageId]) -> dict[ImageId, Label]:
    """The newest row of each of these images, withdrawals (value None) included."""
    rows = session.execute(_labels().where(LabelRow.image_id.in_(image_ids), is_current_label()))
    return {label.image_id: label for label in map(_label, rows)}


def newest_not_by_people(session: Session, image_ids: Sequence[ImageId]) -> dict[ImageId, Label]:
    """The newest row of each image that no review made: what stands again when every answer is withdrawn."""
    rows = session.execute(
        _labels()
        .where(LabelRow.image_id.in_(image_ids), LabelRow.source != LabelSource.PEOPLE.value)
        .order_by(LabelRow.id)
    )
    return {label.image_id: label for label in map(_label, rows)}


def _labels() -> sa.Select[*tuple[Any, ...]]:
    return sa.select(LabelRow, ReviewRow.kind).outerjoin(ReviewRow, ReviewRow.id == LabelRow.review_id)


def _label(found: sa.Row[*tuple[Any, ...]]) -> Label:
    row, kind = found
    decision = row.evidence.get("decision")
    disputed = row.value is None and row.reason == DISPUTED and decision is None
    source, review = LabelSource(row.source), None if row.review_id is None else ReviewId(row.review_id)
    of_kind = None if kind is None else ReviewKind(kind)
    return Label(row.id, row.image_id, row.value, source, review, of_kind, decision, disputed, row.created_at)
