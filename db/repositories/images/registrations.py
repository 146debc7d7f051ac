"""Registrations: what was named as an image of a project; appended, one row a reference and revision.

In: `Incoming` items, checked by the caller. Out: how many were new, changed or the same. A hundred thousand of them
come at once, so they go to the driver in one statement, and are compared with what is there only if some were there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from db.rows import columns, read, rows_of
from db.session import insert_new
from db.tables import FetchRow, RegistrationGoneRow, RegistrationRow
from labeling.types import Incoming, ProjectId, RegistrationId, SourceId

_COLUMNS = "reference, revision, address, fingerprint, text, details, known_label, gold"
_SQLITE = (
    f"INSERT INTO registration (project_id, source_id, registered_at, {_COLUMNS}) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_POSTGRES = (
    f"INSERT INTO registration (project_id, source_id, registered_at, {_COLUMNS}) "
    "SELECT %s, %s, %s, r->>0, (r->>1)::bigint, r->>2, r->>3, r->>4, (r->>5)::json, r->>6, (r->>7)::bool "
    "FROM json_array_elements(%s::json) AS r ON CONFLICT DO NOTHING"
)

_Row = tuple[str, int, str, str | None, str | None, str, str | None, bool]


@dataclass(frozen=True, slots=True)
class Registered:
    """How many items were new, changed or the same; new and changed ones are rows now."""

    new: int
    changed: int
    same: int

    def __add__(self, other: Registered) -> Registered:
        return Registered(self.new + other.new, self.changed + other.changed, self.same + other.same)


@dataclass(frozen=True, slots=True)
class Known:
    """The newest registration of a reference; `gone` when its source no longer holds it."""

    id: RegistrationId
    revision: int
    address: str
    fingerprint: str | None
    gone: bool


def register(
    session: Session,
    project_id: ProjectId,
    items: Sequence[Incoming],
    now: datetime,
    source_id: SourceId | None = None,
) -> Registered:
    """Register what is not registered yet, and what changed as the next revision of its reference."""
    new = _insert(session, project_id, source_id, now, [_row(item, 0) for item in items])
    if new == len(items):
        return Registered(new, 0, 0)
    changed = 0
    before = known(session, project_id, [item.reference for item in items])
    for item in items:
        last = before[item.reference]
        if differs(item, last):
            row = _row(item, last.revision + 1)
            changed += _insert(session, project_id, source_id, now, [row])
            before[item.reference] = Known(last.id, last.revision + 1, item.address, item.fingerprint, gone=False)
    return Registered(new, changed, len(items) - new - changed)


def differs(item: Incoming, last: Known) -> bool:
    """Whether an item is another revision than the last one; without fingerprints the addresses are compared."""
    if last.gone:
        return True
    return item.address != last.address if item.fingerprint is None else item.fingerprint != last.fingerprint


def known(
    session: Session, project_id: ProjectId, references: Sequence[str], source_id: SourceId | None = None
) -> dict[str, Known]:
    """The newest registration of each of these references that has one; with `source_id` the newest by this source."""
    by_source = () if source_id is None else (RegistrationRow.source_id == source_id,)
    is_gone = RegistrationGoneRow.registration_id.is_not(None)
    statement = (
        sa.select(RegistrationRow.reference, *columns(Known, RegistrationRow, gone=is_gone))
        .outerjoin(RegistrationGoneRow, RegistrationGoneRow.registration_id == RegistrationRow.id)
        .where(RegistrationRow.project_id == project_id, *by_source)
        .order_by(RegistrationRow.revision)
    )
    found = rows_of(session, statement, RegistrationRow.reference, references)
    return {row.reference: read(Known, row) for row in found}


def standing(session: Session, source_id: SourceId) -> dict[str, RegistrationId]:
    """What a source held when it was last read: the newest, not gone, registration of each reference."""
    newer = aliased(RegistrationRow)
    overtaken = sa.exists().where(
        newer.project_id == RegistrationRow.project_id,
        newer.reference == RegistrationRow.reference,
        newer.revision > RegistrationRow.revision,
    )
    is_gone = sa.exists().where(RegistrationGoneRow.registration_id == RegistrationRow.id)
    rows = session.execute(
        sa.select(RegistrationRow.reference, RegistrationRow.id).where(
            RegistrationRow.source_id == source_id, ~overtaken, ~is_gone
        )
    )
    return {reference: RegistrationId(row_id) for reference, row_id in rows}


def gone(session: Session, registration_ids: Iterable[RegistrationId], now: datetime) -> int:
    """Note that a source no longer holds these; the images and their labels stay."""
    return insert_new(
        session, RegistrationGoneRow, [{"registration_id": row_id, "at": now} for row_id in registration_ids]
    )


def waiting_uploads(session: Session, besides: ProjectId | None = None) -> set[str]:
    """The addresses of uploads, over all projects or `besides` one, that are registered and not fetched yet."""
    fetched = sa.exists().where(FetchRow.registration_id == RegistrationRow.id)
    waiting = sa.select(RegistrationRow.address).where(RegistrationRow.address.like("upload:%"), ~fetched).distinct()
    return set(session.scalars(waiting if besides is None else waiting.where(RegistrationRow.project_id != besides)))


def _row(item: Incoming, revision: int) -> _Row:
    return (
        item.reference,
        revision,
        item.address,
        item.fingerprint,
        item.text,
        msgspec.json.encode(item.details).decode() if item.details else "{}",
        item.known_label,
        item.gold,
    )


def _insert(
    session: Session, project_id: ProjectId, source_id: SourceId | None, now: datetime, rows: Sequence[_Row]
) -> int:
    """Insert the rows whose reference and revision are new, straight through the driver; returns how many."""
    if not rows:
        return 0
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        together = msgspec.json.encode(rows).decode()  # one parameter: arrays cost the driver four times as much
        return connection.exec_driver_sql(_POSTGRES, (project_id, source_id, now, together)).rowcount
    at = now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")  # as SQLAlchemy writes times there
    same = (project_id, source_id, at)
    return connection.exec_driver_sql(_SQLITE, [same + row for row in rows]).rowcount
