"""What leads decided about images: appended; the newest of an image counts, and one without a value takes it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.label_names import names_by_image
from db.rows import read_all
from db.tables import DecisionRow
from labeling.label_sets.changes import name_now
from labeling.types import Actor, ImageId, ProjectId

CORRECTION, ADJUDICATION = "correction", "adjudication"


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision as stored; `value` None takes the one before back."""

    id: int
    image_id: ImageId
    value: str | None
    kind: str
    author: str
    reason: str
    at: datetime


def add(session: Session, project_id: ProjectId, values: Mapping[ImageId, str | None], kind: str, by: Actor) -> int:
    """Append decisions; return how many."""
    what = {"project_id": project_id, "kind": kind, "author": by.author, "reason": by.reason, "at": by.now}
    session.add_all(DecisionRow(image_id=image, value=value, **what) for image, value in values.items())
    session.flush()
    return len(values)


def in_force(session: Session, image_ids: Sequence[ImageId]) -> dict[ImageId, Decision]:
    """The newest decision of each image, unless it takes the one before back, in the label set in force.

    One for a class that was split since decides nothing.
    """
    newest = sa.select(sa.func.max(DecisionRow.id)).where(DecisionRow.image_id.in_(image_ids))
    of_each = DecisionRow.id.in_(newest.group_by(DecisionRow.image_id))
    rows = session.scalars(sa.select(DecisionRow).where(of_each, DecisionRow.value.is_not(None)))
    found = {decision.image_id: decision for decision in read_all(Decision, rows)}
    names = names_by_image(session, found.keys())
    now = {image: name_now(one.value or "", names.get(image, {})) for image, one in found.items()}
    return {image: replace(one, value=now[image]) for image, one in found.items() if now[image] is not None}
