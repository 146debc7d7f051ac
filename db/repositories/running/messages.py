"""Messages and the attempts to deliver them: one message for each occasion and target.

A message is *due* until an attempt went well or all its attempts are spent, and not before a pause after the last one.
An attempt is noted before it is made: one that was begun and never ended counts as failed, so a kill sends one message
twice at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import columns, read, read_all, to_row
from db.session import insert_new, update
from db.tables import DeliveryRow, MessageRow
from labeling.types import ProjectId

PAUSES = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 240, 720))
"""How long a failed attempt rests before the next; one more attempt than there are pauses."""
BEGUN = "begun"
_DETAIL = 300


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to one target; its key is the same for the same occasion and target."""

    key: str
    target: str
    subject: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is to be delivered; `attempts` were made so far."""

    id: int
    key: str
    target: str
    subject: str
    body: dict[str, Any]
    created_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A message and how its delivery stands."""

    key: str
    target: str
    subject: str
    attempts: int
    delivered: bool
    detail: str
    created_at: datetime


def add(session: Session, project_id: ProjectId, messages: Sequence[NewMessage], now: datetime) -> int:
    """Write the messages whose key is new; return how many."""
    return insert_new(session, MessageRow, [to_row(one, project_id=project_id, created_at=now) for one in messages])


def known_keys(session: Session, keys: Sequence[str]) -> set[str]:
    """Those of these keys that have a message."""
    return set(session.scalars(sa.select(MessageRow.key).where(MessageRow.key.in_(keys))))


def due(session: Session, project_id: ProjectId, targets: Sequence[str], now: datetime) -> list[Message]:
    """The messages to these targets that are to be delivered now, oldest first."""
    made, last = _attempts()
    rows = session.execute(
        sa.select(*columns(Message, MessageRow, attempts=made), last.label("last"))
        .where(MessageRow.project_id == project_id, MessageRow.target.in_(targets), ~_delivered(), made <= len(PAUSES))
        .order_by(MessageRow.id)
    )
    return [
        read(Message, row)
        for row in rows
        # a clock that was set back delays nothing for long
        if row.last is None or abs(now - row.last) >= PAUSES[row.attempts - 1]
    ]


def begin(session: Session, message: Message, now: datetime) -> bool:
    """Note that the next attempt is made now; False where another worker makes it."""
    row = {"message_id": message.id, "attempt": message.attempts + 1, "delivered": False, "detail": BEGUN, "at": now}
    return bool(insert_new(session, DeliveryRow, [row]))


def finish(session: Session, message: Message, delivered: bool, detail: str, now: datetime) -> None:
    """Note how the attempt that was begun went."""
    begun = DeliveryRow.message_id == message.id, DeliveryRow.attempt == message.attempts + 1
    update(session, DeliveryRow, *begun, delivered=delivered, detail=detail[:_DETAIL], at=now)


def listing(session: Session, limit: int) -> list[Listed]:
    """The newest messages of all projects, with what the last attempt said."""
    made, _ = _attempts()
    newest = (
        sa.select(DeliveryRow.detail)
        .where(DeliveryRow.message_id == MessageRow.id)
        .order_by(DeliveryRow.attempt.desc())
        .limit(1)
        .correlate(MessageRow)
        .scalar_subquery()
    )
    state = {"attempts": made, "delivered": _delivered(), "detail": sa.func.coalesce(newest, "")}
    found = sa.select(*columns(Listed, MessageRow, **state)).order_by(MessageRow.id.desc()).limit(limit)
    return read_all(Listed, session.execute(found))


def _delivered() -> sa.ColumnElement[bool]:
    went_well = DeliveryRow.message_id == MessageRow.id, DeliveryRow.delivered.is_(True)
    return sa.exists().where(*went_well).correlate(MessageRow)


def _attempts() -> tuple[sa.ColumnElement[int], sa.ColumnElement[datetime]]:
    """How many attempts a message had, and when the last was."""
    of = DeliveryRow.message_id == MessageRow.id
    made = sa.select(sa.func.count()).select_from(DeliveryRow).where(of).correlate(MessageRow).scalar_subquery()
    last = sa.select(sa.func.max(DeliveryRow.at)).where(of).correlate(MessageRow).scalar_subquery()
    return made, last
