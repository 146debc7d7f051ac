"""Planned looks at the random arm: at fixed sizes of the stream, one each, appended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import columns, count, read_all
from db.session import insert_new
from db.tables import LookRow
from labeling.types import ProjectId


@dataclass(frozen=True, slots=True)
class Look:
    """What a look found when the stream had at least `size` answered images, under this strategy."""

    size: int
    images: int
    strategy: str
    found: str
    at: datetime


def add(session: Session, project_id: ProjectId, look: Look, evidence: Mapping[str, Any]) -> bool:
    """Note a look; False where that size was looked at before."""
    row = {"size": look.size, "images": look.images, "strategy": look.strategy, "found": look.found, "at": look.at}
    return insert_new(session, LookRow, [{"project_id": project_id, "evidence": dict(evidence), **row}]) > 0


def everyone(session: Session, project_id: ProjectId) -> list[Look]:
    """All looks, the smallest size first."""
    rows = session.execute(
        sa.select(*columns(Look, LookRow)).where(LookRow.project_id == project_id).order_by(LookRow.size)
    )
    return read_all(Look, rows)


def count_of(session: Session, project_id: ProjectId) -> int:
    """How many looks there were."""
    return count(session, LookRow, LookRow.project_id == project_id)
