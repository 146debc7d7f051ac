"""The call ledger: every question to an endpoint is recorded, paid from a budget, and not sent again once answered.

In: a question and a function that sends it. Out: its answer, from the table where it was answered before. Invariant:
what is spent and what is reserved are together never more than the budget; a call is recorded before it is sent, so a
crash can leave a call that may have been paid for, but never one that is not recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.engines import call_ledger
from db.repositories.engines.call_ledger import Call, State
from db.session import transaction
from labeling.errors import EndpointSilent, EndpointUnavailable, Invalid, OverBudget
from labeling.prelabel.endpoints.endpoint import Endpoint, Question, Reply, Sent
from labeling.project import Budget
from labeling.types import ProjectId

TRIES = 3
LONGEST_WAIT_S = 60.0
"""So long a call waits for a free minute or for another worker; after that its job is tried again later."""
POLL_S, LONGEST_POLL_S = 0.25, 5.0
FIRST_PAUSE_S = 0.5
GRACE_S = 60.0
"""A lease outlives the endpoint's time-out by this."""
BREAK_AFTER = 5
BREAK_S = 30.0
"""After so many failures in a row an endpoint is not asked for so long; then one call tries it."""


@dataclass(frozen=True, slots=True)
class _Wait:
    """Not now: wait so many seconds, for this reason; `in_place`, or by trying the job again later."""

    seconds: float
    reason: str
    in_place: bool = True


