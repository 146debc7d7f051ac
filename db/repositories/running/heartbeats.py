"""When workers were last alive, and what they counted since they started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import read_all
from db.session import insert_new, update
from db.tables import HeartbeatRow


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """When one worker was last alive, with its counters since `started_at`."""

    executor: str
    started_at: datetime
    at: datetime
    counters: dict[str, Any]


def beat(
    session: Session, executor: str, started_at: datetime, now: datetime, counters: Mapping[str, int | float]
) -> None:
    """Note that this worker is alive; one row a worker, overwritten."""
    values = {"started_at": started_at, "at": now, "counters": dict(counters)}
    if not insert_new(session, HeartbeatRow, [{"executor": executor, **values}]):
        update(session, HeartbeatRow, HeartbeatRow.executor == executor, **values)


def newest(session: Session) -> datetime | None:
    """When any worker was last alive; None if none ever was."""
    return session.scalar(sa.select(HeartbeatRow.at).order_by(HeartbeatRow.at.desc()).limit(1))


def everyone(session: Session) -> list[Heartbeat]:
    """All workers that ever ran, by name."""
    return read_all(Heartbeat, session.scalars(sa.select(HeartbeatRow).order_by(HeartbeatRow.executor)))
