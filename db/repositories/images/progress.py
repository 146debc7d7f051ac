"""How far a long job is, asked while it runs."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.tables import FailureRow, FetchRow, RegistrationRow
from labeling.types import ProjectId


@dataclass(frozen=True, slots=True)
class Fetching:
    """Of all that was registered: how much was fetched, and how much failed so far."""

    registered: int
    fetched: int
    failed: int


def fetching(session: Session, project_id: ProjectId) -> Fetching:
    registered = sa.select(sa.func.count()).where(RegistrationRow.project_id == project_id)
    fetched = (
        sa.select(sa.func.count())
        .select_from(FetchRow)
        .join(RegistrationRow, RegistrationRow.id == FetchRow.registration_id)
        .where(RegistrationRow.project_id == project_id)
    )
    failed = sa.select(sa.func.count()).where(FailureRow.project_id == project_id, FailureRow.step == "fetch")
    counts = [session.scalar(statement) or 0 for statement in (registered, fetched, failed)]
    return Fetching(*counts)
