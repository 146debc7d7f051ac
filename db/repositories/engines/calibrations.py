"""The calibration terms of each engine revision, in numbered rows: the newest is in force, older ones stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import read_all, to_row
from db.session import insert_new
from db.tables import CalibrationRow
from labeling.types import ProjectId


@dataclass(frozen=True, slots=True)
class Calibration:
    """One fit: on how many labels, and its terms as `labeling.prelabel.calibration` reads them."""

    engine: str
    revision: str
    number: int
    labels: int
    terms: dict[str, Any]
    created_at: datetime


def newest(session: Session, project_id: ProjectId, revision: str) -> Calibration | None:
    """The terms in force for a revision; None: it is not calibrated."""
    found = _rows(session, CalibrationRow.project_id == project_id, CalibrationRow.revision == revision)
    return found[-1] if found else None


def everyone(session: Session, project_id: ProjectId) -> dict[str, Calibration]:
    """The terms in force, by revision."""
    return {found.revision: found for found in _rows(session, CalibrationRow.project_id == project_id)}


def add(
    session: Session,
    project_id: ProjectId,
    engine: str,
    revision: str,
    labels: int,
    terms: Mapping[str, Any],
    now: datetime,
) -> int:
    """Append terms under the revision's next number, and return it; 0 where another worker took that number."""
    last = newest(session, project_id, revision)
    number = 1 if last is None else last.number + 1
    made = Calibration(engine, revision, number, labels, dict(terms), now)
    return number if insert_new(session, CalibrationRow, [to_row(made, project_id=project_id)]) else 0


def _rows(session: Session, *where: sa.ColumnElement[bool]) -> list[Calibration]:
    rows = session.scalars(sa.select(CalibrationRow).where(*where).order_by(CalibrationRow.number))
    return read_all(Calibration, rows)
