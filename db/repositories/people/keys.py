"""API keys as stored: a name, what the key may do, and a salted hash; never the key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import columns, read, read_all, read_first
from db.tables import ApiKeyRow
from labeling.errors import NotFound
from labeling.jobs import Role
from labeling.types import KeyId


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One key. `projects` are names; None means all, those to come included."""

    id: KeyId
    name: str
    prefix: str
    salt: str
    digest: str
    role: Role
    projects: tuple[str, ...] | None
    created_at: datetime
    revoked_at: datetime | None
    expires_at: datetime | None

    def in_force(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def add(
    session: Session,
    *,
    name: str,
    prefix: str,
    salt: str,
    digest: str,
    role: Role,
    projects: Sequence[str] | None,
    now: datetime,
    expires_at: datetime | None = None,
) -> StoredKey:
    secret = {"prefix": prefix, "salt": salt, "digest": digest}
    names = None if projects is None else list(projects)
    row = ApiKeyRow(
        name=name,
        **secret,
        role=role.value,
        projects=names,
        created_at=now,
        revoked_at=None,
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    return read(StoredKey, row)


def by_prefix(session: Session, prefix: str) -> StoredKey | None:
    return read_first(session, StoredKey, sa.select(*columns(StoredKey, ApiKeyRow)).where(ApiKeyRow.prefix == prefix))


def by_id(session: Session, key_id: KeyId) -> StoredKey | None:
    row = session.get(ApiKeyRow, key_id)
    return None if row is None else read(StoredKey, row)


def everyone(session: Session) -> list[StoredKey]:
    """All keys, oldest first, revoked ones included."""
    return read_all(StoredKey, session.scalars(sa.select(ApiKeyRow).order_by(ApiKeyRow.id)))


def revoke(session: Session, prefix: str, now: datetime) -> StoredKey:
    """End a key; ending it twice keeps the first date."""
    row = session.scalars(sa.select(ApiKeyRow).where(ApiKeyRow.prefix == prefix)).one_or_none()
    if row is None:
        raise NotFound(f"There is no key {prefix!r}. `hardcase key list` shows those that exist.")
    if row.revoked_at is None:
        row.revoked_at = now
        session.flush()
    return read(StoredKey, row)
