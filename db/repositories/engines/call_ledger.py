"""The ledger of calls: what was asked of endpoints, what it cost, and what may still be spent.

A call's `attempts` decides who may write: a worker with an older number has lost the call and changes nothing. Money
that may still be spent is reserved in the project's row of `spend`, which every reservation locks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import columns, count, count_by, read_all, read_first
from db.session import insert_new, update
from db.tables import CallRow, SpendRow
from labeling.types import ProjectId

MINUTE = timedelta(minutes=1)
LONGEST_LEASE = timedelta(hours=2)
"""No lease is given for so long: one that ends later was given while a clock was far ahead, and is void."""
LOOK_BACK = 20


class State(StrEnum):
    """Where a call stands; see the table."""

    INTENT = "intent"
    SENT = "sent"
    DONE = "done"
    FAILED = "failed"
    AMBIGUOUS = "ambiguous"


_LATER = (408, 425, 429)
_OPEN = (State.INTENT.value, State.SENT.value)


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it stands now."""

    id: int
    state: State
    attempts: int
    project_id: ProjectId | None
    lease_until: datetime
    reserved_micro: int
    tokens_in: int
    tokens_out: int
    status: int
    reply: str


@dataclass(frozen=True, slots=True)
class EndpointState:
    """What an endpoint did so far: calls by state, tokens, money, and how often it failed in a row lately."""

    endpoint: str
    calls: dict[str, int]
    tokens_in: int
    tokens_out: int
    spent_micro: int
    failures_in_a_row: int
    last_ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Spending:
    """What a project's calls have cost, and what is reserved for those under way."""

    spent_micro: int
    reserved_micro: int
    calls: dict[str, int]
    tokens_in: int
    tokens_out: int


def lock(session: Session, endpoint: str) -> None:
    """Let one transaction at a time decide about an endpoint's calls. SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"hardcase call {endpoint}"))))


def find(session: Session, endpoint: str, key: str) -> Call | None:
    """The call with this key, if it was ever asked."""
    return read_first(session, Call, _calls().where(CallRow.endpoint == endpoint, CallRow.key == key))


def dead(session: Session, project_id: ProjectId, now: datetime) -> list[Call]:
    """A project's calls that were under way when their worker died; those that another worker closes are skipped."""
    left = _calls().where(CallRow.project_id == project_id, CallRow.state.in_(_OPEN), ~_lasts(now))
    return read_all(Call, session.execute(left.order_by(CallRow.id).with_for_update(skip_locked=True)))


def _calls() -> sa.Select[*tuple[Any, ...]]:
    answer = {"status": sa.func.coalesce(CallRow.status, 0), "reply": sa.func.coalesce(CallRow.reply, "")}
    return sa.select(*columns(Call, CallRow, **answer))


def in_flight(session: Session, endpoint: str, now: datetime) -> int:
    """How many calls of an endpoint are under way in a worker that is alive."""
    under_way = CallRow.state.in_(_OPEN), _lasts(now)
    return count(session, CallRow, CallRow.endpoint == endpoint, *under_way)


def last_minute(session: Session, endpoint: str, now: datetime) -> tuple[int, int]:
    """Requests that were sent within the last minute, and the tokens that they took."""
    lately = CallRow.endpoint == endpoint, CallRow.sent_at.between(now - MINUTE, now + MINUTE)
    tokens_in, tokens_out, _ = _sums(session, *lately)
    return count(session, CallRow, *lately), tokens_in + tokens_out


def is_under_way(lease_until: datetime, now: datetime) -> bool:
    """Whether a call with this lease is made by a worker that is alive."""
    return now < lease_until <= now + LONGEST_LEASE


def _lasts(now: datetime) -> sa.ColumnElement[bool]:
    """The same, as a condition."""
    return sa.and_(CallRow.lease_until > now, CallRow.lease_until <= now + LONGEST_LEASE)


def failures_in_a_row(session: Session, endpoint: str, now: datetime | None = None) -> tuple[int, datetime | None]:
    """How many questions in a row got no answer, and when the newest ended. A refusal for good is an answer too.

    What ended long after `now` was noted by a clock that was far ahead, and does not count.
    """
    by_our_clock = () if now is None else (CallRow.ended_at <= now + LONGEST_LEASE,)
    rows = session.execute(
        sa.select(CallRow.state, CallRow.status, CallRow.ended_at)
        .where(CallRow.endpoint == endpoint, CallRow.ended_at.is_not(None), CallRow.state.not_in(_OPEN), *by_our_clock)
        .order_by(CallRow.ended_at.desc(), CallRow.id.desc())
        .limit(LOOK_BACK)
    ).all()
    failed = 0
    for state, status, _ in rows:
        if state == State.DONE or (status is not None and status < 500 and status not in _LATER):
            break
        failed += 1
    return failed, rows[0][2] if rows else None


