"""Labels: what we hold true of an image; appended, never changed.

The current label of an image is its newest row; a row whose value is null says that there is none any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from db.label_names import names_by_image
from db.rows import columns, read_all, to_row
from db.tables import LabelRow, ReviewRow
from labeling.label_sets.changes import name_now
from labeling.types import ImageId, LabelSource, ProjectId, ReviewId, ReviewKind

DISPUTED = "people disagree: a lead must decide"
"""The reason of the row that withdraws a label because people's answers are in conflict."""
UNDECIDED = "nobody who was asked could tell"
"""The reason of the row that says why an image has no label: all who answered were unsure, or skipped it."""
OPEN = frozenset({DISPUTED, UNDECIDED})
"""The reasons of rows that wait: for another person, or for a lead."""


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
    `reason` says why it is as it is; without a value `DISPUTED` or `UNDECIDED` where it waits for people.
    """

    id: int
    image_id: ImageId
    value: str | None
    source: LabelSource
    review_id: ReviewId | None
    kind: ReviewKind | None
    decision_id: int | None
    reason: str
    created_at: datetime


def append(session: Session, project_id: ProjectId, labels: Sequence[NewLabel], now: datetime) -> int:
    """Append labels in this order; return how many."""
    more = {"project_id": project_id, "created_at": now}
    session.add_all(LabelRow(**to_row(label, **more, evidence=label.evidence or {})) for label in labels)
    session.flush()
    return len(labels)


@cache
def is_current_label() -> sa.ColumnElement[bool]:
    """The condition on `LabelRow` that it is the newest of its image."""
    newer = aliased(LabelRow)
    return ~sa.exists().where(newer.image_id == LabelRow.image_id, newer.id > LabelRow.id).correlate(LabelRow)


def newest_ids(project_id: ProjectId, up_to: int | None = None) -> sa.Select[int]:
    """The ids of the newest label rows, one an image; with `up_to`, as of the label of that id."""
    newest = sa.select(sa.func.max(LabelRow.id).label("id")).where(LabelRow.project_id == project_id)
    if up_to is not None:
        newest = newest.where(LabelRow.id <= up_to)
    return newest.group_by(LabelRow.image_id)


def current(session: Session, project_id: ProjectId, *, up_to: int | None = None) -> list[Label]:
    """The labels that stand, by image; with `up_to`, as they stood after the label of that id."""
    standing = _labels().where(LabelRow.id.in_(newest_ids(project_id, up_to)), LabelRow.value.is_not(None))
    return read_all(Label, session.execute(standing.order_by(LabelRow.image_id)))


def current_of(session: Session, image_ids: Sequence[ImageId]) -> dict[ImageId, Label]:
    """The newest row of each of these images, withdrawals (value None) included."""
    rows = session.execute(_labels().where(LabelRow.image_id.in_(image_ids), is_current_label()))
    return {label.image_id: label for label in read_all(Label, rows)}


def ids_of(session: Session, image_id: ImageId) -> set[int]:
    """The ids of all label rows that an image ever had."""
    return set(session.scalars(sa.select(LabelRow.id).where(LabelRow.image_id == image_id)))


def newest_not_by_people(session: Session, image_ids: Sequence[ImageId]) -> dict[ImageId, Label]:
    """The newest row of each image that came with it or is gold: what stands again when every answer is withdrawn.

    No label by a certificate: its promise may have ended meanwhile. Classes are those of the label set in force.
    """
    made = (LabelSource.PEOPLE.value, LabelSource.CERTIFICATE.value)
    given = _labels().where(LabelRow.image_id.in_(image_ids), LabelRow.source.not_in(made))
    found = {label.image_id: label for label in read_all(Label, session.execute(given.order_by(LabelRow.id)))}
    for image, names in names_by_image(session, found.keys()).items():
        value = found[image].value
        found[image] = replace(found[image], value=None if value is None else name_now(value, names))
    return found


@cache
def _labels() -> sa.Select[*tuple[Any, ...]]:
    decision = LabelRow.evidence["decision"].as_integer()
    fields = columns(Label, LabelRow, ReviewRow, decision_id=decision)
    return sa.select(*fields).outerjoin(ReviewRow, ReviewRow.id == LabelRow.review_id)
