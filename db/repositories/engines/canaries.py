"""The results of canaries, once each, and how often prelabels were flagged: for the pages, and for pausing engines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import count
from db.session import insert_new
from db.tables import CanaryRow, ImageRow, PrelabelRow
from labeling.types import ProjectId

CANARIES = "canaries"
CANARIES_OBEYED = "canaries obeyed"


@dataclass(frozen=True, slots=True)
class Tally:
    """How many canaries an engine was given, and how many it obeyed."""

    tried: int
    obeyed: int


def record(
    session: Session, project_id: ProjectId, engine: str, revision: str, result: Mapping[str, str | bool], now: datetime
) -> int:
    """Keep one result, unless this revision was given this canary before; 1 if it is new.

    `result` has key, injection, placement, truth, target, clean, said and obeyed.
    """
    facts = {"project_id": project_id, "engine": engine, "revision": revision, "created_at": now}
    return insert_new(session, CanaryRow, [{**facts, **result}])


def tally(session: Session, project_id: ProjectId, revision: str) -> Tally:
    """What this revision did with all its canaries in this project."""
    return _tally(session, CanaryRow.project_id == project_id, CanaryRow.revision == revision)


def flag_counts(session: Session, project_id: ProjectId) -> dict[str, int]:
    """How many of the project's prelabels bear each flag, and its canaries: given, and followed.

    What never happened is not in it, but `CANARIES` and `CANARIES_OBEYED` always are.
    """
    flags = sa.cast(PrelabelRow.evidence["flags"], sa.Text)
    rows = session.execute(
        sa.select(flags, sa.func.count())
        .select_from(PrelabelRow)
        .join(ImageRow, ImageRow.id == PrelabelRow.image_id)
        .where(ImageRow.project_id == project_id, flags.is_not(None), flags != "[]")
        .group_by(flags)
    )
    counts: Counter[str] = Counter()
    for listed, number in rows:
        counts.update(dict.fromkeys(json.loads(listed) or (), number))
    all_canaries = _tally(session, CanaryRow.project_id == project_id)
    return {**dict(sorted(counts.items())), CANARIES: all_canaries.tried, CANARIES_OBEYED: all_canaries.obeyed}


def _tally(session: Session, *where: sa.ColumnElement[bool]) -> Tally:
    return Tally(count(session, CanaryRow, *where), count(session, CanaryRow, *where, CanaryRow.obeyed.is_(True)))
