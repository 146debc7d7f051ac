"""What queries were drawn from: kept beside them, so that each can be drawn again."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base, ref

__all__ = ["QueryBasisRow"]


class QueryBasisRow(Base):
    """What a query was drawn from: `terms` by name, and the numbers of its images in `content`, compressed.

    `labeling.basis` packs and unpacks `content`. A query that was not drawn (tasks that were taken over, labels that
    are asked again), or that an older hardcase drew, has none.
    """

    __tablename__ = "query_basis"
    query_id: Mapped[int] = mapped_column(ref("query.id"), primary_key=True)
    terms: Mapped[dict[str, Any]]
    content: Mapped[bytes] = mapped_column(sa.LargeBinary)
