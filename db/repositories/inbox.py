"""The inbox: webhook events drained from the spool, each once, until the step that reads Label Studio has seen them.

In: events by their spool key. Out: what no step has handled yet. An event that is recorded again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.session import insert_new
from db.tables import InboxRow, ProjectRow
from labeling.types import ProjectId

__all__ = ["Arrival", "InboxEvent", "known_projects", "mark_handled", "projects_with_unhandled", "record", "unhandled"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event as it leaves the spool; empty ids mean that only the change itself is known."""

    spool_key: str
    action: str
    task_ids: tuple[int, ...]
    annotation_ids: tuple[int, ...]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """One event as it stands in the inbox."""

    id: int
    action: str
    task_ids: tuple[int, ...]
    annotation_ids: tuple[int, ...]
    received_at: datetime


def record(session: Session, project_id: ProjectId, arrivals: Sequence[Arrival]) -> int:
    """Add the events that are not there yet; returns how many those were."""
    rows = [
        {
            "spool_key": arrival.spool_key,
            "project_id": project_id,
            "action": arrival.action,
            "hint": {"task_ids": list(arrival.task_ids), "annotation_ids": list(arrival.annotation_ids)},
            "received_at": arrival.received_at,
        }
        for arrival in arrivals
    ]
    return insert_new(session, InboxRow, rows)


def known_projects(session: Session, project_ids: Sequence[ProjectId]) -> set[ProjectId]:
    """Which of these projects there are."""
    found = session.scalars(sa.select(ProjectRow.id).where(ProjectRow.id.in_(project_ids)))
    return {ProjectId(project_id) for project_id in found}


def projects_with_unhandled(session: Session) -> list[ProjectId]:
    """The projects that have an event which no step has handled."""
    found = session.scalars(
        sa.select(InboxRow.project_id).where(InboxRow.handled_at.is_(None)).distinct().order_by(InboxRow.project_id)
    )
    return [ProjectId(project_id) for project_id in found]


def unhandled(session: Session, project_id: ProjectId, limit: int) -> list[InboxEvent]:
    """A project's events that no step has handled, oldest first."""
    rows = session.scalars(
        sa.select(InboxRow)
        .where(InboxRow.project_id == project_id, InboxRow.handled_at.is_(None))
        .order_by(InboxRow.id)
        .limit(limit)
    )
    return [
        InboxEvent(
            id=row.id,
            action=row.action,
            task_ids=tuple(row.hint["task_ids"]),
            annotation_ids=tuple(row.hint["annotation_ids"]),
            received_at=row.received_at,
        )
        for row in rows
    ]


def mark_handled(session: Session, ids: Sequence[int], now: datetime) -> int:
    """Note that what these events point at has been read again; returns how many were not handled before."""
    handled = sa.update(InboxRow).where(InboxRow.id.in_(ids), InboxRow.handled_at.is_(None)).values(handled_at=now)
    return session.connection().execute(handled).rowcount
