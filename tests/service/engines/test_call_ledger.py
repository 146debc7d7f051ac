"""The ledger of calls: memory, money, patience. Time is the test's; nothing leaves the process."""

from __future__ import annotations

import random
import threading
import time as clock
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

import pytest
import sqlalchemy as sa

from db.repositories.engines import call_ledger
from db.session import reading, transaction
from db.tables import CallRow, SpendRow
from labeling.errors import EndpointSilent, EndpointUnavailable, Invalid, OverBudget
from labeling.prelabel.endpoints.endpoint import CallBook, Endpoint, Limits, Price, Question, Reply, Sent
from labeling.project import Budget, Project
from labeling.types import ProjectId
from service.work.engines.call_ledger import BREAK_AFTER, BREAK_S, LedgerBook
from tests.conftest import NOW

DEAR = Price(per_request=100)
HOUSE = Endpoint("house", "http://127.0.0.1:1/v1", price=DEAR)
ANSWER = Sent(200, '{"said": "cat"}', tokens_in=10, tokens_out=2, cost_micro=100)


class Crash(BaseException):
    """The process died here."""


@dataclass
class Time:
    """A clock that sleeping moves."""

    at: datetime = NOW
    slept: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        clock.sleep(0.01)  # so that whoever is waited for gets on
        with self.lock:
            self.slept.append(seconds)
            self.at += timedelta(seconds=seconds)


@dataclass
class Wire:
    """Answers what the test says, in that order; then the last for ever."""

    script: list[Sent | BaseException]
    times: int = 0

    def __call__(self) -> Sent:
        said = self.script[min(self.times, len(self.script) - 1)]
        self.times += 1
        if isinstance(said, BaseException):
            raise said
        return said


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def project(any_database: sa.Engine, make_project: Callable[..., Project]) -> Project:
    return make_project(any_database)


def book(
    database: sa.Engine, time: Time, endpoint: Endpoint = HOUSE, micro: int | None = 10_000, currency: str = "USD"
) -> CallBook:
    budget = None if micro is None else Budget(micro, currency)
    return LedgerBook(database, endpoint, budget, owner="test", now=time.now, sleep=time.sleep)


def question(project: Project | None, name: str = "a", bound: int = 150) -> Question:
    return Question("house", "m", f"{name:0>64}", None if project is None else project.id, bound)


def spent(database: sa.Engine, project: Project) -> tuple[int, int]:
    with reading(database) as session:
        found = call_ledger.spending(session, project.id)
    return found.spent_micro, found.reserved_micro


def state(database: sa.Engine) -> str:
    with reading(database) as session:
        return str(session.scalar(sa.select(CallRow.state)))


def test_the_same_question_is_answered_from_memory_and_paid_for_once(
    any_database: sa.Engine, project: Project, time: Time
) -> None:
    wire = Wire([ANSWER])
    ours = book(any_database, time)

    first, again = ours.ask(question(project), wire), ours.ask(question(project), wire)

    assert (first.body, first.cost_micro, first.cached) == (ANSWER.body, 100, False)
    assert again == Reply(200, ANSWER.body, 10, 2, 0, 0.0, cached=True)
    assert wire.times == 1
    assert spent(any_database, project) == (100, 0)


def test_without_a_usage_the_bound_is_charged(any_database: sa.Engine, project: Project, time: Time) -> None:
    reply = book(any_database, time).ask(question(project), Wire([replace(ANSWER, cost_micro=None)]))

    assert reply.cost_micro == 150
    assert spent(any_database, project) == (150, 0)


def test_what_turns_out_dearer_than_its_bound_is_written_down_whole_and_stops_the_next(
    any_database: sa.Engine, project: Project, time: Time
) -> None:
    ours = book(any_database, time, micro=200)
    ours.ask(question(project), Wire([replace(ANSWER, cost_micro=190)]))

    with pytest.raises(OverBudget, match="Raise"):
        ours.ask(question(project, "b", bound=20), Wire([ANSWER]))

    assert spent(any_database, project) == (190, 0)


@pytest.mark.parametrize(
    ("price", "micro", "currency", "words"),
    [
        (None, 10_000, "USD", "not known"),
        (None, None, "USD", "not known"),
        (DEAR, None, "USD", "no budget"),
        (DEAR, 10_000, "EUR", "EUR"),
        (DEAR, 100, "USD", "does not allow"),
    ],
)
def test_what_must_not_be_paid_is_never_sent(
    any_database: sa.Engine, project: Project, time: Time, price: Price | None, micro: int | None, currency: str,
    words: str,
) -> None:  # fmt: skip
    wire = Wire([ANSWER])
    ours = book(any_database, time, replace(HOUSE, price=price), micro, currency)

    with pytest.raises(OverBudget, match=words):
        ours.ask(question(project), wire)

    assert wire.times == 0
    assert spent(any_database, project) == (0, 0)


