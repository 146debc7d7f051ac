"""Who did what to what, when and from where: appended only; nothing here changes or removes a row.

In: an action, in the transaction that performs it. Out: the log, newest first, as filters want it. Where somebody acts
from is said once, at the edge: by the guard of all routes and by what opens a command. Else it is the worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.paging import Slice, slice_of
from db.rows import columns
from db.tables import AuditRow
from labeling.types import ProjectId


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody acts from: a network address, the command line or the worker; and the prefix of their key."""

    name: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class AuditItem:
    """One action. `actor` is a key's name, or a login name of the server; `key` the prefix of that key."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]
    place: str
    key: str
    project_id: int | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to read of the log; None does not filter, and days are whole ones in UTC.

    `who` is a name or a key's prefix; `what` an action or its first word: `key` means `key.create`, too. Without
    `projects` what is of no project is in it as well.
    """

    who: str | None = None
    what: str | None = None
    since: date | None = None
    until: date | None = None
    projects: Sequence[ProjectId] | None = None


_WORKER = Place("worker")
_place: ContextVar[Place] = ContextVar("place", default=_WORKER)


@contextmanager
def acting_from(place: Place) -> Iterator[None]:
    """Everything that is recorded in this block was done from here."""
    token = _place.set(place)
    try:
        yield
    finally:
        _place.reset(token)


def record(
    session: Session,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, object],
    now: datetime,
    project_id: ProjectId | None = None,
) -> None:
    """Append one action, in the transaction that performs it. `detail` never holds secrets.

    Without `project_id` it is about the whole deployment: keys that are limited to projects do not see it.
    """
    place = _place.get()
    session.add(
        AuditRow(
            at=now,
            actor=actor,
            action=action,
            subject=subject,
            detail=dict(detail),
            place=place.name,
            key=place.key,
            project_id=project_id,
        )
    )
    session.flush()


def listing(session: Session, wanted: Wanted, *, after: int | None, limit: int) -> Slice[AuditItem]:
    """The log, newest first."""
    statement = sa.select(*columns(AuditItem, AuditRow)).where(*_conditions(wanted))
    return slice_of(session, statement, AuditRow.id, after, limit, AuditItem)


def count(session: Session, action: str, since: datetime) -> int:
    """How often something was recorded since then."""
    of_kind = AuditRow.action == action, AuditRow.at >= since
    return session.scalar(sa.select(sa.func.count()).where(*of_kind)) or 0


def _conditions(wanted: Wanted) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.projects is not None:
        yield AuditRow.project_id.in_(wanted.projects)
    if wanted.who is not None:
        yield (AuditRow.actor == wanted.who) | (AuditRow.key == wanted.who)
    if wanted.what is not None:
        first = AuditRow.action.startswith(f"{wanted.what}.", autoescape=True)
        yield (AuditRow.action == wanted.what) | first
    if wanted.since is not None:
        yield AuditRow.at >= datetime.combine(wanted.since, time.min, UTC)
    if wanted.until is not None:
        yield AuditRow.at <= datetime.combine(wanted.until, time.max, UTC)
