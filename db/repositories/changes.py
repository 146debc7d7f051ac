"""What the look for drift reads: when images came, and which of them two revisions of an engine both looked at."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.tables import ImageRow, PrelabelRow
from labeling.types import ProjectId

__all__ = ["arrived_since", "earlier_revision", "group_arrivals", "looked_at_by_both"]


def group_arrivals(session: Session, project_id: ProjectId) -> dict[int, datetime]:
    """When each near-duplicate group's first image was fetched."""
    rows = session.execute(
        sa.select(ImageRow.group_id, sa.func.min(ImageRow.fetched_at))
        .where(ImageRow.project_id == project_id, ImageRow.group_id.is_not(None))
        .group_by(ImageRow.group_id)
    )
    return {group: first for group, first in rows if group is not None}


def arrived_since(session: Session, project_id: ProjectId, since: datetime) -> int:
    """How many groups have come whose first image was fetched after this."""
    arrivals = (
        sa.select(ImageRow.group_id)
        .where(ImageRow.project_id == project_id, ImageRow.group_id.is_not(None))
        .group_by(ImageRow.group_id)
        .having(sa.func.min(ImageRow.fetched_at) > since)
        .subquery()
    )
    return session.scalar(sa.select(sa.func.count()).select_from(arrivals)) or 0


def earlier_revision(session: Session, project_id: ProjectId, revision: str) -> str | None:
    """The other engine revision that looked at the project's images last."""
    engine = sa.select(PrelabelRow.engine).where(PrelabelRow.revision == revision).limit(1).scalar_subquery()
    return session.scalar(
        sa.select(PrelabelRow.revision)
        .join(ImageRow, ImageRow.id == PrelabelRow.image_id)
        .where(ImageRow.project_id == project_id, PrelabelRow.revision != revision, PrelabelRow.engine == engine)
        .order_by(PrelabelRow.id.desc())
        .limit(1)
    )


def looked_at_by_both(session: Session, project_id: ProjectId, one: str, other: str, limit: int) -> list[int]:
    """Images that both engine revisions looked at, in the order of content hashes: the same ones each time."""
    looked = [
        sa.exists().where(PrelabelRow.image_id == ImageRow.id, PrelabelRow.revision == revision)
        for revision in (one, other)
    ]
    query = sa.select(ImageRow.id).where(ImageRow.project_id == project_id, *looked)
    return list(session.scalars(query.order_by(ImageRow.content_hash).limit(limit)))
