"""What queries were drawn from, kept with them when they are written, and read to draw them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import columns, read, read_all
from db.session import insert_new
from db.tables import QueryBasisRow, QueryRow, ReviewRow
from labeling.errors import NotFound
from labeling.types import ImageId, ProjectId, QueryId, ReviewKind, VersionId


@dataclass(frozen=True, slots=True)
class Kept:
    """A query with what it was drawn from; both are None where that was not kept."""

    id: QueryId
    number: int
    strategy: str
    seed: int
    version_id: VersionId | None
    created_at: datetime
    terms: Mapping[str, Any] | None
    content: bytes | None


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of a query, as it was chosen."""

    image_id: ImageId
    kind: ReviewKind
    blind: bool
    place: float


def keep(session: Session, query_id: QueryId, terms: Mapping[str, Any], content: bytes) -> None:
    """Keep what a query was drawn from."""
    insert_new(session, QueryBasisRow, [{"query_id": query_id, "terms": dict(terms), "content": content}])


def of_query(session: Session, project_id: ProjectId, number: int) -> Kept:
    """The query of this number; NotFound if the project has none."""
    found = session.execute(
        sa.select(*columns(Kept, QueryRow, QueryBasisRow))
        .outerjoin(QueryBasisRow, QueryBasisRow.query_id == QueryRow.id)
        .where(QueryRow.project_id == project_id, QueryRow.number == number)
    ).first()
    if found is None:
        last = session.scalar(sa.select(sa.func.max(QueryRow.number)).where(QueryRow.project_id == project_id))
        raise NotFound(f"There is no query {number}: {f'the newest is {last}' if last else 'there is none yet'}.")
    return read(Kept, found)


def numbers(session: Session, project_id: ProjectId) -> list[int]:
    """The numbers of the queries that can be drawn again, the oldest first."""
    rows = sa.select(QueryRow.number).join(QueryBasisRow, QueryBasisRow.query_id == QueryRow.id)
    return list(session.scalars(rows.where(QueryRow.project_id == project_id).order_by(QueryRow.number)))


def newest(session: Session, project_id: ProjectId, limit: int) -> list[tuple[int, bytes]]:
    """The newest queries of which it was kept, as number and content, the newest first."""
    rows = session.execute(
        sa.select(QueryRow.number, QueryBasisRow.content)
        .join(QueryBasisRow, QueryBasisRow.query_id == QueryRow.id)
        .where(QueryRow.project_id == project_id)
        .order_by(QueryRow.id.desc())
        .limit(limit)
    )
    return [(number, content) for number, content in rows]


def asked_in(session: Session, query_id: QueryId) -> list[Asked]:
    """What the query asks, without the images that were deleted since, in the order in which it was written."""
    rows = session.execute(
        sa.select(*columns(Asked, ReviewRow)).where(ReviewRow.query_id == query_id).order_by(ReviewRow.id)
    )
    return read_all(Asked, rows)


def queries_that_asked(session: Session, project_id: ProjectId, image_id: ImageId) -> set[int]:
    """The numbers of the queries that asked about an image."""
    rows = sa.select(QueryRow.number).join(ReviewRow, ReviewRow.query_id == QueryRow.id)
    return set(session.scalars(rows.where(ReviewRow.project_id == project_id, ReviewRow.image_id == image_id)))
