"""The share of wrong labels: what is re-reviewed, what counts, and that the interval covers the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from bench.numbers import REPLAYS, replayed
from labeling.errors import Invalid
from labeling.quality.finite_samples import finite_interval
from labeling.quality.labels.wrong_labels import (
    Outcome,
    at_least,
    plan_re_reviews,
    prospect,
    re_reviews_for_width,
    wrong_labels,
)

UPHELD, WRONG, OPEN = Outcome.UPHELD, Outcome.WRONG, Outcome.OPEN


@given(st.integers(0, 200), st.integers(0, 120), st.integers(0, 1_000))
def test_a_third_are_the_most_suspicious_and_the_rest_are_others(n: int, m: int, seed: int) -> None:
    suspicion = np.random.default_rng(seed).random(n)

    plan = plan_re_reviews(suspicion, m, np.random.default_rng(seed))

    both = np.concatenate([plan.suspicious, plan.uniform])
    assert len(both) == len(np.unique(both)) == min(m, n)
    assert len(plan.suspicious) == min(m, n) // 3
    assert set(plan.suspicious) == set(np.argsort(-suspicion)[: len(plan.suspicious)])


def test_the_rest_is_drawn_uniformly_from_all_others() -> None:
    suspicion, times = np.arange(40.0), np.zeros(40)
    for seed in range(2_000):
        times[plan_re_reviews(suspicion, 12, np.random.default_rng(seed)).uniform] += 1

    assert not times[-4:].any()
    assert times[:36] == pytest.approx(np.full(36, 2_000 * 8 / 36), rel=0.2)


def test_a_larger_plan_of_the_same_seed_holds_the_smaller_one() -> None:
    suspicion = np.random.default_rng(3).random(200)

    plans = [plan_re_reviews(suspicion, m, np.random.default_rng(5)) for m in (30, 60, 90)]

    asked = [set(plan.suspicious) | set(plan.uniform) for plan in plans]
    assert asked[0] < asked[1] < asked[2]


def test_a_label_without_a_prediction_is_the_least_suspicious() -> None:
    suspicion = np.array([np.nan, 0.1, 0.2, np.nan, 0.0, np.nan])

    assert plan_re_reviews(suspicion, 6, np.random.default_rng(0)).suspicious.tolist() == [2, 1]


def test_the_estimate_and_its_interval_are_those_of_the_contract() -> None:
    found = wrong_labels([WRONG] * 7 + [UPHELD] * 13, [WRONG] * 2 + [UPHELD] * 38, 500)

    assert found is not None
    lower, upper = finite_interval(2, 40, 480)
    assert found.share.value == pytest.approx((7 + 2 * 480 / 40) / 500)
    assert (found.share.lower, found.share.upper) == pytest.approx(((7 + lower) / 500, (7 + upper) / 500))
    assert (found.share.n, found.wrong, found.open) == (60, 9, 0)


def test_an_open_one_counts_half_and_widens_the_interval_to_both_sides() -> None:
    wrong, open_, upheld = (
        wrong_labels([UPHELD] * 20, [one] * 2 + [UPHELD] * 38, 300) for one in (WRONG, OPEN, UPHELD)
    )

    assert wrong is not None and open_ is not None and upheld is not None
    assert open_.share.value == pytest.approx(wrong.share.value / 2) and open_.open == 2
    assert (open_.share.lower, open_.share.upper) == (upheld.share.lower, wrong.share.upper)


def test_under_thirty_re_reviews_or_without_a_uniform_draw_it_is_not_yet_known() -> None:
    assert wrong_labels([WRONG] * 9, [UPHELD] * 20, 300) is None
    assert wrong_labels([WRONG] * 40, [], 300) is None
    assert wrong_labels([], [UPHELD] * 30, 30) is not None


def test_when_all_labels_were_re_reviewed_the_share_is_known_exactly() -> None:
    found = wrong_labels([WRONG] * 4 + [UPHELD] * 6, [WRONG] + [UPHELD] * 29, 40)

    assert found is not None
    assert found.share.lower == found.share.value == found.share.upper == pytest.approx(5 / 40)


def test_more_re_reviews_than_labels_are_refused() -> None:
    with pytest.raises(Invalid, match="count each label once"):
        wrong_labels([WRONG] * 20, [UPHELD] * 20, 39)


def test_double_answers_give_a_lower_bound_and_no_upper_one() -> None:
    found = at_least(8, 100)

    assert found.lower == pytest.approx(binomtest(8, 100).proportion_ci(method="exact").low / 2)
    assert (found.value, found.upper, found.n) == (0.04, 1.0, 100)
    assert (at_least(0, 50).lower, at_least(0, 0).known) == (0.0, False)
    assert at_least(50, 50).lower < 0.5


def test_more_re_reviews_make_it_narrower_and_say_how_many_would_do() -> None:
    few, many = prospect(300, None), prospect(300, wrong_labels([UPHELD] * 20, [WRONG] + [UPHELD] * 39, 300))

    assert few.width_now is None and many.width_now is not None
    assert many.width_then < min(many.width_now, few.width_then)
    assert prospect(40, wrong_labels([UPHELD] * 10, [UPHELD] * 20, 40)).more == 10
    assert re_reviews_for_width(29, 0.1) is None
    enough = re_reviews_for_width(100_000, 0.05)
    assert enough is not None and 200 < enough < 1_000


@pytest.mark.parametrize("name", [name for name in REPLAYS if name.startswith("share of wrong labels")])
def test_the_interval_covers_the_true_share_though_re_reviewers_err(name: str) -> None:
    found = replayed(REPLAYS[name], 40)

    assert found.covers
    assert found.error_ratio <= 0.4  # .25 over many seeds
