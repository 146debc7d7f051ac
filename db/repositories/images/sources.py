"""Sources: the folders, addresses and manifests that a project reads on a schedule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.deletions.deletions import being_deleted
from db.rows import read, read_all
from db.session import insert_new, update
from db.tables import SourceRow
from labeling.types import DeletionKind, ProjectId, SourceId


@dataclass(frozen=True, slots=True)
class Source:
    """A source and when it was last read."""

    id: SourceId
    address: str
    looked_at: datetime | None


def add(session: Session, project_id: ProjectId, address: str, now: datetime) -> Source:
    """Add a source, or find it again: an address is one source of a project."""
    insert_new(session, SourceRow, [{"project_id": project_id, "address": address, "created_at": now}])
    row = session.scalars(
        sa.select(SourceRow).where(SourceRow.project_id == project_id, SourceRow.address == address)
    ).one()
    return read(Source, row)


def due(session: Session, project_id: ProjectId, before: datetime, now: datetime) -> list[Source]:
    """The sources that were not read since `before`, oldest first. One read after `now`, by another clock, is due."""
    rows = session.scalars(
        sa.select(SourceRow)
        .where(SourceRow.project_id == project_id, ~being_deleted(DeletionKind.SOURCE, SourceRow.__table__.c.id))
        .where(sa.or_(SourceRow.looked_at.is_(None), SourceRow.looked_at <= before, SourceRow.looked_at > now))
        .order_by(SourceRow.id)
    )
    return read_all(Source, rows)


def note_read(session: Session, source_id: SourceId, now: datetime) -> None:
    """Note when a source was read, so that it is due again only later."""
    update(session, SourceRow, SourceRow.id == source_id, looked_at=now)
