"""Certificates: the terms in force, every attempt, what was accepted, and ends; all appended.

A certificate *stands* while it accepted something and has no end. Its labels are rows of `label` with the source
`certificate`, whose evidence names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.labels.labels import is_current_label
from db.repositories.reviews.reviews import is_current
from db.rows import KEYS_A_STATEMENT, columns, count, read_all, read_first, to_row
from db.session import insert_new
from db.tables import (
    AnnotationRow,
    CertificateEndRow,
    CertificateRow,
    CertificateTermsRow,
    CertifiedImageRow,
    ExcludedImageRow,
    ImageRow,
    LabelRow,
    ReviewRow,
    VersionRow,
)
from labeling.project import CertificateTerms
from labeling.slices import batches
from labeling.types import AnnotationAction, ImageId, LabelSource, ProjectId, VersionId


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms in force; groups asked about by `newest_review`, or up to `cursor` in the order, belong to no set."""

    id: int
    terms: CertificateTerms | None
    config_version: int
    newest_review: int
    cursor: float
    at: datetime


@dataclass(frozen=True, slots=True)
class NewCertificate:
    """One attempt to append; `report` holds what a page shows of it besides."""

    terms_id: int
    look: int
    version_id: VersionId
    size: int
    sampled: int
    rank: int
    wrong: int
    accepted: int
    delta: float
    versions: int
    report: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Certificate:
    """One attempt as stored, with its terms, the number of its version, and why and when it ended."""

    id: int
    terms_id: int
    terms: CertificateTerms
    look: int
    version_id: VersionId
    version: int
    size: int
    sampled: int
    rank: int
    wrong: int
    accepted: int
    delta: float
    versions: int
    report: dict[str, Any]
    at: datetime
    ended: str | None
    ended_at: datetime | None

    @property
    def stands(self) -> bool:
        """Whether its promise holds now."""
        return self.accepted > 0 and self.ended is None


@dataclass(frozen=True, slots=True)
class Accepted:
    """One accepted image with its label; `rank` 1 is the surest."""

    image_id: ImageId
    value: str
    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Excluded:
    """One image of the set that is not accepted whatever its score, and why."""

    image_id: ImageId
    reason: str


@dataclass(frozen=True, slots=True)
class OfImage:
    """What one attempt came to about an image: `rank`, `score` and `value` where it accepted it, else `reason`."""

    certificate_id: int
    at: datetime
    rank: int | None
    score: float | None
    value: str | None
    reason: str | None


def terms_in_force(session: Session, project_id: ProjectId) -> Terms | None:
    """The newest terms; None where there never were any."""
    found = sa.select(*columns(Terms, CertificateTermsRow)).where(CertificateTermsRow.project_id == project_id)
    return read_first(session, Terms, found.order_by(CertificateTermsRow.id.desc()))


def add_terms(
    session: Session,
    project_id: ProjectId,
    terms: CertificateTerms | None,
    *,
    config_version: int,
    newest_review: int,
    cursor: float,
    now: datetime,
) -> None:
    """From now on these terms are in force."""
    stored = None if terms is None else msgspec.to_builtins(terms)
    since = {"config_version": config_version, "newest_review": newest_review, "cursor": cursor, "at": now}
    session.add(CertificateTermsRow(project_id=project_id, terms=stored, **since))
    session.flush()


def add(
    session: Session,
    project_id: ProjectId,
    new: NewCertificate,
    accepted: Sequence[Accepted],
    excluded: Sequence[Excluded],
    now: datetime,
) -> int:
    """Append an attempt with what it accepted and excluded; its id, or 0 where this size was tried before.

    An image that was deleted meanwhile is left out. A certificate that stood before ends where this one accepts
    something.
    """
    if not insert_new(session, CertificateRow, [to_row(new, project_id=project_id, at=now)]):
        return 0
    tried = CertificateRow.terms_id == new.terms_id, CertificateRow.look == new.look
    certificate_id = int(session.scalars(sa.select(CertificateRow.id).where(*tried)).one())
    if accepted:
        for before in standing(session, project_id):
            if before.id != certificate_id:
                end(session, before.id, f"replaced by certificate {certificate_id}", now)
    _append(session, CertifiedImageRow, certificate_id, accepted)
    _append(session, ExcludedImageRow, certificate_id, excluded)
    return certificate_id


