"""Overlays of reviews: which were drawn, and which one is shown. Append-only; the newest is in force."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.reviews.reviews import is_open
from db.session import insert_new
from db.tables import RegionRow, ReviewRow
from labeling.types import ProjectId, ReviewId


def record(session: Session, review_id: ReviewId, *, answer: str, revision: str, picture: str, now: datetime) -> int:
    """Note an overlay of a review; a second time changes nothing."""
    row = {"review_id": review_id, "answer": answer, "revision": revision, "picture": picture, "at": now}
    return insert_new(session, RegionRow, [row])


def drawn(session: Session, project_id: ProjectId, revision: str) -> dict[ReviewId, str]:
    """For every open review that has an overlay of this model: the answer that it was drawn for."""
    rows = session.execute(
        sa.select(RegionRow.review_id, RegionRow.answer)
        .join(ReviewRow, ReviewRow.id == RegionRow.review_id)
        .where(ReviewRow.project_id == project_id, RegionRow.revision == revision, is_open())
        .order_by(RegionRow.id)
    )
    return {ReviewId(review_id): answer for review_id, answer in rows}


def newest(session: Session, review_id: ReviewId) -> str | None:
    """The overlay that is shown with a review; None: none was drawn, or it is blind."""
    return session.scalar(
        sa.select(RegionRow.picture)
        .join(ReviewRow, ReviewRow.id == RegionRow.review_id)
        .where(RegionRow.review_id == review_id, ReviewRow.blind.is_(False))
        .order_by(RegionRow.id.desc())
        .limit(1)
    )


def wanted(session: Session) -> set[str]:
    """The overlays of reviews that are still open."""
    rows = session.scalars(
        sa.select(RegionRow.picture).join(ReviewRow, ReviewRow.id == RegionRow.review_id).where(is_open())
    )
    return set(rows)
