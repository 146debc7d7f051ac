"""Whether a data set can be shipped: each state of a criterion, and a verdict that no doubt turns into a yes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.estimates import Estimate
from labeling.project import Targets
from labeling.quality.labels.readiness import Criterion, State, Verdict, count, judge, measured, verdict_on

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "label-quality.md"
GOOD, BAD = Estimate(0.95, 0.93, 0.97, 200), Estimate(0.5, 0.4, 0.6, 200)


@pytest.mark.parametrize(
    ("criterion", "state"),
    [
        (measured("gold", GOOD, 0.9, at_least=True), State.MET),
        (measured("gold", BAD, 0.9, at_least=True), State.MISSED),
        (measured("gold", Estimate(0.9, 0.85, 0.95, 200), 0.9, at_least=True), State.OPEN),
        (measured("gold", Estimate(0.95, 0.9, 0.97, 200), 0.9, at_least=True), State.MET),
        (measured("gold", Estimate(0.85, 0.8, 0.9, 200), 0.9, at_least=True), State.OPEN),
        (measured("gold", Estimate(1.0, 0.9, 1.0, 29), 0.9, at_least=True), State.OPEN),
        (measured("gold", None, 0.9, at_least=True), State.OPEN),
        (measured("gold", BAD, None, at_least=True), State.INFORMATION),
        (measured("label_errors", Estimate(0.02, 0.01, 0.04, 500), 0.05, at_least=False), State.MET),
        (measured("label_errors", Estimate(0.09, 0.06, 0.12, 500), 0.05, at_least=False), State.MISSED),
        (measured("label_errors", Estimate(0.05, 0.02, 0.08, 500), 0.05, at_least=False), State.OPEN),
        (measured("label_errors", Estimate(0.08, 0.05, 0.12, 500), 0.05, at_least=False), State.OPEN),
        (count("disputes", 0, 3, 0, at_least=False), State.MET),
        (count("disputes", 1, 3, 0, at_least=False), State.MISSED),
        (count("classes", 10, 3, 10, at_least=True), State.MET),
        (count("classes", 9, 3, 10, at_least=True), State.MISSED),
    ],
)
def test_a_criterion_is_met_or_missed_only_when_its_whole_interval_is(criterion: Criterion, state: State) -> None:
    assert criterion.state is state


@given(st.lists(st.sampled_from(list(State))))
def test_a_doubt_never_becomes_a_yes_and_a_miss_never_a_maybe(states: list[State]) -> None:
    verdict = verdict_on(states)

    assert (verdict is Verdict.NOT_YET) == (State.MISSED in states)
    if verdict is Verdict.YES:
        assert State.MET in states and State.OPEN not in states
    assert verdict_on([*states, State.INFORMATION]) is verdict


def test_what_is_missed_is_named_before_what_is_not_yet_known() -> None:
    criteria = [
        measured("agreement", None, 0.667, at_least=True),
        count("alarms", 0, 0, 0, at_least=False),
        count("disputes", 2, 9, 0, at_least=False),
    ]

    verdict, why = judge(criteria)

    assert verdict is Verdict.NOT_YET
    assert [one.name for one in why] == ["disputes", "agreement"]


def test_nothing_judged_is_not_known() -> None:
    assert judge([])[0] is Verdict.UNKNOWN


def test_the_page_gives_the_targets_of_the_code() -> None:
    rows = [[cell.strip() for cell in line.split("|")] for line in PAGE.read_text().splitlines() if line[:3] == "| `"]

    of_code = asdict(Targets())

    targets = {row[1].strip("`"): row[3] for row in rows if row[1].strip("`") in of_code}

    assert {name: _number(words) for name, words in targets.items()} == of_code


def _number(target: str) -> float:
    """The number in "at least 80 %"."""
    *_, number = target.removesuffix(" %").split()
    return float(number) / (100 if target.endswith("%") else 1)
