"""What the API and the pages list, newest first, a slice at a time.

In: a project, where to go on (`after`, an id of the slice before), a limit, and filters whose names are fixed here.
Out: frozen items and where the next slice begins. Every slice costs the same, however deep it lies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.paging import Slice, slice_of
from db.repositories.images.images import FETCH
from db.repositories.reviews.reviews import is_open
from db.repositories.running.failures import CONTRADICTION, REGISTER
from db.rows import columns, read_all
from db.tables import (
    FailureRow,
    FetchRow,
    GroupRow,
    ImageCheckRow,
    ImageRow,
    LabelRow,
    PrelabelRow,
    RegistrationRow,
    ReviewRow,
    SourceRow,
)
from labeling.types import ISSUES, ImageId, LabelSource, ProjectId

IMAGE_STATES = ("fetched", "ready", "asked", "labelled")
"""Of an image whose bytes are here: waiting for prelabel or group, in the pool, asked about, labelled."""


@dataclass(frozen=True, slots=True)
class ImageItem:
    """An image with where it stands. `group_id` is null until its near-duplicates are known.

    `blurry` to `odd_aspect` are scores of the picture in [0, 1], lower is worse; null for an image of an older version.
    """

    id: int
    content_hash: str
    format: str
    width: int
    height: int
    size_bytes: int
    text: str | None
    details: dict[str, Any]
    group_id: int | None
    state: str
    label: str | None
    fetched_at: datetime
    blurry: float | None = None
    dark: float | None = None
    light: float | None = None
    low_information: float | None = None
    odd_aspect: float | None = None

    @property
    def issues(self) -> list[str]:
        """What is wrong with the picture itself; see `ISSUES`."""
        scores = {name: getattr(self, name) for name in ISSUES}
        return [name for name, score in scores.items() if score is not None and score < ISSUES[name]]


@dataclass(frozen=True, slots=True)
class FailureItem:
    """Something that failed; after three times (or when nothing can help) it waits for a person's retry."""

    id: int
    step: str
    subject: str
    reference: str | None
    count: int
    final: bool
    reason: str
    failed_at: datetime


@dataclass(frozen=True, slots=True)
class SourceItem:
    """A place that is read on a schedule."""

    id: int
    address: str
    created_at: datetime
    looked_at: datetime | None


@dataclass(frozen=True, slots=True)
class LabelItem:
    """One statement of what an image is; the newest of an image holds, null takes it back."""

    id: int
    image_id: int
    value: str | None
    source: LabelSource
    review_id: int | None
    author: str
    reason: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ImageState:
    """An image with its label in force, and how far it has come."""

    image_id: ImageId
    content_hash: str
    label: str | None
    prelabelled: bool
    grouped: bool


def images(
    session: Session,
    project_id: ProjectId,
    *,
    after: int | None,
    limit: int,
    state: str | None = None,
    issue: str | None = None,
) -> Slice[ImageItem]:
    """The images of a project, all or those in one of IMAGE_STATES, or with one of ISSUES."""
    stands, label = _state(), _current_label()
    statement = (
        sa.select(*columns(ImageItem, ImageRow, GroupRow, ImageCheckRow, state=stands, label=label))
        .outerjoin(GroupRow, GroupRow.id == ImageRow.group_id)
        .outerjoin(ImageCheckRow, ImageCheckRow.content_hash == ImageRow.content_hash)
        .where(ImageRow.project_id == project_id)
    )
    if state is not None:
        statement = statement.where(stands == state)
    if issue is not None:
        statement = statement.where(getattr(ImageCheckRow, issue) < ISSUES[issue])
    return slice_of(session, statement, ImageRow.id, after, limit, ImageItem)


def image(session: Session, project_id: ProjectId, image_id: int) -> ImageItem | None:
    """One image of a project; None if it has no such image."""
    found = images(session, project_id, after=image_id + 1, limit=1).items
    return found[0] if found and found[0].id == image_id else None


def image_states(session: Session, project_id: ProjectId, *, after: int | None, limit: int) -> list[ImageState]:
    """The next images under the number `after`, newest first."""
    statement = _states(project_id)
    if after is not None:
        statement = statement.where(ImageRow.id < after)
    return read_all(ImageState, session.execute(statement.order_by(ImageRow.id.desc()).limit(limit)))


