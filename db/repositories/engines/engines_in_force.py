"""Which engine revisions are in force in a project, in the order in which they run: the first, then the escalation.

The worker notes a revision here when it has loaded its engine, so that a process that only reads need not load a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from db.rows import read_all, to_row
from db.session import delete
from db.tables import EngineStageRow
from labeling.types import ProjectId


@dataclass(frozen=True, slots=True)
class Stage:
    """One engine in its place: `engine` as the project's file names it; place 0 labels every image."""

    place: int
    engine: str
    revision: str


def in_force(session: Session, project_id: ProjectId) -> list[Stage]:
    """The project's stages in their order; one whose engine could never be loaded is not among them."""
    rows = session.scalars(
        sa.select(EngineStageRow).where(EngineStageRow.project_id == project_id).order_by(EngineStageRow.place)
    )
    return read_all(Stage, rows)


def first_revision(session: Session, project_id: ProjectId) -> str | None:
    """The revision of the first engine; None before it was first loaded."""
    return session.scalar(
        sa.select(EngineStageRow.revision).where(EngineStageRow.project_id == project_id, EngineStageRow.place == 0)
    )


def note(session: Session, project_id: ProjectId, stage: Stage, now: datetime) -> None:
    """Write down which engine has this place; nothing happens if that is known."""
    if stage in in_force(session, project_id):
        return
    session.merge(EngineStageRow(**to_row(stage, project_id=project_id, since=now)))
    session.flush()


def shorten(session: Session, project_id: ProjectId, engines: Sequence[str]) -> None:
    """Forget the places whose engine is no longer the one that the project's file names there."""
    for stage in in_force(session, project_id):
        if stage.place >= len(engines) or engines[stage.place] != stage.engine:
            gone = EngineStageRow.project_id == project_id, EngineStageRow.place == stage.place
            delete(session, EngineStageRow, *gone)


def place_of(project_id: ProjectId, revision: InstrumentedAttribute[str]) -> sa.ColumnElement[int]:
    """The highest place that a revision holds, as an expression; -1 where it holds none."""
    held = sa.select(sa.func.max(EngineStageRow.place)).where(
        EngineStageRow.project_id == project_id, EngineStageRow.revision == revision
    )
    return sa.func.coalesce(held.scalar_subquery(), -1)