@dataclass(frozen=True, slots=True)
class LedgerBook:
    """The calls of one endpoint for a project with this budget; `owner` names who asks, for the people who read it.

    `labeling.prelabel.endpoints.endpoint.CallBook` says what `ask` promises and raises.
    """

    database: sa.Engine
    endpoint: Endpoint
    budget: Budget | None
    owner: str
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    grace_s: float = GRACE_S

    def ask(self, question: Question, send: Callable[[], Sent]) -> Reply:
        """Answer from the table, or send the question; a temporary refusal is tried again a few times, with pauses."""
        for attempt in range(1, TRIES + 1):
            opened = self._open(question)
            if isinstance(opened, Reply):
                return opened
            try:
                return self._send(opened, question, send)
            except EndpointUnavailable as error:
                pause_s = _pause_s(error, attempt, question.key)
                final = attempt == TRIES or pause_s > LONGEST_WAIT_S
                if final or (isinstance(error, EndpointSilent) and self.endpoint.when_silent == "charge"):
                    raise
                self.sleep(pause_s)
        raise AssertionError("the last try returns or raises")

    def _check_price(self, question: Question) -> None:
        """A call for a project is paid from its budget, by a known price; a probe has no project."""
        price = self.endpoint.price
        if question.project_id is None or (price is not None and price.free):
            return
        way_out = f"Write its price beside {self.endpoint.name!r} in endpoints.yaml, or `price: free`."
        if price is None:
            raise OverBudget(f"What the endpoint {self.endpoint.name!r} costs is not known. {way_out}")
        if self.budget is None:
            raise OverBudget(
                f"The endpoint {self.endpoint.name!r} costs money and the project has no budget. Write one into "
                "`policy: budget:`."
            )
        if self.budget.currency != price.currency:
            raise OverBudget(
                f"The budget is in {self.budget.currency}, the endpoint {self.endpoint.name!r} takes {price.currency}. "
                "Write the budget in that currency."
            )

    def _open(self, question: Question) -> Call | Reply:
        """The call, for us to send; or the answer that is there already."""
        waited_s = 0.0
        while True:
            with transaction(self.database) as session:
                found = self._decide(session, question)
            if isinstance(found, EndpointSilent):
                raise found
            if not isinstance(found, _Wait):
                return found
            if not found.in_place or waited_s + found.seconds > LONGEST_WAIT_S:
                raise EndpointUnavailable(
                    f"The endpoint {self.endpoint.name!r} is not asked now: {found.reason}. It is tried again later.",
                    retry_after=found.seconds,
                )
            pause_s = max(found.seconds, min(waited_s / 4, LONGEST_POLL_S))  # longer the longer it has waited
            self.sleep(pause_s)
            waited_s += pause_s

    def _decide(self, session: Session, question: Question) -> Call | Reply | _Wait | EndpointSilent:
        """What to do with a question, in one transaction that no other decision about this endpoint overlaps."""
        call_ledger.lock(session, self.endpoint.name)
        call = call_ledger.find(session, self.endpoint.name, question.key)
        if call is not None and call.state is State.DONE:
            return Reply(call.status, call.reply, call.tokens_in, call.tokens_out, 0, 0.0, cached=True)
        self._check_price(question)
        if call is not None:
            if call.state in (State.INTENT, State.SENT) and call_ledger.is_under_way(call.lease_until, self.now()):
                return _Wait(POLL_S, "another worker is asking the same")
            if self._abandon(session, call) is State.AMBIGUOUS and self.endpoint.when_silent == "charge":
                return _not_sent_again(self.endpoint)
        wait = self._must_wait(session, question)
        return wait or self._reserve(session, question)

    def _abandon(self, session: Session, call: Call) -> State:
        """Close the call of a dead worker: an intent cost nothing, what was sent may have been paid for."""
        if call.state is State.INTENT:
            self._close(session, call, State.FAILED, cost_micro=0)
            return State.FAILED
        if call.state is State.SENT:
            self._close(session, call, State.AMBIGUOUS, cost_micro=call.reserved_micro)
            return State.AMBIGUOUS
        return call.state

    def _must_wait(self, session: Session, question: Question) -> _Wait | None:
        now, limits = self.now(), self.endpoint.limits
        busy = call_ledger.in_flight(session, self.endpoint.name, now)
        failed, last = call_ledger.failures_in_a_row(session, self.endpoint.name, now)
        if failed >= BREAK_AFTER and last is not None:
            rest_s = BREAK_S - abs(now - last).total_seconds()
            if rest_s > 0:
                return _Wait(rest_s, f"it failed {failed} times in a row", in_place=False)
            if busy:
                return _Wait(POLL_S, "one call tries whether it is back")
        if busy >= limits.at_once:
            return _Wait(POLL_S, f"{busy} calls are under way")
        requests, tokens = call_ledger.last_minute(session, self.endpoint.name, now)
        if limits.requests_a_minute and requests >= limits.requests_a_minute:
            return _Wait(1.0, f"{requests} requests were sent within a minute")
        if limits.tokens_a_minute and tokens >= limits.tokens_a_minute:
            return _Wait(1.0, f"{tokens} tokens were used within a minute")
        return None

    def _reserve(self, session: Session, question: Question) -> Call:
        reserved = 0
        if self.budget is not None and question.project_id is not None and question.bound_micro > 0:
            reserved = question.bound_micro
            if not self._set_aside(session, question.project_id, reserved, self.budget.micro):
                raise _over_budget(self.budget, question)
        now = self.now()
        return call_ledger.open_call(
            session,
            endpoint=self.endpoint.name,
            model=question.model,
            key=question.key,
            project_id=question.project_id,
            owner=self.owner,
            lease_until=now + timedelta(seconds=self.endpoint.timeout_s + self.grace_s),
            reserved_micro=reserved,
            now=now,
        )

    def _set_aside(self, session: Session, project_id: ProjectId, micro: int, cap_micro: int) -> bool:
        """Reserve it; if there is no room, first release what dead workers reserved and nobody uses."""
        if call_ledger.reserve(session, project_id, micro, cap_micro):
            return True
        for call in call_ledger.dead(session, project_id, self.now()):
            self._abandon(session, call)
        return call_ledger.reserve(session, project_id, micro, cap_micro)

    def _send(self, call: Call, question: Question, send: Callable[[], Sent]) -> Reply:
        """Record that it is sent, send it, and record the result."""
        with transaction(self.database) as session:
            ours = call_ledger.mark_sent(session, call, self.now())
        if not ours:
            raise EndpointUnavailable("Another worker took over this call.")
        started = self.now()
        try:
            sent = send()
        except EndpointSilent:
            self._end(call, State.AMBIGUOUS, cost_micro=call.reserved_micro)
            raise
        except (EndpointUnavailable, Invalid) as error:
            self._end(call, State.FAILED, cost_micro=0, status=_status(error))
            raise
        except Exception:  # whatever it was, the question may have been sent
            self._end(call, State.AMBIGUOUS, cost_micro=call.reserved_micro)
            raise
        return self._done(call, sent, (self.now() - started).total_seconds())

    def _done(self, call: Call, sent: Sent, seconds: float) -> Reply:
        """Record the answer with its real cost, even if the call was given up as ambiguous in the meantime."""
        cost = call.reserved_micro if sent.cost_micro is None else sent.cost_micro
        tokens = {"tokens_in": sent.tokens_in, "tokens_out": sent.tokens_out}
        answer = {"status": sent.status, "reply": sent.body, "seconds": seconds, "cost_micro": cost, **tokens}
        with transaction(self.database) as session:
            call_ledger.lock(session, self.endpoint.name)
            ended: dict[str, Any] = {"now": self.now(), **answer}
            if not call_ledger.close(session, call, State.DONE, **ended):
                call_ledger.close(session, call, State.DONE, late=True, **ended)
        return Reply(sent.status, sent.body, sent.tokens_in, sent.tokens_out, cost, seconds, cached=False)

    def _end(self, call: Call, state: State, *, cost_micro: int, status: int | None = None) -> None:
        with transaction(self.database) as session:
            call_ledger.lock(session, self.endpoint.name)
            self._close(session, call, state, cost_micro=cost_micro, status=status)

    def _close(self, session: Session, call: Call, state: State, *, cost_micro: int, status: int | None = None) -> None:
        call_ledger.close(session, call, state, now=self.now(), cost_micro=cost_micro, status=status)


def _over_budget(budget: Budget, question: Question) -> OverBudget:
    return OverBudget(
        f"The budget of {budget.micro / 1e6:g} {budget.currency} does not allow a call that may cost "
        f"{question.bound_micro / 1e6:g}. Raise `policy: budget:`, or leave the rest to people."
    )


def _not_sent_again(endpoint: Endpoint) -> EndpointSilent:
    return EndpointSilent(
        f"This question was sent to {endpoint.name!r} and never answered. It may have been paid for, so it is not sent "
        "again: a person answers it. `when_silent: retry` in endpoints.yaml would send it again."
    )


def _pause_s(error: EndpointUnavailable, attempt: int, key: str) -> float:
    """What the endpoint asked for, else twice as long each time, a little different for each question."""
    asked = error.facts.get("retry_after")
    if isinstance(asked, int | float) and asked >= 0:
        return float(asked)
    doubled: int = 2 ** (attempt - 1)
    return FIRST_PAUSE_S * doubled * (1 + int(key[:4], 16) / 0xFFFF)


def _status(error: EndpointUnavailable | Invalid) -> int | None:
    status = error.facts.get("status")
    return status if isinstance(status, int) else None
