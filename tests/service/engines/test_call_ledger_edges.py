"""The ledger where it is easily wrong: what dead workers hold, what opens the breaker, memory without a budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from db.repositories.engines import call_ledger
from db.session import reading
from labeling.errors import EndpointUnavailable, Invalid, OverBudget
from labeling.project import Project
from service.work.engines.call_ledger import BREAK_AFTER
from tests.service.engines.test_call_ledger import ANSWER, HOUSE, Crash, Time, Wire, book, question, spent


class _DiesBeforeItSends(Time):
    """The process dies when the intent is written, at the third look at the clock."""

    looks = 0

    def now(self) -> datetime:
        self.looks += 1
        if self.looks == 3:
            raise Crash
        return self.at


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def project(any_database: sa.Engine, make_project: Callable[..., Project]) -> Project:
    return make_project(any_database)


def test_what_a_dead_worker_holds_is_booked_when_room_is_wanted_though_nobody_asks_that_again(
    any_database: sa.Engine, project: Project, time: Time
) -> None:
    ours = book(any_database, time, micro=300)
    with pytest.raises(Crash):
        ours.ask(question(project, "sent"), Wire([Crash()]))
    time.at += timedelta(hours=1)

    reply = ours.ask(question(project, "a"), Wire([ANSWER]))
    with pytest.raises(OverBudget):
        ours.ask(question(project, "b"), Wire([ANSWER]))

    assert reply.body == ANSWER.body
    assert sum(spent(any_database, project)) == 250


def test_what_was_never_sent_is_free_again(any_database: sa.Engine, project: Project, time: Time) -> None:
    ours = book(any_database, _DiesBeforeItSends(at=time.at), micro=200)
    with pytest.raises(Crash):
        ours.ask(question(project, "never sent"), Wire([ANSWER]))
    held = spent(any_database, project)
    time.at += timedelta(hours=1)

    reply = book(any_database, time, micro=200).ask(question(project, "a"), Wire([ANSWER]))

    assert (held, reply.body) == ((0, 150), ANSWER.body)
    assert spent(any_database, project) == (100, 0)


def test_questions_that_are_refused_for_good_do_not_open_the_breaker(
    any_database: sa.Engine, project: Project, time: Time
) -> None:
    ours = book(any_database, time)
    for number in range(BREAK_AFTER + 1):
        with pytest.raises(Invalid):
            ours.ask(question(project, f"r{number}"), Wire([Invalid("filtered", status=400)]))

    reply = ours.ask(question(project), Wire([ANSWER]))

    assert reply.body == ANSWER.body


def test_one_question_that_keeps_failing_does_not_open_the_breaker_alone(
    any_database: sa.Engine, project: Project, time: Time
) -> None:
    ours, wire = book(any_database, time), Wire([*[EndpointUnavailable("busy", status=503)] * 6, ANSWER])
    for _ in range(2):
        with pytest.raises(EndpointUnavailable, match="busy"):
            ours.ask(question(project), wire)

    reply = ours.ask(question(project), wire)

    assert (reply.body, wire.times) == (ANSWER.body, 7)
    with reading(any_database) as session:
        assert call_ledger.endpoint_states(session)[0].failures_in_a_row == 0


def test_what_is_in_memory_needs_neither_budget_nor_price(
    any_database: sa.Engine, project: Project, time: Time
) -> None:
    book(any_database, time).ask(question(project), Wire([ANSWER]))

    without = book(any_database, time, replace(HOUSE, price=None), micro=None)

    assert without.ask(question(project), Wire([])).cached
