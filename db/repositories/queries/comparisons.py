"""Planned comparisons at the random arm: at fixed sizes of the stream, one each, appended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import columns, count, read_all
from db.session import insert_new
from db.tables import ComparisonRow
from labeling.types import ProjectId


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison found when the stream had at least `size` answered images, under this strategy."""

    size: int
    images: int
    strategy: str
    found: str
    at: datetime


def add(session: Session, project_id: ProjectId, one: Comparison, evidence: Mapping[str, Any]) -> bool:
    """Note a comparison; False where that size was compared at before."""
    row = {
        "size": one.size,
        "images": one.images,
        "strategy": one.strategy,
        "found": one.found,
        "at": one.at,
    }
    return insert_new(session, ComparisonRow, [{"project_id": project_id, "evidence": dict(evidence), **row}]) > 0


def everyone(session: Session, project_id: ProjectId) -> list[Comparison]:
    """All comparisons, the smallest size first."""
    rows = session.execute(
        sa.select(*columns(Comparison, ComparisonRow))
        .where(ComparisonRow.project_id == project_id)
        .order_by(ComparisonRow.size)
    )
    return read_all(Comparison, rows)


def count_of(session: Session, project_id: ProjectId) -> int:
    """How many comparisons there were."""
    return count(session, ComparisonRow, ComparisonRow.project_id == project_id)
