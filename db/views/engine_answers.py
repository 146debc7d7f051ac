"""The current prediction for an image: by the last engine of the escalation that answered, or by the champion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.engines.engines_in_force import place_of
from db.repositories.reviews.reviews import is_open
from db.rows import in_parts
from db.tables import PredictionRow, PrelabelRow, ReviewRow
from labeling.answers import Answer
from labeling.types import ImageId, Outcome, ProjectId, VersionId


@dataclass(frozen=True, slots=True)
class Opinion:
    """One prediction: `probs` is empty where there are none, `answer` None where no class was named.

    `engine` and `revision` are empty where the champion predicts.
    """

    engine: str
    revision: str
    probs: list[float]
    answer: str | None
    reason: str


def of_images(session: Session, project_id: ProjectId, image_ids: Sequence[ImageId]) -> dict[ImageId, Opinion]:
    """The answer of the engine that comes last in the escalation and did not abstain, with its reason."""
    found: dict[ImageId, Opinion] = {}
    for some in in_parts(image_ids):
        found |= _last_answers(session, project_id, some)
    return found


def of_open_reviews(session: Session, project_id: ProjectId, version_id: VersionId | None) -> dict[ImageId, Opinion]:
    """What is predicted of each open review's image: by this version where it has evidence, else by the engines."""
    images = sa.select(ReviewRow.image_id).where(ReviewRow.project_id == project_id, is_open())
    found = _last_answers(session, project_id, images)
    if version_id is None:
        return found
    evidence = sa.select(PredictionRow.image_id, PredictionRow.probs).where(
        PredictionRow.image_id.in_(images), PredictionRow.version_id == version_id
    )
    return found | {ImageId(image): Opinion("", "", probs, None, "") for image, probs in session.execute(evidence)}


def _last_answers(session: Session, project_id: ProjectId, images: Any) -> dict[ImageId, Opinion]:
    rows = session.scalars(
        sa.select(PrelabelRow)
        .where(PrelabelRow.image_id.in_(images), PrelabelRow.outcome != Outcome.ABSTAINED.value)
        .order_by(place_of(project_id, PrelabelRow.revision), PrelabelRow.id)
    )
    found: dict[ImageId, Opinion] = {}
    for row in rows:
        answer = Answer.named(Outcome(row.outcome), row.answer).single
        if row.probs or answer:
            reason = str((row.evidence or {}).get("reason", ""))
            found[ImageId(row.image_id)] = Opinion(row.engine, row.revision, row.probs, answer, reason)
    return found