def reserve(session: Session, project_id: ProjectId, micro: int, cap_micro: int) -> bool:
    """Set aside what a call may cost at most; False if that is more than is left of the cap."""
    insert_new(session, SpendRow, [{"project_id": project_id, "reserved_micro": 0, "spent_micro": 0}])
    room = SpendRow.spent_micro + SpendRow.reserved_micro + micro <= cap_micro
    more = SpendRow.reserved_micro + micro
    return bool(update(session, SpendRow, SpendRow.project_id == project_id, room, reserved_micro=more))


def open_call(
    session: Session,
    *,
    endpoint: str,
    model: str,
    key: str,
    project_id: ProjectId | None,
    owner: str,
    lease_until: datetime,
    reserved_micro: int,
    now: datetime,
) -> Call:
    """Write the intent to ask, for the first time or once more; the call with its new number of attempts."""
    first: dict[str, Any] = {
        "attempts": 0, "cost_micro": 0, "tokens_in": 0, "tokens_out": 0, "status": None, "reply": None, "seconds": 0.0,
        "created_at": now, "sent_at": None, "ended_at": None,
    }  # fmt: skip
    facts: dict[str, Any] = {
        "project_id": project_id, "model": model, "state": State.INTENT.value, "owner": owner,
        "lease_until": lease_until, "reserved_micro": reserved_micro,
    }  # fmt: skip
    insert_new(session, CallRow, [{"endpoint": endpoint, "key": key, **facts, **first}])
    of_key = CallRow.endpoint == endpoint, CallRow.key == key
    update(session, CallRow, *of_key, **facts, attempts=CallRow.attempts + 1)
    opened = find(session, endpoint, key)
    assert opened is not None
    return opened


def mark_sent(session: Session, call: Call, now: datetime) -> bool:
    """Note that the request is sent now; False if another worker has the call."""
    return _change(session, call, (State.INTENT,), {"state": State.SENT.value, "sent_at": now})


def close(
    session: Session, call: Call, state: State, *, now: datetime, cost_micro: int, late: bool = False, **answer: Any
) -> bool:
    """End an attempt: add its cost to that of earlier attempts, and release its reservation. False if it is not ours.

    `late`: its answer came after it was given up as ambiguous; then its reservation was charged already.
    """
    among = (State.AMBIGUOUS,) if late else (State.INTENT, State.SENT)
    reserved, charged = (0, call.reserved_micro) if late else (call.reserved_micro, 0)
    more = cost_micro - charged
    ended = {"state": state.value, "ended_at": now, "cost_micro": CallRow.cost_micro + more, "reserved_micro": 0}
    if not _change(session, call, among, {**ended, **answer}):
        return False
    _charge(session, call.project_id, reserved, more)
    return True


def _charge(session: Session, project_id: ProjectId | None, reserved_micro: int, cost_micro: int) -> None:
    """Release what was reserved, and add the cost to what was spent; the cost is negative where a charge is reduced."""
    if project_id is None or not (reserved_micro or cost_micro):
        return
    after = {
        "reserved_micro": SpendRow.reserved_micro - reserved_micro,
        "spent_micro": SpendRow.spent_micro + cost_micro,
    }
    update(session, SpendRow, SpendRow.project_id == project_id, **after)


def endpoint_states(session: Session) -> list[EndpointState]:
    """Every endpoint that was ever asked, by name."""
    names = session.scalars(sa.select(CallRow.endpoint).distinct().order_by(CallRow.endpoint)).all()
    return [_endpoint_state(session, name) for name in names]


def spending(session: Session, project_id: ProjectId) -> Spending:
    """What a project has spent on endpoints."""
    row = session.get(SpendRow, project_id)
    of_project = CallRow.project_id == project_id
    tokens_in, tokens_out, _ = _sums(session, of_project)
    spent, reserved = (row.spent_micro, row.reserved_micro) if row else (0, 0)
    return Spending(spent, reserved, count_by(session, CallRow.state, of_project), tokens_in, tokens_out)


def _endpoint_state(session: Session, name: str) -> EndpointState:
    of_endpoint = CallRow.endpoint == name
    calls = count_by(session, CallRow.state, of_endpoint)
    return EndpointState(name, calls, *_sums(session, of_endpoint), *failures_in_a_row(session, name))


def _sums(session: Session, *where: sa.ColumnElement[bool]) -> tuple[int, int, int]:
    """The tokens in, the tokens out and the cost of these calls."""
    summed = (sa.func.coalesce(sa.func.sum(c), 0) for c in (CallRow.tokens_in, CallRow.tokens_out, CallRow.cost_micro))
    row = session.execute(sa.select(*summed).where(*where)).one()
    return int(row[0]), int(row[1]), int(row[2])


def _change(session: Session, call: Call, among: Sequence[State], values: dict[str, Any]) -> bool:
    ours = CallRow.id == call.id, CallRow.attempts == call.attempts
    return bool(update(session, CallRow, *ours, CallRow.state.in_([state.value for state in among]), **values))
