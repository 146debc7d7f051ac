"""Exact intervals over finite collections: against their definition, against scipy, and in replays with known truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, hypergeom

from bench.numbers import REPLAYS, replayed
from labeling.errors import Invalid
from labeling.quality.finite_samples import (
    Stratum,
    finite_interval,
    finite_share,
    share_of_cohorts,
    share_of_what_is_left,
)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 80))
@settings(max_examples=60, deadline=None)
def test_the_ends_are_the_outermost_truths_that_the_test_does_not_refuse(hits: int, missed: int, left: int) -> None:
    drawn, size = hits + missed, hits + missed + left

    lower, upper = finite_interval(hits, drawn, size)

    possible = np.arange(hits, size - missed + 1)
    kept = possible[
        (hypergeom.sf(hits - 1, size, possible, drawn) > 0.025) & (hypergeom.cdf(hits, size, possible, drawn) > 0.025)
    ]
    assert (lower, upper) == (kept.min(), kept.max())


@pytest.mark.parametrize("right", [0, 1, 12, 39, 40])
def test_every_truth_is_covered_in_ninety_five_of_a_hundred_samples(right: int) -> None:
    hits = np.arange(16)
    chance = hypergeom.pmf(hits, 40, right, 15)

    covered = sum(p for k, p in zip(hits, chance, strict=True) if p and _holds(finite_interval(int(k), 15, 40), right))

    assert covered >= 0.95


def _holds(interval: tuple[int, int], truth: int) -> bool:
    return interval[0] <= truth <= interval[1]


def test_of_a_huge_collection_it_is_the_interval_of_clopper_and_pearson() -> None:
    ours, theirs = finite_share(10, 300, 1_000_000), binomtest(10, 300).proportion_ci(method="exact")

    assert (ours.lower, ours.upper) == pytest.approx((theirs.low, theirs.high), abs=1e-4)


def test_where_all_were_drawn_it_is_the_truth_and_where_none_was_anything() -> None:
    assert finite_share(30, 40, 40).lower == finite_share(30, 40, 40).upper == 0.75
    assert (finite_share(0, 0, 9).lower, finite_share(0, 0, 9).upper, finite_share(0, 0, 9).known) == (0, 1, False)
    assert (finite_share(0, 0, 0).lower, finite_share(0, 0, 0).upper) == (0, 1)


@pytest.mark.parametrize("counts", [(3, 2, 10), (-1, 2, 10), (1, 11, 10)])
def test_counts_that_contradict_each_other_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(Invalid, match="count each group once"):
        finite_interval(*counts)


def test_one_stratum_alone_has_the_exact_interval_of_its_undrawn_groups() -> None:
    found, (lower, upper) = share_of_what_is_left([Stratum(90, 100, 400)]), finite_interval(90, 100, 500)

    assert (found.value, found.n) == (0.9, 100)
    assert (found.lower, found.upper) == pytest.approx(((lower - 90) / 400, (upper - 90) / 400))


def test_strata_weigh_by_what_is_left_of_them_and_not_by_what_was_drawn() -> None:
    found = share_of_what_is_left([Stratum(100, 100, 300), Stratum(0, 50, 100)])

    assert found.value == pytest.approx(0.75)


def test_shadow_picks_of_which_none_was_drawn_may_all_be_wrong_or_right() -> None:
    sure = share_of_what_is_left([Stratum(100, 100, 900)])
    open_ = share_of_what_is_left([Stratum(100, 100, 900), Stratum(0, 0, 100)])

    assert open_.value == sure.value == 1
    assert open_.lower == pytest.approx(0.9 * sure.lower) and open_.upper == 1


def test_what_is_left_rests_on_no_drawn_group_of_a_stratum_of_which_nothing_is_left() -> None:
    found = share_of_what_is_left([Stratum(2, 2, 215), Stratum(90, 102, 0)])

    assert found == share_of_what_is_left([Stratum(2, 2, 215)])
    assert found.n == 2 and not found.known


def test_nothing_left_and_nothing_drawn_are_not_yet_known() -> None:
    for strata in ([], [Stratum(0, 0, 10)], [Stratum(5, 9, 0)]):
        assert share_of_what_is_left(strata).n == 0


def test_one_cohort_is_the_collection_and_several_weigh_by_their_groups() -> None:
    alone, whole = share_of_cohorts([Stratum(90, 100, 400)]), finite_share(90, 100, 500)
    both = share_of_cohorts([Stratum(100, 100, 900), Stratum(0, 50, 2_950)])

    assert (alone.value, alone.n) == (whole.value, whole.n)
    assert (alone.lower, alone.upper) == pytest.approx((whole.lower, whole.upper))
    assert both.value == pytest.approx(0.25)
    assert share_of_cohorts([Stratum(0, 0, 9)]).n == 0


def test_newcomers_of_which_nobody_was_asked_about_may_all_be_wrong_or_right() -> None:
    found = share_of_cohorts([Stratum(100, 100, 0), Stratum(0, 0, 300)])

    assert (found.value, found.lower, found.upper) == (1, 0.25, 1)


# test_numbers plays whole projects, *as stored*: each takes seconds
@pytest.mark.parametrize(
    "name",
    [name for name in REPLAYS if name.startswith("accuracy on") and "vectors" not in name and "as stored" not in name],
)
def test_shown_accuracies_cover_the_truth_and_are_hardly_wider_than_a_uniform_samples(name: str) -> None:
    found = replayed(REPLAYS[name], 60)

    assert found.covers
    if found.seeds >= 30:  # where all newcomers were mostly drawn, few seeds show anything
        assert found.width_ratio is None or found.width_ratio <= 1.25  # 1.2 over many seeds
    assert found.error_ratio is not None and found.error_ratio <= 0.35  # .25 over many seeds
