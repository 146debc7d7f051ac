"""What was deleted and does not come in again: marks of references and of contents, made with the project's salt.

In: references, or the hash of a picture's bytes. Out: which deletion each of them belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import rows_of
from db.session import delete, insert_new
from db.tables import DeletionRow, ProjectRow, TombstoneRow
from labeling.types import ProjectId

REFERENCE, CONTENT = "reference", "content"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Which deletion something belongs to, and when that was."""

    deletion_id: int
    at: datetime

    @property
    def words(self) -> str:
        """For whoever brings it in again."""
        return (
            f"It was deleted on {self.at:%Y-%m-%d} (deletion {self.deletion_id}) and does not come back by itself. "
            f"`hardcase delete lift PROJECT {self.deletion_id}` lets in again what that deletion removed."
        )


def mark(salt: str, kind: str, text: str) -> str:
    """What something is recognised by in its project, and nowhere else.

    >>> mark("salt", REFERENCE, "a.jpg") == mark("salt", CONTENT, "a.jpg")
    False
    """
    return sha256(f"{salt}:deleted {kind}:{text}".encode()).hexdigest()


def add(session: Session, project_id: ProjectId, deletion_id: int, kind: str, texts: Iterable[str]) -> int:
    """Mark these; what was marked by an earlier deletion stays its."""
    salt = _salt(session, project_id)
    marks = dict.fromkeys(mark(salt, kind, text) for text in texts)
    rows = [{"project_id": project_id, "mark": one, "deletion_id": deletion_id} for one in marks]
    return insert_new(session, TombstoneRow, rows)


def among(session: Session, project_id: ProjectId, kind: str, texts: Iterable[str]) -> dict[str, Tombstone]:
    """Those of these that were deleted."""
    if not session.scalar(sa.select(sa.exists().where(TombstoneRow.project_id == project_id))):
        return {}
    salt = _salt(session, project_id)
    marks = {mark(salt, kind, text): text for text in texts}
    statement = (
        sa.select(TombstoneRow.mark, TombstoneRow.deletion_id, DeletionRow.asked_at)
        .join(DeletionRow, DeletionRow.id == TombstoneRow.deletion_id)
        .where(TombstoneRow.project_id == project_id)
    )
    found = rows_of(session, statement, TombstoneRow.mark, marks)
    return {marks[row.mark]: Tombstone(row.deletion_id, row.asked_at) for row in found}


def lift(session: Session, project_id: ProjectId, deletion_id: int) -> int:
    """Let in again what a deletion removed; returns how many marks went."""
    of_project = TombstoneRow.project_id == project_id
    return delete(session, TombstoneRow, of_project, TombstoneRow.deletion_id == deletion_id)


def forget(session: Session, project_id: ProjectId) -> None:
    """All marks of a project: it is gone itself."""
    delete(session, TombstoneRow, TombstoneRow.project_id == project_id)


def _salt(session: Session, project_id: ProjectId) -> str:
    return session.scalars(sa.select(ProjectRow.salt).where(ProjectRow.id == project_id)).one()
