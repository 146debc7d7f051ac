"""Savings and stopping: from answers and figures to the query that is not made, the page, the API and the command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from db.session import reading, transaction
from labeling.errors import Invalid
from labeling.jobs import Role, Trigger
from labeling.project import CertificateTerms, Policy, Project, Stop
from labeling.types import ReviewKind
from service.figures.estimates import Known
from service.projects.project_file import parse_project
from service.projects.savings import Savings, saved_in_words, savings_of
from service.work.learn.learn import learn
from service.work.quality.random_arm import refresh_random_arm
from service.work.select.query import choose_query
from tests import factories
from tests.conftest import NOW
from tests.service.cli.test_cli import Cli
from tests.service.labelled_pool import Ground, make_ground
from tests.service.web.test_web_pages import HTML, log_in
from tests.service.web_client import bearer, make_key, web

HARD, RANDOM = ReviewKind.HARD, ReviewKind.RANDOM
FILE = "name: animals\nlabels: [cat, dog]\npolicy:\n  stop: {%s}\n"


@pytest.fixture
def make(database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]) -> Callable[..., Ground]:
    def made(**stop: Any) -> Ground:
        project = make_project(database, policy=Policy(query_size=8, low_water=1_000, stop=Stop(**stop)))
        return make_ground(database, tmp_path, project, pool=60, reserved=60)

    return made


def asked(ground: Ground, *, force: bool = False) -> int:
    return choose_query(ground.parts, ground.project.id, Trigger.HAND, force=force)["asked"]


def found(ground: Ground) -> Savings:
    with reading(ground.parts.database) as session:
        return savings_of(session, ground.project, NOW)


def answered(ground: Ground, seconds: float) -> None:
    """One person answers one review in so many seconds."""
    with transaction(ground.parts.database) as session:
        review = factories.review(session, ground.project.id, ground.pool[0])
        person = factories.annotator(session, ground.project.id, "ada")
        factories.annotation(session, review, "cat", annotator_id=person, lead_time_s=seconds)


def test_without_rules_people_are_asked_and_what_is_not_known_says_so(make: Callable[..., Ground]) -> None:
    ground = make()

    assert asked(ground) == 8
    assert (found(ground).rules, found(ground).stopped_by) == ([], None)
    assert not found(ground).gain.known and not found(ground).saved.known


@pytest.mark.parametrize(
    ("value", "lower", "upper", "words"),
    [
        (None, None, None, "not yet known"),
        (2.0, 1.4, 3.1, "saved answers: a random sample needs 1.40 times as many at least"),
        (3.0, 1.1, None, "saved answers: a random sample needs 1.10 times as many at least"),
        (1.2, 0.9, 1.6, "not known to have saved anything"),
        (0.9, 0.5, None, "not known to have saved anything"),
        (0.6, 0.4, 0.8, "saved nothing: a random sample needs 0.80 times as many at most"),
    ],
)
def test_where_nothing_was_saved_it_says_so(
    value: float | None, lower: float | None, upper: float | None, words: str
) -> None:
    assert words in saved_in_words(Known(known=value is not None, n=50, value=value, lower=lower, upper=upper))


def test_a_limit_of_answers_stops_the_queries_until_somebody_forces_one(make: Callable[..., Ground]) -> None:
    ground = make(answers=1)
    assert asked(ground) == 8

    answered(ground, 30)

    stopped = found(ground).stopped_by
    assert stopped is not None and stopped.words == "1 of 1 answers"
    assert (asked(ground), asked(ground, force=True)) == (0, 8)


def test_hours_and_money_are_counted_with_ten_minutes_an_answer_at_most(make: Callable[..., Ground]) -> None:
    ground = make(hours=1, money=5, wage=30)

    answered(ground, 7_200)

    assert found(ground).hours == 0.17
    hours, money = found(ground).rules
    assert (hours.holds, money.holds) == (False, True)
    assert money.words == "5.00 of 5.00 USD for people and engines"
    assert asked(ground) == 0


def test_three_versions_and_forty_answers_of_the_stream_give_an_expected_gain_that_may_stop_it(
    make: Callable[..., Ground],
) -> None:
    ground = make(gain=0.9)
    for first, last in ((0, 12), (12, 24), (24, 36)):
        ground.label(ground.pool[first:last], HARD)
        learn(ground.parts, ground.project.id, Trigger.HAND)
    ground.label(ground.reserved[:44], RANDOM)
    assert asked(ground) == 8

    refresh_random_arm(ground.parts, ground.project.id)

    gain = found(ground).gain
    assert gain.known and gain.n == 44 and gain.lower is not None and gain.upper is not None and gain.value is not None
    assert gain.lower <= gain.value <= gain.upper
    stopped = found(ground).stopped_by
    assert stopped is not None and stopped.key == "gain"
    assert asked(ground) == 0


def test_page_api_and_command_tell_the_same(make: Callable[..., Ground], database: sa.Engine, tmp_path: Path) -> None:
    ground = make(answers=1, accuracy=0.9)
    answered(ground, 30)

    with web(database, tmp_path) as client:
        key = make_key(database, Role.ENGINEER)
        given = client.get("/api/projects/animals/savings", headers=bearer(key)).json()
        client.headers.update(HTML)
        log_in(client, key)
        page = " ".join(client.get("/projects/animals/savings").text.split())
    command = Cli(tmp_path).document("savings", "animals")

    assert given == command
    assert given["stopped_by"] == {"key": "answers", "holds": True, "words": "1 of 1 answers"}
    assert [rule["holds"] for rule in given["rules"]] == [False, True]
    assert "People are asked no more: 1 of 1 answers." in page
    assert given["saved_in_words"] in page and given["saved_in_words"] in Cli(tmp_path)("savings", "animals").stdout
    assert "accuracy on the collection: not yet known; enough from 90.0% on" in page


def test_with_a_target_page_and_command_say_what_is_promised_and_when_it_is_tried_next(
    make_project: Callable[..., Project], database: sa.Engine, tmp_path: Path
) -> None:
    make_project(
        database, policy=Policy(certificate=CertificateTerms(precision=0.9, confidence=0.9, first_size=50, sizes=1))
    )
    with web(database, tmp_path) as client:
        key = make_key(database, Role.ENGINEER)
        client.headers.update(HTML)
        log_in(client, key)
        page = " ".join(client.get("/projects/animals/savings").text.split())
    told = " ".join(Cli(tmp_path)("savings", "animals").stdout.split())

    for words in ("No certificate stands: nothing is promised.", "The worker has not noted these terms yet"):
        assert words in page and words in told


@pytest.mark.parametrize(
    ("written", "mistake"),
    [
        ("accuracy: 1", "accuracy"),
        ("gain: 0", "gain"),
        ("answers: 0", "answers"),
        ("hours: -1", "hours"),
        ("money: 10", "wage"),
        ("labels: 10", "labels"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_with_its_place(written: str, mistake: str) -> None:
    with pytest.raises(Invalid, match=mistake):
        parse_project(FILE % written)


def test_rules_are_read_from_the_project_file() -> None:
    stop = parse_project(FILE % "accuracy: 0.95, answers: 500, money: 100, wage: 25").policy.stop

    assert stop == Stop(accuracy=0.95, answers=500, money=100, wage=25)
