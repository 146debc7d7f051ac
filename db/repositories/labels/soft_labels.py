"""Soft labels: what a consensus makes of an image, as probabilities. A cache, made again from answers.

Also what a consensus reads beside people's answers: what an engine said that has seen no label, and what the version
believed that asked about an image.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import in_parts, newest, read_all, to_row
from db.session import insert_new
from db.tables import AnnotationRow, ImageRow, PredictionRow, PrelabelRow, ReviewRow, SeenRow, SoftLabelRow, VoidRow
from labeling.answers import Answer
from labeling.types import ImageId, Outcome, ProjectId

__all__ = [
    "EngineVoice",
    "SoftLabel",
    "believed_when_asked",
    "count_answers",
    "engine_voices",
    "fingerprint",
    "keep",
    "of",
]


@dataclass(frozen=True, slots=True)
class SoftLabel:
    """One image's; `annotations` are the answers that it rests on, and `probs` sums to 1 over what got a share."""

    image_id: ImageId
    method: str
    value: str | None
    confidence: float
    probs: dict[str, float]
    annotations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EngineVoice:
    """What an engine said of an image: what it `named`, or probabilities (K,), or both."""

    image_id: ImageId
    named: Answer
    probs: tuple[float, ...]


def of(session: Session, image_ids: Collection[ImageId]) -> dict[ImageId, SoftLabel]:
    """The soft labels of these images, where there are any."""
    found: dict[ImageId, SoftLabel] = {}
    for some in in_parts(image_ids):
        rows = session.scalars(sa.select(SoftLabelRow).where(SoftLabelRow.image_id.in_(some)))
        found |= {soft.image_id: soft for soft in read_all(SoftLabel, rows)}
    return found


def keep(
    session: Session, project_id: ProjectId, soft: Sequence[SoftLabel], gone: Collection[ImageId], now: datetime
) -> int:
    """Put these in the place of what there was, and forget those of the images in `gone`; return how many were put."""
    for some in in_parts([*(one.image_id for one in soft), *gone]):
        session.execute(sa.delete(SoftLabelRow).where(SoftLabelRow.image_id.in_(some)))
    return insert_new(session, SoftLabelRow, [to_row(one, project_id=project_id, computed_at=now) for one in soft])


def fingerprint(session: Session, project_id: ProjectId, revision: str | None) -> str:
    """A short text that changes with every answer, and every word of this engine revision, of a project."""
    of_review, of_image = ReviewRow.project_id == project_id, ImageRow.project_id == project_id
    views = sa.select(sa.func.count()).select_from(SeenRow).join(ReviewRow, ReviewRow.id == SeenRow.review_id)
    by_engine = PrelabelRow.revision == (revision or "")
    parts = [
        newest(AnnotationRow.id, sa.exists().where(AnnotationRow.review_id == ReviewRow.id, of_review)),
        newest(VoidRow.id),
        views.where(of_review),
        newest(PrelabelRow.id, by_engine, sa.exists().where(ImageRow.id == PrelabelRow.image_id, of_image)),
    ]
    row = session.execute(sa.select(*(part.scalar_subquery() for part in parts))).one()
    return "-".join(str(value or 0) for value in row)


def count_answers(session: Session, project_id: ProjectId) -> int:
    """How many versions of answers a project has."""
    statement = sa.select(sa.func.count(AnnotationRow.id)).join(ReviewRow, ReviewRow.id == AnnotationRow.review_id)
    return session.scalar(statement.where(ReviewRow.project_id == project_id)) or 0


def engine_voices(session: Session, revision: str, image_ids: Collection[ImageId]) -> list[EngineVoice]:
    """What this engine revision said of these images without having been shown an example; it may have abstained."""
    found: list[EngineVoice] = []
    for some in in_parts(image_ids):
        rows = session.scalars(
            sa.select(PrelabelRow).where(PrelabelRow.revision == revision, PrelabelRow.image_id.in_(some))
        )
        found += [
            EngineVoice(ImageId(row.image_id), Answer.named(Outcome(row.outcome), row.answer), tuple(row.probs))
            for row in rows
            if row.outcome != Outcome.ABSTAINED.value and not row.evidence.get("examples")
        ]
    return found


def believed_when_asked(session: Session, image_ids: Collection[ImageId]) -> dict[ImageId, list[float]]:
    """The probabilities of the version that first asked about each image: fitted before the image had an answer."""
    found: dict[ImageId, list[float]] = {}
    for some in in_parts(image_ids):
        rows = session.execute(
            sa.select(PredictionRow.image_id, PredictionRow.probs)
            .where(PredictionRow.image_id.in_(some), PredictionRow.asked_in.is_not(None))
            .order_by(PredictionRow.asked_in.desc())
        )
        found |= {ImageId(image): probs for image, probs in rows}
    return found
