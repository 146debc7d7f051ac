"""The inbox: webhook events waiting to be handled. An event is a hint; only ids are kept of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.session import insert_new, update
from db.tables import InboxRow, ProjectRow
from labeling.types import ProjectId


@dataclass(frozen=True, slots=True)
class Event:
    """One event on its way to the inbox; the same event always has the same key."""

    key: str
    project_id: int
    action: str
    hint: Mapping[str, list[int]]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Hint:
    """An event that is not handled yet."""

    id: int
    action: str
    tasks: tuple[int, ...]
    annotations: tuple[int, ...]


def add(session: Session, events: Sequence[Event]) -> set[ProjectId]:
    """Keep events that are not there yet; return the projects that got one."""
    there = set(session.scalars(sa.select(InboxRow.spool_key).where(InboxRow.spool_key.in_([e.key for e in events]))))
    new = [event for event in events if event.key not in there]
    insert_new(session, InboxRow, [_row(event) for event in new])
    return {ProjectId(event.project_id) for event in new}


def known_projects(session: Session, project_ids: Collection[int]) -> set[int]:
    """Which of these projects exist."""
    return set(session.scalars(sa.select(ProjectRow.id).where(ProjectRow.id.in_(project_ids))))


def unhandled(session: Session, project_id: ProjectId, limit: int = 1_000) -> list[Hint]:
    """The oldest hints of a project that are not handled."""
    rows = session.scalars(
        sa.select(InboxRow)
        .where(InboxRow.project_id == project_id, InboxRow.handled_at.is_(None))
        .order_by(InboxRow.id)
        .limit(limit)
    )
    return [
        Hint(row.id, row.action, tuple(row.hint.get("tasks", ())), tuple(row.hint.get("annotations", ())))
        for row in rows
    ]


def projects_with_unhandled(session: Session) -> list[ProjectId]:
    """The projects that have hints waiting; the sweep asks for their review job again."""
    rows = session.scalars(
        sa.select(InboxRow.project_id).where(InboxRow.handled_at.is_(None)).distinct().order_by(InboxRow.project_id)
    )
    return [ProjectId(row) for row in rows]


def handled(session: Session, hint_ids: Sequence[int], now: datetime) -> int:
    """Note that these hints were handled."""
    return update(session, InboxRow, InboxRow.id.in_(hint_ids), InboxRow.handled_at.is_(None), handled_at=now)


def _row(event: Event) -> dict[str, Any]:
    what = {"project_id": event.project_id, "action": event.action, "hint": dict(event.hint)}
    return {"spool_key": event.key, **what, "received_at": event.received_at, "handled_at": None}
