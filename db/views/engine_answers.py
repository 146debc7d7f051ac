"""What the engines said of an image, with the reason of the one that speaks for them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.engines.engines_in_force import place_of
from db.tables import PrelabelRow
from labeling.answers import Answer
from labeling.types import ImageId, Outcome, ProjectId

__all__ = ["Opinion", "of_images"]

KEYS_A_STATEMENT = 500


@dataclass(frozen=True, slots=True)
class Opinion:
    """One engine's: `probs` is empty where it gave none, `answer` None where it named nothing."""

    engine: str
    revision: str
    probs: list[float]
    answer: str | None
    reason: str


def of_images(session: Session, project_id: ProjectId, image_ids: Sequence[ImageId]) -> dict[ImageId, Opinion]:
    """The opinion of the engine that comes last in the escalation; one that abstained leaves it to those before."""
    found: dict[ImageId, Opinion] = {}
    for start in range(0, len(image_ids), KEYS_A_STATEMENT):
        rows = session.execute(
            sa.select(
                PrelabelRow.image_id,
                PrelabelRow.engine,
                PrelabelRow.revision,
                PrelabelRow.probs,
                PrelabelRow.answer,
                PrelabelRow.outcome,
                PrelabelRow.evidence,
            )
            .where(
                PrelabelRow.image_id.in_(image_ids[start : start + KEYS_A_STATEMENT]),
                PrelabelRow.outcome != Outcome.ABSTAINED.value,
            )
            .order_by(place_of(project_id, PrelabelRow.revision), PrelabelRow.id)
        )
        for image, engine, revision, probs, answer, outcome, evidence in rows:
            said = Answer.named(Outcome(outcome), answer).single
            if probs or said:
                found[ImageId(image)] = Opinion(engine, revision, probs, said, str((evidence or {}).get("reason", "")))
    return found
