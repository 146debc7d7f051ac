"""The people who answer: who they are, who is paused, and whose answers are void. All facts are appended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.session import insert_new
from db.tables import AnnotationRow, AnnotatorRow, AnnotatorSwitchRow, ReviewRow, VoidRow
from labeling.errors import NotFound
from labeling.types import Actor, ImageId, ProjectId


@dataclass(frozen=True, slots=True)
class Annotator:
    """One person of a project, and the newest fact about whether they take part: who said so, why, and since when.

    `evidence` is what a rule found; empty where a person decided.
    """

    id: int
    ls_user_id: int
    name: str
    paused: bool
    reason: str
    since: datetime | None
    author: str
    evidence: Mapping[str, Any]


def everyone(session: Session, project_id: ProjectId) -> list[Annotator]:
    """All who ever answered, oldest first."""
    rows = session.execute(_annotators().where(AnnotatorRow.project_id == project_id).order_by(AnnotatorRow.id))
    return [_annotator(row) for row in rows]


def names(session: Session, project_id: ProjectId) -> set[str]:
    """The names of all who ever answered."""
    return set(session.scalars(sa.select(AnnotatorRow.name).where(AnnotatorRow.project_id == project_id)))


def by_id(session: Session, project_id: ProjectId, annotator_id: int) -> Annotator:
    """One of the project's annotators; NotFound if there is none of that number."""
    row = session.execute(
        _annotators().where(AnnotatorRow.project_id == project_id, AnnotatorRow.id == annotator_id)
    ).one_or_none()
    if row is None:
        raise NotFound("This project has no such annotator. The Team page names them with their numbers.")
    return _annotator(row)


def paused(session: Session, project_id: ProjectId) -> set[int]:
    """Our ids of those whose answers do not count now."""
    return {annotator.id for annotator in everyone(session, project_id) if annotator.paused}


def switch(session: Session, annotator_id: int, by: Actor, *, paused: bool, evidence: dict[str, Any]) -> None:
    """Pause somebody, or let them take part again."""
    who = {"author": by.author, "reason": by.reason, "at": by.now}
    session.add(AnnotatorSwitchRow(annotator_id=annotator_id, paused=paused, evidence=evidence, **who))
    session.flush()


def void(session: Session, annotator_id: int, by: Actor) -> int:
    """Make all answers of this person so far void; return how many there were."""
    mine = sa.select(sa.func.max(AnnotationRow.id), sa.func.count()).where(AnnotationRow.annotator_id == annotator_id)
    newest, count = session.execute(mine).one()
    if newest is None:
        return 0
    row = {"annotator_id": annotator_id, "up_to": newest, "author": by.author, "reason": by.reason, "at": by.now}
    return int(count) if insert_new(session, VoidRow, [row]) else 0


def images_of(session: Session, annotator_ids: Sequence[int]) -> list[ImageId]:
    """The images about which these people ever answered."""
    rows = session.scalars(
        sa.select(ReviewRow.image_id)
        .join(AnnotationRow, AnnotationRow.review_id == ReviewRow.id)
        .where(AnnotationRow.annotator_id.in_(annotator_ids))
        .distinct()
    )
    return sorted(ImageId(image) for image in rows)


def _annotators() -> sa.Select[*tuple[Any, ...]]:
    newest = (
        sa.select(sa.func.max(AnnotatorSwitchRow.id))
        .where(AnnotatorSwitchRow.annotator_id == AnnotatorRow.id)
        .correlate(AnnotatorRow)
        .scalar_subquery()
    )
    return sa.select(AnnotatorRow, AnnotatorSwitchRow).outerjoin(AnnotatorSwitchRow, AnnotatorSwitchRow.id == newest)


def _annotator(found: sa.Row[*tuple[Any, ...]]) -> Annotator:
    row, newest = found
    if newest is None:
        return Annotator(row.id, row.ls_user_id, row.name, False, "", None, "", {})
    taken = newest.paused, newest.reason, newest.at, newest.author, newest.evidence
    return Annotator(row.id, row.ls_user_id, row.name, *taken)
