"""When people are asked no more: each rule at its limit, and never by what is not yet known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labeling.estimates import Estimate
from labeling.project import Stop
from labeling.review.stopping import Progress, rules, stopped_by

AT = Progress(
    answers=200,
    hours=2.5,
    money=80.0,
    currency="EUR",
    accuracy=Estimate(0.93, 0.9, 0.95, 120),
    gain=Estimate(0.004, -0.02, 0.03, 120),
    more=100,
)


@pytest.mark.parametrize(
    ("stop", "holds"),
    [
        (Stop(accuracy=0.9), True),
        (Stop(accuracy=0.91), False),
        (Stop(gain=0.0041), True),
        (Stop(gain=0.004), False),
        (Stop(answers=200), True),
        (Stop(answers=201), False),
        (Stop(hours=2.5), True),
        (Stop(hours=2.6), False),
        (Stop(money=80, wage=32), True),
        (Stop(money=80.01, wage=32), False),
    ],
)
def test_a_rule_holds_from_its_limit_on(stop: Stop, holds: bool) -> None:
    found = rules(stop, AT)

    assert [rule.holds for rule in found] == [holds]
    assert stopped_by(found) == (found[0] if holds else None)


def test_what_is_not_yet_known_stops_nothing_and_says_so() -> None:
    found = rules(Stop(accuracy=0.01, gain=0.99), replace(AT, accuracy=None, gain=None))

    assert [rule.holds for rule in found] == [False, False]
    assert all("not yet known" in rule.words for rule in found)


def test_the_first_of_several_is_named_and_none_without_rules() -> None:
    found = rules(Stop(accuracy=0.99, answers=100, hours=1), AT)

    assert [rule.key for rule in found] == ["accuracy", "answers", "hours"]
    stopped = stopped_by(found)
    assert stopped is not None and stopped.key == "answers"
    assert rules(Stop(), AT) == () and stopped_by(()) is None


def test_words_hold_the_numbers() -> None:
    words = [rule.words for rule in rules(Stop(accuracy=0.95, gain=0.01, answers=1_000, hours=5, money=99, wage=1), AT)]

    assert words == [
        "accuracy on the collection: at least 90.0% (estimate 93.0%); enough from 95.0% on",
        "the next 100 labels: expected to add 0.4 points (-2.0 to 3.0); too little under 1 points",
        "200 of 1,000 answers",
        "2.5 of 5 hours of work",
        "80.00 of 99.00 EUR for people and engines",
    ]