def test_a_free_endpoint_needs_no_budget_and_a_probe_is_nobodys(
    any_database: sa.Engine, project: Project, time: Time
) -> None:
    free = book(any_database, time, replace(HOUSE, price=Price()), micro=None)

    assert free.ask(question(project, bound=0), Wire([replace(ANSWER, cost_micro=0)])).cost_micro == 0
    assert book(any_database, time, micro=None).ask(question(None, "probe"), Wire([ANSWER])).cost_micro == 100
    assert spent(any_database, project) == (0, 0)


def test_a_refusal_costs_nothing_and_is_tried_again_after_the_pause_that_was_asked_for(
    any_database: sa.Engine, project: Project, time: Time
) -> None:
    busy = EndpointUnavailable("busy", status=429, retry_after=7.0)
    wire = Wire([busy, busy, ANSWER])

    reply = book(any_database, time).ask(question(project), wire)

    assert (reply.cost_micro, wire.times) == (100, 3)
    assert time.slept == [7.0, 7.0]
    assert spent(any_database, project) == (100, 0)


def test_a_long_pause_is_left_to_the_job(any_database: sa.Engine, project: Project, time: Time) -> None:
    wire = Wire([EndpointUnavailable("busy", status=503, retry_after=600.0)])

    with pytest.raises(EndpointUnavailable, match="busy"):
        book(any_database, time).ask(question(project), wire)

    assert (wire.times, time.slept, state(any_database)) == (1, [], "failed")


def test_a_question_that_is_refused_for_good_costs_nothing(
    any_database: sa.Engine, project: Project, time: Time
) -> None:
    wire = Wire([Invalid("no such model", status=404)])

    with pytest.raises(Invalid, match="no such model"):
        book(any_database, time).ask(question(project), wire)

    assert (wire.times, state(any_database)) == (1, "failed")
    assert spent(any_database, project) == (0, 0)


def test_a_silent_endpoint_is_charged_for_and_never_asked_that_again(
    any_database: sa.Engine, project: Project, time: Time
) -> None:
    wire = Wire([EndpointSilent("no answer"), ANSWER])
    ours = book(any_database, time)

    for words in ("no answer", "not sent again"):
        with pytest.raises(EndpointSilent, match=words):
            ours.ask(question(project), wire)

    assert (wire.times, state(any_database)) == (1, "ambiguous")
    assert spent(any_database, project) == (150, 0)


def test_where_it_may_be_sent_again_every_attempt_is_paid_for(
    any_database: sa.Engine, project: Project, time: Time
) -> None:
    wire = Wire([EndpointSilent("no answer"), ANSWER])

    reply = book(any_database, time, replace(HOUSE, when_silent="retry")).ask(question(project), wire)

    assert (reply.body, wire.times, state(any_database)) == (ANSWER.body, 2, "done")
    assert spent(any_database, project) == (250, 0)


@pytest.mark.parametrize("when_silent", ["charge", "retry"])
def test_after_a_crash_in_flight_the_policy_decides(
    any_database: sa.Engine, project: Project, time: Time, when_silent: Literal["charge", "retry"]
) -> None:
    wire, endpoint = Wire([Crash(), ANSWER]), replace(HOUSE, when_silent=when_silent)
    with pytest.raises(Crash):
        book(any_database, time, endpoint).ask(question(project), wire)
    held = spent(any_database, project)
    time.at += timedelta(seconds=endpoint.timeout_s + 61)

    after = book(any_database, time, endpoint)
    if when_silent == "charge":
        with pytest.raises(EndpointSilent):
            after.ask(question(project), wire)
    else:
        assert after.ask(question(project), wire).body == ANSWER.body

    assert held == (0, 150)
    assert spent(any_database, project) == ((150, 0) if when_silent == "charge" else (250, 0))


def test_a_call_in_living_hands_is_waited_for_and_never_sent_twice(
    any_database: sa.Engine, project: Project, time: Time
) -> None:
    wire, second = Wire([ANSWER]), Wire([ANSWER])

    def slowly() -> Sent:
        with pytest.raises(EndpointUnavailable, match="asking the same"):
            book(any_database, Time()).ask(question(project), second)
        return wire()

    book(any_database, time).ask(question(project), slowly)

    assert (wire.times, second.times) == (1, 0)
    assert spent(any_database, project) == (100, 0)


