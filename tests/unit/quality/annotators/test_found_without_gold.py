"""The rule that pauses on the benchmark's teams: second answers by the product's own rule, without gold and with it."""

from __future__ import annotations

import pytest

from bench.annotators import BAD_ERROR, HONEST_ERROR, chance_on_gold, found_after, paused_ever
from labeling.quality.annotators.pausing import ALPHA


def test_somebody_who_errs_in_half_is_found_within_100_answers_and_nobody_else_is() -> None:
    found = [found_after(seed, [BAD_ERROR, *[HONEST_ERROR] * 2], 10) for seed in range(20)]

    assert sum(0 in one for one in found) >= 19
    assert not any(one.keys() - {0} for one in found)


def test_an_honest_team_is_left_alone() -> None:
    assert not any(found_after(seed, [HONEST_ERROR] * 3, 10) for seed in range(20))


@pytest.mark.parametrize(("people", "gold", "leads"), [(3, 30, False), (5, 30, False), (2, 0, True), (3, 30, True)])
def test_an_honest_team_is_left_alone_over_a_whole_project(people: int, gold: int, leads: bool) -> None:
    found = [paused_ever(seed, [HONEST_ERROR] * people, 30, gold, leads=leads) for seed in range(5)]

    assert not any(found)


@pytest.mark.parametrize("gold", [0, 30])
def test_who_errs_in_half_is_found_all_the_same_where_leads_decide(gold: int) -> None:
    found = [paused_ever(seed, [BAD_ERROR, *[HONEST_ERROR] * 2], 10, gold, leads=True) for seed in range(5)]

    assert found == [{0}] * 5


def test_gold_alone_pauses_one_honest_person_in_two_hundred_at_most_and_who_errs_as_tolerated_within_its_level() -> (
    None
):
    assert chance_on_gold(HONEST_ERROR, 2) == pytest.approx(HONEST_ERROR**2)  # the first two are enough
    assert chance_on_gold(HONEST_ERROR) < 0.005 < chance_on_gold(0.08) < ALPHA
