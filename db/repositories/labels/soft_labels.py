"""Soft labels: the consensus of an image as probabilities. A cache, computed again from answers.

Also what a consensus reads beside people's answers: the answer of an engine that was shown no label, and the prediction
of the version that first chose the image.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import columns, fingerprint_of, in_parts, newest, newest_of, read_all, rows_of, to_row
from db.session import delete, insert_new
from db.tables import AnnotationRow, ImageRow, PredictionRow, PrelabelRow, ReviewRow, SoftLabelRow, ViewRow, VoidRow
from labeling.answers import Answer
from labeling.types import ImageId, Outcome, ProjectId, VersionId


@dataclass(frozen=True, slots=True)
class SoftLabel:
    """That of one image, computed from the answers `annotations`; `probs` sums to 1 over all answers with a share."""

    image_id: ImageId
    method: str
    value: str | None
    confidence: float
    probs: dict[str, float]
    annotations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EnginePrediction:
    """What an engine said of an image: what it `named`, or probabilities (K,), or both."""

    image_id: ImageId
    named: Answer
    probs: tuple[float, ...]


def of(session: Session, image_ids: Collection[ImageId]) -> dict[ImageId, SoftLabel]:
    """The soft labels of these images, where there are any."""
    rows = rows_of(session, sa.select(*columns(SoftLabel, SoftLabelRow)), SoftLabelRow.image_id, image_ids)
    return {soft.image_id: soft for soft in read_all(SoftLabel, rows)}


def keep(
    session: Session, project_id: ProjectId, soft: Sequence[SoftLabel], gone: Collection[ImageId], now: datetime
) -> int:
    """Replace the soft labels of these images, and delete those of the images in `gone`; return how many were kept."""
    for some in in_parts([*(one.image_id for one in soft), *gone]):
        delete(session, SoftLabelRow, SoftLabelRow.image_id.in_(some))
    return insert_new(session, SoftLabelRow, [to_row(one, project_id=project_id, computed_at=now) for one in soft])


def fingerprint(session: Session, project_id: ProjectId, revision: str | None) -> str:
    """A short text that changes with every answer of a project, and every prelabel of this engine revision."""
    viewed = sa.select(sa.func.count()).select_from(ViewRow).join(ReviewRow, ReviewRow.id == ViewRow.review_id)
    of_image = sa.and_(ImageRow.id == PrelabelRow.image_id, PrelabelRow.revision == (revision or ""))
    return fingerprint_of(
        session,
        newest_of(AnnotationRow.id, ReviewRow, AnnotationRow.review_id == ReviewRow.id, project_id),
        newest(VoidRow.id),
        viewed.where(ReviewRow.project_id == project_id),
        newest_of(PrelabelRow.id, ImageRow, of_image, project_id),
    )


def count_answers(session: Session, project_id: ProjectId) -> int:
    """How many versions of answers a project has."""
    answers = sa.select(sa.func.count(AnnotationRow.id)).join(ReviewRow, ReviewRow.id == AnnotationRow.review_id)
    return session.scalar(answers.where(ReviewRow.project_id == project_id)) or 0


def engine_predictions(session: Session, revision: str, image_ids: Collection[ImageId]) -> list[EnginePrediction]:
    """What this engine revision said of these images without having been shown an example; it may have abstained."""
    fields = PrelabelRow.image_id, PrelabelRow.outcome, PrelabelRow.answer, PrelabelRow.probs, PrelabelRow.evidence
    said = sa.select(*fields).where(PrelabelRow.revision == revision, PrelabelRow.outcome != Outcome.ABSTAINED.value)
    return [
        EnginePrediction(ImageId(image), Answer.named(Outcome(outcome), answer), tuple(probs))
        for image, outcome, answer, probs, evidence in rows_of(session, said, PrelabelRow.image_id, image_ids)
        if not evidence.get("examples")
    ]


def predictions_when_asked(
    session: Session, image_ids: Collection[ImageId]
) -> dict[ImageId, tuple[VersionId, list[float]]]:
    """The version that first asked about each image, fitted before the image had an answer, and its probabilities."""
    fields = PredictionRow.image_id, PredictionRow.version_id, PredictionRow.probs
    first_last = sa.select(*fields).where(PredictionRow.asked_in.is_not(None)).order_by(PredictionRow.asked_in.desc())
    rows = rows_of(session, first_last, PredictionRow.image_id, image_ids)
    return {ImageId(image): (VersionId(version), probs) for image, version, probs in rows}
