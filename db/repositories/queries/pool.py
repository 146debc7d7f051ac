"""The images that are ready for select, learn and predict: grouped, no bridge, prelabelled by one engine revision."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.tables import GroupRow, ImageRow, PrelabelRow
from labeling.types import ProjectId, Side

__all__ = ["PoolRow", "PoolRows", "count_ready", "count_texts", "read_pool"]


@dataclass(frozen=True, slots=True)
class PoolRow:
    """One ready image; `probs` is empty when the engine gave no probabilities."""

    image_id: int
    group_id: int
    holdout: bool
    content_hash: str
    text: str | None
    probs: list[float]


PoolRows = list[PoolRow]


def read_pool(session: Session, project_id: ProjectId, engine_revision: str) -> PoolRows:
    """Every ready image of both sides of the hold-out, in the order of image ids."""
    rows = session.execute(
        sa.select(
            ImageRow.id,
            GroupRow.id,
            GroupRow.side == Side.HOLDOUT,
            ImageRow.content_hash,
            ImageRow.text,
            PrelabelRow.probs,
        )
        .join(GroupRow, GroupRow.id == ImageRow.group_id)
        .join(PrelabelRow, PrelabelRow.image_id == ImageRow.id)
        .where(*_ready(project_id, engine_revision))
        .order_by(ImageRow.id)
    )
    return [PoolRow(i, g, bool(holdout), h, text, probs) for i, g, holdout, h, text, probs in rows]


def count_texts(session: Session, project_id: ProjectId) -> int:
    """How many of a project's grouped images came with a text."""
    has_text = sa.and_(ImageRow.text.is_not(None), ImageRow.text != "")
    wanted = sa.and_(ImageRow.project_id == project_id, ImageRow.group_id.is_not(None), has_text)
    return session.scalar(sa.select(sa.func.count()).select_from(ImageRow).where(wanted)) or 0


def count_ready(session: Session, project_id: ProjectId, engine_revision: str) -> int:
    """How many rows `read_pool` would give."""
    return (
        session.scalar(
            sa.select(sa.func.count())
            .select_from(ImageRow)
            .join(PrelabelRow, PrelabelRow.image_id == ImageRow.id)
            .where(*_ready(project_id, engine_revision))
        )
        or 0
    )


def _ready(project_id: ProjectId, engine_revision: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        ImageRow.project_id == project_id,
        ImageRow.group_id.is_not(None),
        ImageRow.bridge.is_(False),
        PrelabelRow.revision == engine_revision,
    )
