"""Which prelabel of an image counts: that of the last engine of the escalation that did not abstain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.engines.engines_in_force import place_of
from db.rows import in_parts
from db.tables import PrelabelRow
from labeling.answers import Answer
from labeling.types import ImageId, Outcome, ProjectId


@dataclass(frozen=True, slots=True)
class EngineAnswer:
    """One prelabel: `probs` is empty where there are none, `answer` None where no class was named."""

    engine: str
    revision: str
    probs: list[float]
    answer: str | None
    reason: str


def of_images(session: Session, project_id: ProjectId, image_ids: Sequence[ImageId]) -> dict[ImageId, EngineAnswer]:
    """The answer of the engine that comes last in the escalation and did not abstain, with its reason."""
    found: dict[ImageId, EngineAnswer] = {}
    for some in in_parts(image_ids):
        rows = session.scalars(
            sa.select(PrelabelRow)
            .where(PrelabelRow.image_id.in_(some), PrelabelRow.outcome != Outcome.ABSTAINED.value)
            .order_by(place_of(project_id, PrelabelRow.revision), PrelabelRow.id)
        )
        for row in rows:
            answer = Answer.named(Outcome(row.outcome), row.answer).single
            if row.probs or answer:
                reason = str((row.evidence or {}).get("reason", ""))
                found[ImageId(row.image_id)] = EngineAnswer(row.engine, row.revision, row.probs, answer, reason)
    return found
