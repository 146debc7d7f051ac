"""Images for a lead: people disagree within one review, or with an earlier one, or nobody who was asked could tell."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from db.repositories.labels.labels import DISPUTED, is_current_label
from db.repositories.reviews.reviews import is_open
from db.rows import columns, in_parts, read, read_all, rows_of
from db.tables import ImageRow, LabelRow, PushRow, ReviewRow
from db.views import undecided as views
from db.views.undecided import Undecided, UndecidedState
from labeling.project import Project
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
    stands = LabelRow.author == AUTHOR, LabelRow.value.is_(None), LabelRow.reason == DISPUTED
    return _found(session, project_id, *stands)


def left_to_lead(session: Session, image_ids: Collection[ImageId]) -> list[ImageId]:
    """Those of these images about which people disagree in the random stream, and nobody else is asked."""
    asked = sa.exists().where(ReviewRow.image_id == LabelRow.image_id, is_open())
    stands = is_current_label(), LabelRow.value.is_(None), LabelRow.reason == DISPUTED, ~asked.correlate(LabelRow)
    of_stream = LabelRow.review_id.in_(sa.select(ReviewRow.id).where(ReviewRow.kind == ReviewKind.RANDOM.value))
    return [
        ImageId(image)
        for some in in_parts(image_ids)
        for image in session.scalars(
            sa.select(LabelRow.image_id).where(LabelRow.image_id.in_(some), of_stream, *stands).order_by(LabelRow.id)
        )
    ]


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
    stands = LabelRow.author == AUTHOR, relabelled, LabelRow.value.is_not(None)
    return _found(session, project_id, *stands, other.correlate(LabelRow))


def undecided(session: Session, project: Project) -> list[Dispute]:
    """The images that nobody who was asked could tell, those for which another person is being asked among them.

    The label is the one that came with the image, or that an earlier review had given, where there is one.
    """
    newest: dict[ImageId, Undecided] = {}
    for one in views.undecided(session, project):  # the newest review first
        if one.state is not UndecidedState.UNDECIDABLE:
            newest.setdefault(one.image_id, one)
    some = list(newest.values())[:MOST]
    since = {one.review_id: one.since for one in some}
    found = of_reviews(session, [one.review_id for one in some if one.review_id is not None])
    return [replace(one, since=since[one.review_id]) for one in found]


def of_reviews(session: Session, review_ids: Collection[ReviewId]) -> list[Dispute]:
    """These reviews with the label that stands, the newest first."""
    found = [read(Dispute, row) for row in rows_of(session, _of_reviews(), ReviewRow.id, review_ids)]
    return sorted(found, key=lambda one: -one.review_id)


@cache
def _of_reviews() -> sa.Select[*tuple[Any, ...]]:
    """Disputes by their reviews, with the label that stands."""
    label = {"label": LabelRow.value, "since": ReviewRow.created_at}
    stands = {"waiting": is_open(), "group_size": _group_size()}
    current = sa.and_(LabelRow.image_id == ReviewRow.image_id, is_current_label())
    return (
        sa.select(*columns(Dispute, ReviewRow, ImageRow, PushRow, review_id=ReviewRow.id, **label, **stands))
        .select_from(ReviewRow)
        .join(ImageRow, ImageRow.id == ReviewRow.image_id)
        .outerjoin(LabelRow, current)
        .outerjoin(PushRow, PushRow.review_id == ReviewRow.id)
    )


def _found(session: Session, project_id: ProjectId, *conditions: sa.ColumnElement[bool]) -> list[Dispute]:
    label = {"label": LabelRow.value, "since": LabelRow.created_at}
    stands = {"waiting": is_open(), "group_size": _group_size()}
    rows = session.execute(
        sa.select(*columns(Dispute, ReviewRow, ImageRow, PushRow, review_id=ReviewRow.id, **label, **stands))
        .select_from(LabelRow)
        .join(ImageRow, ImageRow.id == LabelRow.image_id)
        .join(ReviewRow, ReviewRow.id == LabelRow.review_id)
        .outerjoin(PushRow, PushRow.review_id == ReviewRow.id)
        .where(LabelRow.project_id == project_id, is_current_label(), *conditions)
        .order_by(LabelRow.id.desc())
        .limit(MOST)
    )
    return read_all(Dispute, rows)


@cache
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