def states_of(session: Session, project_id: ProjectId, image_ids: Sequence[int]) -> list[ImageState]:
    """These images of the project, in the order of their numbers."""
    statement = _states(project_id).where(ImageRow.id.in_(image_ids))
    return read_all(ImageState, session.execute(statement.order_by(ImageRow.id)))


def failures(
    session: Session, project_id: ProjectId, *, after: int | None, limit: int, step: str | None = None
) -> Slice[FailureItem]:
    """What failed, at any step or at one; those of `fetch` are the quarantine list. `reference` names the file."""
    is_fetch = sa.and_(FailureRow.step == FETCH, sa.cast(RegistrationRow.id, sa.Text) == FailureRow.subject)
    statement = (
        sa.select(*columns(FailureItem, FailureRow, RegistrationRow))
        .outerjoin(RegistrationRow, is_fetch)
        .where(FailureRow.project_id == project_id)
    )
    if step is not None:
        statement = statement.where(FailureRow.step == step)
    found = slice_of(session, statement, FailureRow.id, after, limit, FailureItem)
    return Slice(_named(session, found.items), found.next_after)


def sources(session: Session, project_id: ProjectId, *, after: int | None, limit: int) -> Slice[SourceItem]:
    statement = sa.select(*columns(SourceItem, SourceRow)).where(SourceRow.project_id == project_id)
    return slice_of(session, statement, SourceRow.id, after, limit, SourceItem)


def labels(
    session: Session, project_id: ProjectId, *, after: int | None, limit: int, source: LabelSource | None = None
) -> Slice[LabelItem]:
    """The history of what was held true, not only what holds."""
    statement = sa.select(*columns(LabelItem, LabelRow)).where(LabelRow.project_id == project_id)
    if source is not None:
        statement = statement.where(LabelRow.source == source.value)
    return slice_of(session, statement, LabelRow.id, after, limit, LabelItem)


def _states(project_id: ProjectId) -> sa.Select[*tuple[Any, ...]]:
    prelabelled = _any(PrelabelRow.id, PrelabelRow.image_id == ImageRow.id)
    facts = {"prelabelled": prelabelled, "grouped": ImageRow.group_id.is_not(None), "label": _current_label()}
    return sa.select(*columns(ImageState, ImageRow, image_id=ImageRow.id, **facts)).where(
        ImageRow.project_id == project_id
    )


def _named(session: Session, found: Sequence[FailureItem]) -> list[FailureItem]:
    """With the reference of what was never registered, which its subject holds, and of images, whose ids those are."""
    ids = {one.subject for one in found if one.step == "prelabel" and one.subject.isdecimal()}
    rows = session.execute(
        sa.select(FetchRow.image_id, sa.func.min(RegistrationRow.reference))
        .join(RegistrationRow, RegistrationRow.id == FetchRow.registration_id)
        .where(FetchRow.image_id.in_([int(subject) for subject in ids]))
        .group_by(FetchRow.image_id)
    )
    images = {str(image_id): reference for image_id, reference in rows}
    return [replace(one, reference=one.reference or _name(one, images)) for one in found]


def _name(failure: FailureItem, images: Mapping[str, str]) -> str | None:
    if failure.step in (REGISTER, CONTRADICTION):
        return failure.subject.partition(":")[2] or None
    return images.get(failure.subject) if failure.step == "prelabel" else None


def _current_label() -> sa.ScalarSelect[str | None]:
    return (
        sa.select(LabelRow.value)
        .where(LabelRow.image_id == ImageRow.id)
        .order_by(LabelRow.id.desc())
        .limit(1)
        .correlate(ImageRow)
        .scalar_subquery()
    )


def _state() -> sa.Case[str]:
    asked = _any(ReviewRow.id, ReviewRow.image_id == ImageRow.id, is_open())
    prelabelled = _any(PrelabelRow.id, PrelabelRow.image_id == ImageRow.id)
    return sa.case(
        (_current_label().is_not(None), "labelled"),
        (asked, "asked"),
        (sa.and_(ImageRow.group_id.is_not(None), prelabelled), "ready"),
        else_="fetched",
    )


def _any(column: sa.orm.InstrumentedAttribute[int], *conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Whether an image has such a row. As an EXISTS, PostgreSQL would read the whole table for one page of images."""
    return sa.select(column).where(*conditions).limit(1).correlate(ImageRow).scalar_subquery().is_not(None)
