"""What was deleted: the facts that stay, what must still be removed elsewhere, and what may not come back.

No content is in these tables: numbers, hashes with the project's salt, and what the person who deleted wrote as reason.
They point at no project, for they stay when it goes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base, ref

__all__ = ["DeletionRow", "LeftoverRow", "TombstoneRow", "WithdrawalRow"]


class DeletionRow(Base):
    """The fact that somebody had something deleted: what (its kind and number), when, who and why.

    It is open until nothing of it is left anywhere. `counts` says how much that was; `notes` what could not be removed.
    """

    __tablename__ = "deletion"
    __table_args__ = (sa.Index("ix_deletion_project_id_ended_at", "project_id", "ended_at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int]
    kind: Mapped[str]
    subject: Mapped[int]
    author: Mapped[str]
    reason: Mapped[str]
    counts: Mapped[dict[str, Any]]
    notes: Mapped[list[str]]
    asked_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class LeftoverRow(Base):
    """What of a deletion must still be removed outside of our tables; the row goes with it.

    Written in the transaction that removes the rows, so whatever is killed or away, nothing is forgotten.
    """

    __tablename__ = "leftover"
    __table_args__ = (sa.UniqueConstraint("deletion_id", "kind", "what"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    deletion_id: Mapped[int] = mapped_column(ref("deletion.id"))
    kind: Mapped[str]
    what: Mapped[str]


class TombstoneRow(Base):
    """The fact that what has this mark was deleted and does not come in again: a hash of a reference, or of a content.

    The hash is made with the project's salt, so it is recognised there and tells nothing elsewhere.
    """

    __tablename__ = "tombstone"
    project_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    mark: Mapped[str] = mapped_column(primary_key=True)
    deletion_id: Mapped[int] = mapped_column(ref("deletion.id"), index=True)


class WithdrawalRow(Base):
    """The fact that so many labels of a snapshot were withdrawn by a deletion; `hash` is that of what is left.

    The newest row says what the snapshot's file is now; the snapshot's own row keeps the hash of what it was.
    """

    __tablename__ = "withdrawal"
    __table_args__ = (sa.UniqueConstraint("snapshot_id", "deletion_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    snapshot_id: Mapped[int] = mapped_column(ref("snapshot.id"))
    deletion_id: Mapped[int] = mapped_column(ref("deletion.id"))
    labels: Mapped[int]
    hash: Mapped[str]
    at: Mapped[datetime]