def end(session: Session, certificate_id: int, reason: str, now: datetime) -> bool:
    """Note that a certificate ended; False where it had before."""
    return insert_new(session, CertificateEndRow, [{"certificate_id": certificate_id, "reason": reason, "at": now}]) > 0


def everyone(session: Session, project_id: ProjectId) -> list[Certificate]:
    """All attempts, refusals too, oldest first."""
    return read_all(Certificate, session.execute(_certificates(project_id).order_by(CertificateRow.id)))


def is_to_be_tried(session: Session, project_id: ProjectId) -> bool:
    """Whether the terms in force plan a size that was not tried yet."""
    terms = terms_in_force(session, project_id)
    if terms is None or terms.terms is None:
        return False
    return last_tried(session, terms.id) < terms.terms.sizes


def last_tried(session: Session, terms_id: int) -> int:
    """The number of the last planned size that was tried under these terms; 0 for none."""
    return session.scalar(sa.select(sa.func.max(CertificateRow.look)).where(CertificateRow.terms_id == terms_id)) or 0


def standing(session: Session, project_id: ProjectId) -> list[Certificate]:
    """The certificates that promise something now, oldest first; at most one, but while one replaces another."""
    return [one for one in everyone(session, project_id) if one.stands]


def has_work(session: Session, project_id: ProjectId) -> bool:
    """Whether a certificate stands, or labels of one that ended are still in force."""
    return bool(standing(session, project_id)) or bool(to_take_back(session, project_id, 1))


def accepted_of(
    session: Session, certificate_id: int, *, limit: int | None = None, surest: bool = True
) -> list[Accepted]:
    """What a certificate accepted and is still there, the surest first, or the least sure."""
    of_it = sa.select(*columns(Accepted, CertifiedImageRow)).where(CertifiedImageRow.certificate_id == certificate_id)
    order = CertifiedImageRow.rank if surest else CertifiedImageRow.rank.desc()
    return read_all(Accepted, session.execute(of_it.order_by(order).limit(limit)))


def count_accepted(session: Session, certificate_id: int) -> int:
    """How many accepted images are still there."""
    return count(session, CertifiedImageRow, CertifiedImageRow.certificate_id == certificate_id)


def count_delivered(session: Session, certificate_id: int) -> int:
    """How many images have its label now."""
    current = _names(certificate_id), LabelRow.value.is_not(None), is_current_label()
    return (
        session.scalar(
            sa.select(sa.func.count())
            .select_from(CertifiedImageRow)
            .join(LabelRow, LabelRow.image_id == CertifiedImageRow.image_id)
            .where(CertifiedImageRow.certificate_id == certificate_id, *current)
        )
        or 0
    )


def to_deliver(session: Session, certificate_id: int, limit: int) -> list[Accepted]:
    """Accepted images that have no label, or one by another certificate, and never had this one's: the surest first."""
    ours = sa.exists().where(LabelRow.image_id == CertifiedImageRow.image_id, _names(certificate_id))
    other = sa.exists().where(
        LabelRow.image_id == CertifiedImageRow.image_id,
        LabelRow.value.is_not(None),
        LabelRow.source != LabelSource.CERTIFICATE,
        is_current_label(),
    )
    wanted = sa.select(*columns(Accepted, CertifiedImageRow)).where(
        CertifiedImageRow.certificate_id == certificate_id, ~ours, ~other
    )
    return read_all(Accepted, session.execute(wanted.order_by(CertifiedImageRow.rank).limit(limit)))


def to_take_back(session: Session, project_id: ProjectId, limit: int) -> list[tuple[ImageId, int, str]]:
    """Images whose label is that of a certificate that ended, with its id and why it ended; the riskiest first."""
    named = LabelRow.evidence["certificate"].as_integer()
    rows = session.execute(
        sa.select(LabelRow.image_id, CertificateEndRow.certificate_id, CertificateEndRow.reason)
        .join(CertificateEndRow, CertificateEndRow.certificate_id == named)
        .join(
            CertifiedImageRow,
            sa.and_(
                CertifiedImageRow.certificate_id == CertificateEndRow.certificate_id,
                CertifiedImageRow.image_id == LabelRow.image_id,
            ),
        )
        .where(LabelRow.project_id == project_id, LabelRow.source == LabelSource.CERTIFICATE)
        .where(LabelRow.value.is_not(None), is_current_label())
        .order_by(CertifiedImageRow.rank.desc())
        .limit(limit)
    )
    return [(ImageId(image), int(certificate), reason) for image, certificate, reason in rows]