def test_an_answer_that_comes_after_it_was_given_up_is_kept_and_its_price_put_right(
    any_database: sa.Engine, project: Project, time: Time
) -> None:
    def late() -> Sent:
        elsewhere = Time(time.at + timedelta(hours=1))
        with pytest.raises(EndpointSilent):
            book(any_database, elsewhere).ask(question(project), Wire([Crash()]))
        assert spent(any_database, project) == (150, 0)
        return ANSWER

    reply = book(any_database, time).ask(question(project), late)

    assert (reply.body, state(any_database)) == (ANSWER.body, "done")
    assert spent(any_database, project) == (100, 0)


def test_limits_a_minute_are_kept(any_database: sa.Engine, project: Project, time: Time) -> None:
    few = replace(HOUSE, limits=Limits(requests_a_minute=2))
    ours, left = book(any_database, time, few), []

    def send() -> Sent:
        left.append(time.at)
        return ANSWER

    for name in "abcde":
        ours.ask(question(project, name), send)

    gaps = [(later - earlier).total_seconds() for earlier, later in zip(left, left[2:], strict=False)]
    assert min(gaps) >= 60


def test_an_endpoint_that_keeps_failing_is_left_alone_and_tried_by_one(
    any_database: sa.Engine, project: Project, time: Time
) -> None:
    down = Wire([EndpointUnavailable("down", status=503, retry_after=100.0)])
    ours = book(any_database, time)
    for number in range(BREAK_AFTER):
        with pytest.raises(EndpointUnavailable, match="down"):
            ours.ask(question(project, f"d{number}"), down)

    with pytest.raises(EndpointUnavailable, match="in a row"):
        ours.ask(question(project, "next"), down)
    with reading(any_database) as session:
        (known,) = call_ledger.endpoint_states(session)
    time.at += timedelta(seconds=BREAK_S + 1)
    reply = ours.ask(question(project, "next"), Wire([ANSWER]))

    assert down.times == BREAK_AFTER
    assert (known.endpoint, known.failures_in_a_row) == ("house", BREAK_AFTER)
    assert reply.body == ANSWER.body
    with reading(any_database) as session:
        assert call_ledger.endpoint_states(session)[0].failures_in_a_row == 0


RUNS = 100


def test_a_budget_is_never_passed_in_a_hundred_random_runs(any_database: sa.Engine, project: Project) -> None:
    seen = []
    for seed in range(RUNS):
        with transaction(any_database) as session:
            session.execute(sa.delete(CallRow))
            session.execute(sa.delete(SpendRow))
        seen.append(_random_run(any_database, project.id, seed))

    assert all(billed <= held <= cap for billed, held, cap in seen), [s for s in seen if not s[0] <= s[1] <= s[2]]
    assert sum(held > cap * 0.6 for _, held, cap in seen) > RUNS / 2  # budgets were used, or nothing was shown


def _random_run(database: sa.Engine, project_id: ProjectId, seed: int) -> tuple[int, int, int]:
    """Threads ask in parallel while the wire refuses, keeps silent, bills without an answer, and workers die."""
    rng, time, lock = random.Random(seed), Time(), threading.Lock()
    cap, billed = rng.randint(200, 1_500), [0]
    endpoint = replace(
        HOUSE, timeout_s=1.0, when_silent=rng.choice(["charge", "retry"]), limits=Limits(at_once=rng.randint(1, 8))
    )
    asked = [(f"{rng.randint(0, 9)}", rng.randint(20, 300)) for _ in range(12)]
    fates = [rng.choice(["answer"] * 5 + ["busy", "silent", "billed", "crash", "no usage"]) for _ in range(200)]

    def worker(mine: list[tuple[str, int]]) -> None:
        ours = LedgerBook(database, endpoint, Budget(cap), owner="w", now=time.now, sleep=time.sleep, grace_s=0.0)
        for name, bound in mine:
            with suppress(EndpointUnavailable, OverBudget, Crash):
                ours.ask(Question("house", "m", f"{name:0>64}", project_id, bound), lambda bound=bound: send(bound))  # type: ignore[misc]

    def send(bound: int) -> Sent:
        with lock:
            fate, cost = fates.pop(), rng.randint(1, bound)
            if fate == "busy":
                raise EndpointUnavailable("busy", retry_after=0.5)
            if fate == "silent":
                raise EndpointSilent("nothing came")
            billed[0] += cost
        if fate == "billed":
            raise EndpointSilent("billed, and nothing came")
        if fate == "crash":
            raise Crash
        return Sent(200, "{}", 1, 1, None if fate == "no usage" else cost)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(worker, [asked[start::3] for start in range(3)]))
    with reading(database) as session:
        found = call_ledger.spending(session, project_id)
    return billed[0], found.spent_micro + found.reserved_micro, cap
