"""The ledger of calls: what was asked of endpoints, what it cost, and what may still be spent.

A call's `attempts` fences its writers: who holds an older number has lost the call and changes nothing. Money that
may still be spent is reserved in the project's row of `spend`, which every reservation locks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import count
from db.session import insert_new
from db.tables import CallRow, SpendRow
from labeling.types import ProjectId

MINUTE = timedelta(minutes=1)
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
    row = session.scalars(sa.select(CallRow).where(CallRow.endpoint == endpoint, CallRow.key == key)).one_or_none()
    return None if row is None else _call(row)


def dead(session: Session, project_id: ProjectId, now: datetime) -> list[Call]:
    """A project's calls that were under way when their worker died; those that another decides about are left out."""
    rows = session.scalars(
        sa.select(CallRow)
        .where(CallRow.project_id == project_id, CallRow.state.in_(_OPEN), CallRow.lease_until <= now)
        .order_by(CallRow.id)
        .with_for_update(skip_locked=True)
    )
    return [_call(row) for row in rows]


def _call(row: CallRow) -> Call:
    project = None if row.project_id is None else ProjectId(row.project_id)
    begun = row.id, State(row.state), row.attempts, project, row.lease_until, row.reserved_micro
    return Call(*begun, row.tokens_in, row.tokens_out, row.status or 0, row.reply or "")


def in_flight(session: Session, endpoint: str, now: datetime) -> int:
    """How many calls of an endpoint are under way in living hands."""
    under_way = CallRow.state.in_(_OPEN), CallRow.lease_until > now
    return count(session, CallRow, CallRow.endpoint == endpoint, *under_way)


def last_minute(session: Session, endpoint: str, now: datetime) -> tuple[int, int]:
    """Requests that left within the last minute, and the tokens that they took."""
    row = session.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(CallRow.tokens_in + CallRow.tokens_out), 0)).where(
            CallRow.endpoint == endpoint, CallRow.sent_at > now - MINUTE
        )
    ).one()
    return int(row[0]), int(row[1])


def failures_in_a_row(session: Session, endpoint: str) -> tuple[int, datetime | None]:
    """How many questions in a row got no answer, and when the newest ended. A refusal for good is an answer too."""
    rows = session.execute(
        sa.select(CallRow.state, CallRow.status, CallRow.ended_at)
        .where(CallRow.endpoint == endpoint, CallRow.ended_at.is_not(None), CallRow.state.not_in(_OPEN))
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
    done = session.execute(
        sa.update(SpendRow)
        .where(
            SpendRow.project_id == project_id,
            SpendRow.spent_micro + SpendRow.reserved_micro + micro <= cap_micro,
        )
        .values(reserved_micro=SpendRow.reserved_micro + micro)
        .execution_options(synchronize_session=False)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE has one


def settle(session: Session, project_id: ProjectId | None, *, reserved_micro: int, cost_micro: int) -> None:
    """Give back what was set aside, and write down what it cost. Both may be negative: a charge taken back."""
    if project_id is None or not (reserved_micro or cost_micro):
        return
    session.execute(
        sa.update(SpendRow)
        .where(SpendRow.project_id == project_id)
        .values(reserved_micro=SpendRow.reserved_micro - reserved_micro, spent_micro=SpendRow.spent_micro + cost_micro)
        .execution_options(synchronize_session=False)
    )


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
    session.execute(
        sa.update(CallRow)
        .where(CallRow.endpoint == endpoint, CallRow.key == key)
        .values(**facts, attempts=CallRow.attempts + 1)
        .execution_options(synchronize_session=False)
    )
    session.expire_all()
    opened = find(session, endpoint, key)
    assert opened is not None
    return opened


def mark_sent(session: Session, call: Call, now: datetime) -> bool:
    """Note that the bytes leave now; False if the call is in other hands."""
    return _change(session, call, (State.INTENT,), {"state": State.SENT.value, "sent_at": now})


def close(
    session: Session,
    call: Call,
    state: State,
    *,
    now: datetime,
    cost_micro: int,
    among: Sequence[State] = (State.INTENT, State.SENT),
    **answer: Any,
) -> bool:
    """End an attempt; what it cost is added to what earlier attempts did. False if the call is in other hands."""
    ended = {"state": state.value, "ended_at": now, "cost_micro": CallRow.cost_micro + cost_micro, "reserved_micro": 0}
    return _change(session, call, among, {**ended, **answer})


def endpoint_states(session: Session) -> list[EndpointState]:
    """Every endpoint that was ever asked, by name."""
    by_endpoint: dict[str, list[Any]] = {}
    for row in session.execute(_sums().group_by(CallRow.endpoint)):
        by_endpoint.setdefault(str(row[0]), []).append(row)
    return [
        EndpointState(
            endpoint=name,
            calls={row[1]: int(row[2]) for row in rows},
            tokens_in=sum(int(row[3]) for row in rows),
            tokens_out=sum(int(row[4]) for row in rows),
            spent_micro=sum(int(row[5]) for row in rows),
            failures_in_a_row=failures_in_a_row(session, name)[0],
            last_ended_at=failures_in_a_row(session, name)[1],
        )
        for name, rows in sorted(by_endpoint.items())
    ]


def spending(session: Session, project_id: ProjectId) -> Spending:
    """What a project has spent on endpoints."""
    row = session.get(SpendRow, project_id)
    calls: dict[str, int] = {}
    tokens = [0, 0]
    for _, state, number, tokens_in, tokens_out, _cost in session.execute(
        _sums().where(CallRow.project_id == project_id).group_by(CallRow.endpoint)
    ):
        calls[state] = calls.get(state, 0) + int(number)
        tokens = [tokens[0] + int(tokens_in), tokens[1] + int(tokens_out)]
    return Spending(row.spent_micro if row else 0, row.reserved_micro if row else 0, calls, *tokens)


def _sums() -> Any:
    return sa.select(
        CallRow.endpoint,
        CallRow.state,
        sa.func.count(),
        sa.func.sum(CallRow.tokens_in),
        sa.func.sum(CallRow.tokens_out),
        sa.func.sum(CallRow.cost_micro),
    ).group_by(CallRow.state)


def _change(session: Session, call: Call, among: Sequence[State], values: dict[str, Any]) -> bool:
    done = session.execute(
        sa.update(CallRow)
        .where(
            CallRow.id == call.id,
            CallRow.attempts == call.attempts,
            CallRow.state.in_([state.value for state in among]),
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE has one
