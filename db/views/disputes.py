"""Images about which people disagree and no lead has decided: within one review, or against an earlier one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from db.repositories.labels.labels import DISPUTED, is_current_label
from db.repositories.reviews.reviews import is_open
from db.rows import columns, read_all
from db.tables import ImageRow, LabelRow, PushRow, ReviewRow
from labeling.types import ImageId, LabelSource, ProjectId, ReviewId, ReviewKind

AUTHOR = "annotators"
MOST = 1_000
"""So many are read, the newest first: a lead decides about some at a time."""


@dataclass(frozen=True, slots=True)
class Dispute:
    """One image in dispute; `label` is the one that stands, None where none does.

    `waiting`: another person is being asked. `group_size` counts its near-duplicates, itself included.
    """

    image_id: ImageId
    content_hash: str
    text: str | None
    review_id: ReviewId
    kind: ReviewKind
    ls_task_id: int | None
    label: str | None
    since: datetime
    waiting: bool
    group_size: int


def in_conflict(session: Session, project_id: ProjectId) -> list[Dispute]:
    """The images whose label was withdrawn because people disagree."""
    return _found(session, project_id, LabelRow.value.is_(None), LabelRow.reason == DISPUTED)


def contradicted(session: Session, project_id: ProjectId) -> list[Dispute]:
    """The images whose label follows from a later review, after an earlier one had given them another label."""
    earlier = aliased(LabelRow)
    other = sa.exists().where(
        earlier.image_id == LabelRow.image_id,
        earlier.id < LabelRow.id,
        earlier.source == LabelSource.PEOPLE.value,
        earlier.author == AUTHOR,
        earlier.value != LabelRow.value,
        earlier.review_id != LabelRow.review_id,
    )
    again = sa.select(ReviewRow.id).where(
        ReviewRow.project_id == project_id, ReviewRow.kind == ReviewKind.RELABEL.value
    )
    relabelled = LabelRow.review_id.in_(again.correlate(None))
    return _found(session, project_id, relabelled, LabelRow.value.is_not(None), other.correlate(LabelRow))


def _found(session: Session, project_id: ProjectId, *conditions: sa.ColumnElement[bool]) -> list[Dispute]:
    label = {"label": LabelRow.value, "since": LabelRow.created_at}
    stands = {"waiting": is_open(), "group_size": _group_size()}
    rows = session.execute(
        sa.select(*columns(Dispute, ReviewRow, ImageRow, PushRow, review_id=ReviewRow.id, **label, **stands))
        .select_from(LabelRow)
        .join(ImageRow, ImageRow.id == LabelRow.image_id)
        .join(ReviewRow, ReviewRow.id == LabelRow.review_id)
        .outerjoin(PushRow, PushRow.review_id == ReviewRow.id)
        .where(LabelRow.project_id == project_id, LabelRow.author == AUTHOR, is_current_label(), *conditions)
        .order_by(LabelRow.id.desc())
        .limit(MOST)
    )
    return read_all(Dispute, rows)


def _group_size() -> sa.ScalarSelect[Any]:
    """How many near-duplicates this image has, itself included; 1 while its group is not known."""
    twin = aliased(ImageRow)
    return (
        sa.select(sa.case((sa.func.count() > 0, sa.func.count()), else_=1))
        .select_from(twin)
        .where(twin.project_id == ImageRow.project_id, twin.group_id == ImageRow.group_id)
        .correlate(ImageRow)
        .scalar_subquery()
    )
