"""The audit of certificates: which accepted images were asked about, what people decided, and what it came to.

An answer is *decided* when two people gave the same label, or a lead decided, that nobody can tell too. Results are
appended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.certificates.adjudicated import adjudicated
from db.repositories.labels.labels import is_current_label
from db.rows import columns, read_first, to_row
from db.session import insert_new
from db.tables import CertificateAuditRow, CertifiedImageRow, ImageRow, LabelRow, ReviewRow
from labeling.types import UNSURE, ImageId, LabelSource, ProjectId, ReviewKind


@dataclass(frozen=True, slots=True)
class Result:
    """What an audit came to; `evidence` None where the promise is broken for certain."""

    images: int
    wrong: int
    evidence: float | None
    suspended: bool
    lower: float
    detectable: float | None


@dataclass(frozen=True, slots=True)
class Audited:
    """An accepted image that was asked about: the label that the certificate gave, and what people decided.

    `said` None while neither two people agree nor a lead has decided; "unsure" where a lead found that nobody can tell.
    """

    image_id: ImageId
    value: str
    said: str | None
    asked_at: datetime


def asked(session: Session, project_id: ProjectId, certificate_id: int, since: datetime) -> list[Audited]:
    """The images that were asked about for this certificate, in the order in which they were."""
    rows = session.execute(
        sa.select(
            CertifiedImageRow.image_id, CertifiedImageRow.value, ReviewRow.created_at, LabelRow.value.label("said")
        )
        .join(ReviewRow, ReviewRow.image_id == CertifiedImageRow.image_id)
        .outerjoin(LabelRow, sa.and_(LabelRow.image_id == CertifiedImageRow.image_id, is_current_label()))
        .where(CertifiedImageRow.certificate_id == certificate_id, ReviewRow.project_id == project_id)
        .where(ReviewRow.kind == ReviewKind.AUDIT, ReviewRow.created_at >= since)
        .order_by(ReviewRow.id)
    ).all()
    decided = adjudicated(session, [ImageId(row.image_id) for row in rows])
    return [
        Audited(
            ImageId(row.image_id),
            row.value,
            (row.said or UNSURE) if row.image_id in decided else None,
            row.created_at,
        )
        for row in rows
    ]


def groups(session: Session, project_id: ProjectId) -> set[int]:
    """The groups of which an audit ever asked about an image."""
    audited = (
        sa.select(ImageRow.group_id)
        .join(ReviewRow, ReviewRow.image_id == ImageRow.id)
        .where(ReviewRow.project_id == project_id, ReviewRow.kind == ReviewKind.AUDIT, ImageRow.group_id.is_not(None))
    )
    return {int(group) for group in session.scalars(audited) if group is not None}


def can_be_drawn(session: Session, certificate_id: int) -> list[ImageId]:
    """The accepted images that have the label of the certificate now, and that no audit asked about."""
    before = sa.exists().where(ReviewRow.image_id == CertifiedImageRow.image_id, ReviewRow.kind == ReviewKind.AUDIT)
    named = LabelRow.evidence["certificate"].as_integer() == certificate_id
    rows = session.scalars(
        sa.select(CertifiedImageRow.image_id)
        .join(LabelRow, sa.and_(LabelRow.image_id == CertifiedImageRow.image_id, is_current_label()))
        .where(CertifiedImageRow.certificate_id == certificate_id, ~before)
        .where(LabelRow.source == LabelSource.CERTIFICATE, LabelRow.value.is_not(None), named)
        .order_by(CertifiedImageRow.image_id)
    )
    return [ImageId(image) for image in rows]


def keep(session: Session, certificate_id: int, result: Result, now: datetime) -> bool:
    """Note what the audit came to; False where it was noted before."""
    return insert_new(session, CertificateAuditRow, [to_row(result, certificate_id=certificate_id, at=now)]) > 0


def newest(session: Session, certificate_id: int) -> Result | None:
    """What the audit came to last."""
    of_it = sa.select(*columns(Result, CertificateAuditRow)).where(CertificateAuditRow.certificate_id == certificate_id)
    return read_first(session, Result, of_it.order_by(CertificateAuditRow.id.desc()))
