"""What a change of the label set does to labels: counted before, and appended when it is put in force.

In: names of classes, and what each stands for from now on. Out: counts, or rows appended in one statement a class; the
labels of before stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.labels.labels import DISPUTED, is_current_label
from db.repositories.reviews.reviews import is_open
from db.rows import columns, read_all
from db.tables import CertificateEndRow, CertificateRow, LabelRow, PushRow, ReviewRow, SoftLabelRow, VersionRow
from labeling.types import Actor, ImageId, LabelSource, ProjectId, ReviewKind


@dataclass(frozen=True, slots=True)
class Counted:
    """How many images have a label of one class, and how many of those are gold."""

    label: str
    images: int
    gold: int


@dataclass(frozen=True, slots=True)
class Held:
    """An image with a label of a class; `kind` is that of the review it came from (None: no review made it)."""

    image_id: ImageId
    kind: ReviewKind | None
    blind: bool | None
    probability: float | None
    place: float | None


def count(session: Session, project_id: ProjectId, names: Collection[str]) -> list[Counted]:
    """How many labels of each of these classes stand that people, gold or an import gave; no certificate's."""
    gold = sa.func.sum(sa.case((LabelRow.source == LabelSource.GOLD.value, 1), else_=0))
    rows = session.execute(
        sa.select(LabelRow.value, sa.func.count(), gold)
        .where(*_of(project_id, names))
        .group_by(LabelRow.value)
        .order_by(LabelRow.value)
    )
    return [Counted(str(label), int(images), int(of_gold)) for label, images, of_gold in rows]


def held(session: Session, project_id: ProjectId, name: str) -> list[Held]:
    """The images with a label of this class that people, gold or an import gave, in the order of their ids."""
    rows = session.execute(
        sa.select(*columns(Held, ReviewRow, image_id=LabelRow.image_id))
        .outerjoin(ReviewRow, ReviewRow.id == LabelRow.review_id)
        .where(*_of(project_id, [name]))
        .order_by(LabelRow.image_id)
    )
    return read_all(Held, rows)


def restate(session: Session, project_id: ProjectId, name: str, value: str | None, reason: str, by: Actor) -> None:
    """Append the label that stands for this class now to every image that has it; None: there is none any more.

    It keeps source, review and evidence, and with them what it may be used for; None leaves the evidence out.
    """
    evidence = sa.literal({}, sa.JSON) if value is None else LabelRow.evidence
    fields = ("project_id", "image_id", "value", "source", "review_id", "evidence", "author", "reason", "created_at")
    new = sa.literal(value, sa.String), LabelRow.source, LabelRow.review_id, evidence
    said = sa.literal(by.author), sa.literal(reason), sa.literal(by.now, LabelRow.created_at.type)
    found = sa.select(LabelRow.project_id, LabelRow.image_id, *new, *said).where(*_of(project_id, [name]))
    session.execute(sa.insert(LabelRow).from_select(fields, found.order_by(LabelRow.id)))


def forget_soft_labels(session: Session, project_id: ProjectId) -> None:
    """Soft labels are computed again from the answers."""
    session.execute(sa.delete(SoftLabelRow).where(SoftLabelRow.project_id == project_id))


def disputed(session: Session, project_id: ProjectId) -> list[ImageId]:
    """The images about which people disagree: of two classes that are one now, they agree."""
    rows = sa.select(LabelRow.image_id).where(
        LabelRow.project_id == project_id, LabelRow.value.is_(None), LabelRow.reason == DISPUTED, is_current_label()
    )
    return [ImageId(image) for image in session.scalars(rows.order_by(LabelRow.image_id))]


def count_preselected(session: Session, project_id: ProjectId, names: Collection[str]) -> int:
    """How many open reviews pre-select one of these classes in Label Studio."""
    found = sa.select(sa.func.count()).select_from(PushRow).join(ReviewRow, ReviewRow.id == PushRow.review_id)
    return session.scalar(found.where(ReviewRow.project_id == project_id, is_open(), PushRow.answer.in_(names))) or 0


def standing_certificates(session: Session, project_id: ProjectId) -> list[int]:
    """The certificates that promise something now."""
    ended = sa.exists().where(CertificateEndRow.certificate_id == CertificateRow.id)
    found = sa.select(CertificateRow.id).where(
        CertificateRow.project_id == project_id, CertificateRow.accepted > 0, ~ended
    )
    return list(session.scalars(found.order_by(CertificateRow.id)))


def count_versions(session: Session, project_id: ProjectId) -> int:
    """How many versions were fitted so far."""
    found = sa.select(sa.func.count()).select_from(VersionRow).where(VersionRow.project_id == project_id)
    return session.scalar(found) or 0


def _of(project_id: ProjectId, names: Collection[str]) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        LabelRow.project_id == project_id,
        LabelRow.value.in_(names),
        LabelRow.source != LabelSource.CERTIFICATE.value,
        is_current_label(),
    )
