"""Logins in force: a key opened a session in a browser, and what the key was then; never the session's cookie.

A session ends by logging out, by its time, or because its key is not what it was. Ended ones are removed later.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import columns, read_first, to_row
from db.tables import PageSessionRow
from labeling.jobs import Role
from labeling.types import KeyId


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One login: its key, the role and projects that the key had, and when it is over."""

    key_id: KeyId
    role: Role
    projects: tuple[str, ...] | None
    opened_at: datetime
    expires_at: datetime


def add(session: Session, digest: str, found: OpenSession) -> None:
    """Remember a login by the hash of what its cookie holds, and forget those that are over."""
    session.execute(sa.delete(PageSessionRow).where(PageSessionRow.expires_at <= found.opened_at))
    session.add(PageSessionRow(**to_row(found, digest=digest)))
    session.flush()


def by_digest(session: Session, digest: str) -> OpenSession | None:
    statement = sa.select(*columns(OpenSession, PageSessionRow)).where(PageSessionRow.digest == digest)
    return read_first(session, OpenSession, statement)


def end(session: Session, digest: str) -> None:
    """Log out; ending a session twice changes nothing."""
    session.execute(sa.delete(PageSessionRow).where(PageSessionRow.digest == digest))
