"""Images and how they came: which registrations wait to be fetched, and what fetching them gave.

A registration *waits* while it has no fetch, its source still holds it, and it is neither a dead letter nor failed
a moment ago. The same bytes in a project are one image, however many registrations lead to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.repositories.images.groups import keep_fingerprints
from db.repositories.running.failures import has_no_tries_left
from db.rows import columns, read_all, to_row
from db.session import delete, insert_new
from db.tables import FailureRow, FetchRow, ImageCheckRow, ImageRow, RegistrationGoneRow, RegistrationRow
from labeling.types import ISSUES, ImageChecks, ImageId, ProjectId, RegistrationId

FETCH = "fetch"
"""The step under which failures to fetch are counted."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A registration whose bytes are to be fetched."""

    id: RegistrationId
    reference: str
    address: str
    text: str | None
    details: dict[str, Any]
    known_label: str | None
    gold: bool


@dataclass(frozen=True, slots=True)
class NewImage:
    """What fetching a registration gave; sizes are those of the upright image."""

    registration_id: RegistrationId
    content_hash: str
    format: str
    width: int
    height: int
    size_bytes: int
    text: str | None
    details: dict[str, Any]
    fingerprint: bytes | None = None
    checks: ImageChecks | None = None


def waiting(
    session: Session,
    project_id: ProjectId,
    *,
    failed_before: datetime,
    now: datetime,
    limit: int,
    away: Sequence[str] = (),
) -> list[Waiting]:
    """The first registrations that wait; one that failed comes back only if that was before `failed_before`.

    A failure after `now` was noted by a clock that was set back since, and delays nothing. What lies in a place that is
    `away` (what its addresses begin with) is left out.
    """
    fetched = sa.exists().where(FetchRow.registration_id == RegistrationRow.id)
    is_gone = sa.exists().where(RegistrationGoneRow.registration_id == RegistrationRow.id)
    resting = sa.exists().where(
        FailureRow.step == FETCH,
        FailureRow.subject == sa.cast(RegistrationRow.id, sa.Text),
        sa.or_(has_no_tries_left(), sa.and_(FailureRow.failed_at > failed_before, FailureRow.failed_at <= now)),
    )
    rows = session.execute(
        sa.select(*columns(Waiting, RegistrationRow))
        .where(RegistrationRow.project_id == project_id, ~fetched, ~is_gone, ~resting)
        .where(*[~RegistrationRow.address.startswith(place, autoescape=True) for place in away])
        .order_by(RegistrationRow.id)
        .limit(limit)
    )
    return read_all(Waiting, rows)


def with_issues(session: Session, project_id: ProjectId) -> list[tuple[ImageId, tuple[bool, ...]]]:
    """The images whose picture fails a check, and which of `ISSUES` it fails, in their order."""
    failed = [getattr(ImageCheckRow, name) < limit for name, limit in ISSUES.items()]
    rows = session.execute(
        sa.select(ImageRow.id, *failed)
        .join(ImageCheckRow, ImageCheckRow.content_hash == ImageRow.content_hash)
        .where(ImageRow.project_id == project_id, sa.or_(*failed))
    )
    return [(ImageId(image), tuple(map(bool, which))) for image, *which in rows]


def record(
    session: Session, project_id: ProjectId, found: Sequence[NewImage], now: datetime
) -> dict[RegistrationId, ImageId]:
    """Make the images that are new and join registrations to theirs; returns those joined now, not before."""
    if not found:
        return {}
    with_text_first = sorted(found, key=lambda image: image.text is None)  # of copies, the one with a text is kept
    insert_new(session, ImageRow, [_row(image, project_id, now) for image in with_text_first])
    keep_fingerprints(session, {i.content_hash: i.fingerprint for i in found if i.fingerprint is not None})
    checked = {i.content_hash: i.checks for i in found if i.checks is not None}
    insert_new(session, ImageCheckRow, [to_row(checks, content_hash=name) for name, checks in checked.items()])
    hashes = {image.content_hash for image in found}
    rows = session.execute(
        sa.select(ImageRow.content_hash, ImageRow.id).where(
            ImageRow.project_id == project_id, ImageRow.content_hash.in_(hashes)
        )
    )
    ids = {content_hash: ImageId(image_id) for content_hash, image_id in rows}
    fetches = [
        {"registration_id": image.registration_id, "image_id": ids[image.content_hash], "fetched_at": now}
        for image in found
    ]
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    joined = session.execute(
        insert(FetchRow).on_conflict_do_nothing().returning(FetchRow.registration_id, FetchRow.image_id), fetches
    )
    return {RegistrationId(registration_id): ImageId(image_id) for registration_id, image_id in joined}


def fetch_again(session: Session, registration_ids: Sequence[RegistrationId]) -> None:
    """Have these registrations wait again, because their bytes are gone; the images that they are of stay."""
    delete(session, FetchRow, FetchRow.registration_id.in_(registration_ids))


def content_hashes(session: Session) -> set[str]:
    """The content hashes of all images of all projects: what the image store must keep."""
    return set(session.scalars(sa.select(ImageRow.content_hash).distinct()))


def places_of(session: Session, content_hash: str) -> list[tuple[ProjectId, str]]:
    """Where images with these bytes came from: of each registration its project and address, the newest first."""
    rows = session.execute(
        sa.select(RegistrationRow.project_id, RegistrationRow.address)
        .join(FetchRow, FetchRow.registration_id == RegistrationRow.id)
        .join(ImageRow, ImageRow.id == FetchRow.image_id)
        .where(ImageRow.content_hash == content_hash)
        .order_by(RegistrationRow.id.desc())
    )
    return [(ProjectId(project_id), address) for project_id, address in rows]


def texts(session: Session, image_ids: Sequence[ImageId]) -> dict[ImageId, str | None]:
    """The text of each of these images."""
    rows = session.execute(sa.select(ImageRow.id, ImageRow.text).where(ImageRow.id.in_(image_ids)))
    return {ImageId(image_id): text for image_id, text in rows}


def newest_at(session: Session, project_id: ProjectId) -> datetime | None:
    """When the newest image of a project was fetched; None where there is none."""
    newest = sa.select(ImageRow.fetched_at).where(ImageRow.project_id == project_id)
    return session.scalar(newest.order_by(ImageRow.id.desc()).limit(1))


def is_quarantined(project_id: ProjectId) -> sa.ColumnElement[bool]:
    """The condition on `FailureRow` that fetching failed. What only waits for its place to answer has not failed."""
    return sa.and_(FailureRow.project_id == project_id, FailureRow.step == FETCH, FailureRow.count > 0)


def _row(image: NewImage, project_id: ProjectId, now: datetime) -> dict[str, Any]:
    row = to_row(image, project_id=project_id, fetched_at=now)
    del row["registration_id"], row["fingerprint"], row["checks"]
    return row