def answered_meanwhile(session: Session, project_id: ProjectId) -> list[ImageId]:
    """Images that have the label of a certificate although people's answers about them stand."""
    answered = sa.exists().where(
        ReviewRow.image_id == LabelRow.image_id,
        AnnotationRow.review_id == ReviewRow.id,
        AnnotationRow.action == AnnotationAction.ANSWERED,
        is_current(),
    )
    labelled = sa.select(LabelRow.image_id).where(
        LabelRow.project_id == project_id,
        LabelRow.source == LabelSource.CERTIFICATE,
        LabelRow.value.is_not(None),
        is_current_label(),
        answered,
    )
    return [ImageId(image) for image in session.scalars(labelled)]


def certified_groups(session: Session, project_id: ProjectId) -> set[int]:
    """The near-duplicate groups in which an image has the label of a certificate now."""
    labelled = (
        sa.select(ImageRow.group_id)
        .join(LabelRow, LabelRow.image_id == ImageRow.id)
        .where(LabelRow.project_id == project_id, LabelRow.source == LabelSource.CERTIFICATE)
        .where(LabelRow.value.is_not(None), is_current_label(), ImageRow.group_id.is_not(None))
    )
    return {int(group) for group in session.scalars(labelled) if group is not None}


def of_image(session: Session, image_id: ImageId) -> list[OfImage]:
    """What each attempt that accepted or excluded an image said of it, oldest first."""
    given = {"certificate_id": CertificateRow.id}
    accepted = {"rank": CertifiedImageRow.rank, "score": CertifiedImageRow.score, "value": CertifiedImageRow.value}
    rows = session.execute(
        sa.select(*columns(OfImage, CertificateRow, **given, **accepted, reason=ExcludedImageRow.reason))
        .outerjoin(CertifiedImageRow, _is_of(CertifiedImageRow, image_id))
        .outerjoin(ExcludedImageRow, _is_of(ExcludedImageRow, image_id))
        .where(sa.or_(CertifiedImageRow.image_id.is_not(None), ExcludedImageRow.image_id.is_not(None)))
        .order_by(CertificateRow.id)
    )
    return read_all(OfImage, rows)


def excluded_of(session: Session, certificate_id: int, limit: int | None = None) -> list[Excluded]:
    """What a certificate excluded and is still there, in the order of image ids."""
    of_it = sa.select(*columns(Excluded, ExcludedImageRow)).where(ExcludedImageRow.certificate_id == certificate_id)
    return read_all(Excluded, session.execute(of_it.order_by(ExcludedImageRow.image_id).limit(limit)))


def _append(session: Session, table: type[Any], certificate_id: int, found: Sequence[Accepted | Excluded]) -> None:
    """Rows of the images that are still there."""
    for some in batches(found, KEYS_A_STATEMENT):
        wanted = sa.select(ImageRow.id).where(ImageRow.id.in_([one.image_id for one in some]))
        there = set(session.scalars(wanted))
        rows = [to_row(one, certificate_id=certificate_id) for one in some if one.image_id in there]
        insert_new(session, table, rows)


def _is_of(table: type[Any], image_id: ImageId) -> sa.ColumnElement[bool]:
    return sa.and_(table.certificate_id == CertificateRow.id, table.image_id == image_id)


def _names(certificate_id: int) -> sa.ColumnElement[bool]:
    """The condition on `LabelRow` that this certificate gave the label."""
    named = LabelRow.evidence["certificate"].as_integer()
    return sa.and_(LabelRow.source == LabelSource.CERTIFICATE, named == certificate_id)


def _certificates(project_id: ProjectId) -> sa.Select[*tuple[Any, ...]]:
    given: dict[str, Any] = {"terms": CertificateTermsRow.terms, "version": VersionRow.number}
    given |= {"ended": CertificateEndRow.reason, "ended_at": CertificateEndRow.at, "id": CertificateRow.id}
    return (
        sa.select(*columns(Certificate, CertificateRow, **given))
        .join(CertificateTermsRow, CertificateTermsRow.id == CertificateRow.terms_id)
        .join(VersionRow, VersionRow.id == CertificateRow.version_id)
        .outerjoin(CertificateEndRow, CertificateEndRow.certificate_id == CertificateRow.id)
        .where(CertificateRow.project_id == project_id)
    )
