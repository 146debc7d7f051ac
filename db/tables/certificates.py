"""What machine labels were promised: terms, every attempt, the accepted images, and how it ended; appended."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base, ref

__all__ = [
    "CertificateAuditRow",
    "CertificateEndRow",
    "CertificateRow",
    "CertificateTermsRow",
    "CertifiedImageRow",
    "ExcludedImageRow",
]


class CertificateTermsRow(Base):
    """From here on these terms are in force: only younger answers certify. The newest row counts.

    `terms` are those of the policy (null: no certificate is wanted). Groups that the stream had asked about by
    `newest_review`, and those that stand up to the position `cursor` of its order, belong to no set.
    """

    __tablename__ = "certificate_terms"
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"), index=True)
    terms: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    config_version: Mapped[int]
    newest_review: Mapped[int]
    cursor: Mapped[float]
    at: Mapped[datetime]


class CertificateRow(Base):
    """One attempt at a certificate, a refusal too: at most one for each planned size of the terms.

    `size` images of the set of which `sampled` have an answer, `wrong` of those above `rank`. `accepted` images without
    a person get the label of the version (0: refused). `delta` is the level that was spent: the look's own, divided by
    `versions`. `report` holds the rest.
    """

    __tablename__ = "certificate"
    __table_args__ = (sa.UniqueConstraint("terms_id", "look"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ref("project.id"), index=True)
    terms_id: Mapped[int] = mapped_column(ref("certificate_terms.id"))
    look: Mapped[int]
    version_id: Mapped[int] = mapped_column(ref("version.id"), index=True)
    size: Mapped[int]
    sampled: Mapped[int]
    rank: Mapped[int]
    wrong: Mapped[int]
    accepted: Mapped[int]
    delta: Mapped[float]
    versions: Mapped[int]
    report: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class CertifiedImageRow(Base):
    """An image that a certificate accepted, with the label that the version gives it; `rank` 1 is the surest."""

    __tablename__ = "certified_image"
    certificate_id: Mapped[int] = mapped_column(ref("certificate.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(ref("image.id"), primary_key=True, index=True)
    value: Mapped[str]
    rank: Mapped[int]
    score: Mapped[float]


class ExcludedImageRow(Base):
    """An image of the set, sampled or not, that the accept rule excluded whatever its score, and why."""

    __tablename__ = "excluded_image"
    certificate_id: Mapped[int] = mapped_column(ref("certificate.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(ref("image.id"), primary_key=True, index=True)
    reason: Mapped[str]


class CertificateAuditRow(Base):
    """What the audit of a certificate came to when it had so many `images` of which so many were `wrong`.

    `evidence` against the promise (null: it is certain that it is broken); of all accepted labels at least `lower` are
    right; a precision of `detectable` or less would have been noticed (null: none would).
    """

    __tablename__ = "certificate_audit"
    __table_args__ = (sa.UniqueConstraint("certificate_id", "images", "wrong"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    certificate_id: Mapped[int] = mapped_column(ref("certificate.id"))
    images: Mapped[int]
    wrong: Mapped[int]
    evidence: Mapped[float | None]
    suspended: Mapped[bool]
    lower: Mapped[float]
    detectable: Mapped[float | None]
    at: Mapped[datetime]


class CertificateEndRow(Base):
    """The fact that a certificate promises nothing any more, and why: its labels are taken back."""

    __tablename__ = "certificate_end"
    certificate_id: Mapped[int] = mapped_column(ref("certificate.id"), primary_key=True, autoincrement=False)
    reason: Mapped[str]
    at: Mapped[datetime]
