"""Which labels are re-reviewed: an eighth by suspicion, the rest by chance, and plans that grow with what was asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.quality.labels.re_review_plan import asked_plan, chance_order, next_plan, plan_re_reviews


@given(st.integers(0, 200), st.integers(0, 120), st.integers(0, 1_000))
def test_an_eighth_are_the_most_suspicious_and_the_rest_are_others(n: int, m: int, seed: int) -> None:
    suspicion = np.random.default_rng(seed).random(n)

    plan = plan_re_reviews(suspicion, m, np.random.default_rng(seed).permutation(n))

    both = np.concatenate([plan.suspicious, plan.uniform])
    assert len(both) == len(np.unique(both)) == min(m, n)
    assert len(plan.suspicious) == min(m, n) // 8
    assert set(plan.suspicious) == set(np.argsort(-suspicion)[: len(plan.suspicious)])


def test_the_rest_is_drawn_uniformly_from_all_others() -> None:
    suspicion, times = np.arange(40.0), np.zeros(40)
    for seed in range(2_000):
        times[plan_re_reviews(suspicion, 16, np.random.default_rng(seed).permutation(40)).uniform] += 1

    assert not times[-2:].any()
    assert times[:38] == pytest.approx(np.full(38, 2_000 * 14 / 38), rel=0.2)


def test_a_larger_plan_of_the_same_order_holds_the_smaller_one() -> None:
    suspicion = np.random.default_rng(3).random(200)

    plans = [plan_re_reviews(suspicion, m, np.random.default_rng(5).permutation(200)) for m in (30, 60, 90)]

    asked = [set(plan.suspicious) | set(plan.uniform) for plan in plans]
    assert asked[0] < asked[1] < asked[2]


def test_a_label_without_a_prediction_is_the_least_suspicious() -> None:
    suspicion = np.array([np.nan, 0.1, 0.2, np.nan, 0.0, *[np.nan] * 11])

    assert plan_re_reviews(suspicion, 16, np.random.default_rng(0).permutation(16)).suspicious.tolist() == [2, 1]


@given(st.integers(1, 60), st.integers(0, 40), st.integers(0, 1_000))
def test_the_next_plan_asks_for_so_many_and_is_whole_once_they_were_asked(n: int, more: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    suspicion, order, asked = rng.random(n), rng.permutation(n), rng.random(n) < 0.3

    plan = next_plan(suspicion, order, asked, more)

    new = [at for at in plan.all.tolist() if not asked[at]]
    assert len(new) == min(more, int((~asked).sum()))
    asked[new] = True
    whole = asked_plan(suspicion, order, asked)
    assert asked[whole.all].all() and set(plan.all.tolist()) <= set(whole.all.tolist())


def test_nothing_is_planned_of_no_labels() -> None:
    nothing = np.empty(0)

    assert not len(next_plan(nothing, np.empty(0, np.int64), np.empty(0, bool), 30).all)


def test_labels_that_come_later_find_their_places_and_change_no_other() -> None:
    ids = list(range(1, 400))

    before, after = chance_order(ids[:200], 7, "salt"), chance_order(ids, 7, "salt")

    assert [at for at in after.tolist() if at < 200] == before.tolist()
    assert before.tolist() != chance_order(ids[:200], 8, "salt").tolist()
    assert before.tolist() != chance_order(ids[:200], 7, "pepper").tolist()
    assert before.tolist() != sorted(before.tolist())
