"""The band of unsampled errors: against every row there is, against scipy, and against published levels."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import hypergeom

from bench.certify import chain
from labeling.certify.band import band, crossing_chance, errors_allowed, most_left
from labeling.errors import Invalid
from labeling.quality.finite_samples import finite_interval


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 60), st.floats(0.005, 0.45))
@settings(max_examples=60, deadline=None)
def test_a_bound_by_itself_is_the_end_of_the_exact_interval(hits: int, missed: int, left: int, level: float) -> None:
    drawn, size = hits + missed, hits + missed + left

    ours = int(most_left(hits, drawn, size, level))

    assert ours == finite_interval(hits, drawn, size, 1 - 2 * level)[1] - hits
    assert hypergeom.cdf(hits, size, ours + hits, drawn) > level
    assert ours == left or hypergeom.cdf(hits, size, ours + 1 + hits, drawn) <= level


@pytest.mark.parametrize(("size", "drawn"), [(7, 3), (9, 4), (10, 6), (10, 1)])
@pytest.mark.parametrize("left", [[0], [1, 2], [0, 0, 2], [2, 3, 3]])
def test_the_chance_of_falling_short_is_that_of_all_rows(size: int, drawn: int, left: list[int]) -> None:
    some = np.array([bound for bound in left if bound < size - drawn][:drawn])

    rows = [_short(np.isin(np.arange(size), one), some) for one in combinations(range(size), drawn)]

    assert crossing_chance(size, drawn, some) == pytest.approx(np.mean(rows))


def _short(row: NDArray[np.bool_], left: NDArray[np.int64]) -> bool:
    """Whether for any h at most h ones come before the zero that follows the first `left[h]` ones."""
    zeros = np.flatnonzero(~row)
    return any(row[: zeros[bound]].sum() <= h for h, bound in enumerate(left))


@pytest.mark.parametrize(("size", "drawn", "precision"), [(40, 12, 0.7), (500, 100, 0.9), (5_000, 200, 0.95)])
@pytest.mark.parametrize("delta", [0.05, 0.1, 0.3])
def test_the_local_level_is_the_largest_at_which_all_bounds_hold_together(
    size: int, drawn: int, precision: float, delta: float
) -> None:
    limit = int(errors_allowed(size - drawn, precision))

    found = band(size, drawn, delta, limit)

    higher = most_left(np.arange(drawn), drawn, size, found.level * 1.001 + 1e-5)
    assert found.left == tuple(sorted(found.left)) and max(found.left, default=0) <= limit
    assert crossing_chance(size, drawn, np.array(found.left, int)) <= delta
    assert found.level == delta or crossing_chance(size, drawn, higher[higher <= limit]) > delta


@pytest.mark.parametrize(("drawn", "published"), [(100, 0.068), (200, 0.044), (500, 0.027), (1_000, 0.022)])
def test_the_chain_of_ninety_one_ranks_has_the_levels_that_were_published(drawn: int, published: float) -> None:
    """Bad there: sampled and unsampled errors together are too many, and K_g of them are tested at each rank."""
    level, ranks, most = chain(5_000, drawn, 0.95, 0.1)

    assert level == pytest.approx(published, abs=0.001)
    assert ranks[0] == 500 and ranks[-1] == 5_000 and (np.diff(most) >= 0).all()


def test_a_tested_bound_at_every_number_of_errors_costs_little_against_ninety_one_ranks() -> None:
    levels = [band(5_000, n, 0.1, int(errors_allowed(5_000 - n, 0.95))).level for n in (100, 200, 500, 1_000)]

    assert levels == pytest.approx([0.068, 0.041, 0.024, 0.019], abs=0.002)


def test_of_five_thousand_rows_by_chance_as_many_fall_short_as_computed() -> None:
    found, rng = band(2_000, 300, 0.1, 170), np.random.default_rng(0)

    rows = [rng.permutation(2_000) < 300 for _ in range(5_000)]
    short = sum(_short(row, np.array(found.left)) for row in rows)

    assert short / len(rows) == pytest.approx(crossing_chance(2_000, 300, np.array(found.left)), abs=0.016)


def test_shares_that_binary_numbers_miss_are_rounded_like_decimals() -> None:
    tens, twenties = np.arange(10, 5_001, 10), np.arange(20, 5_001, 20)

    assert errors_allowed(tens, 0.9).tolist() == (tens // 10).tolist()
    assert errors_allowed(twenties, 0.95).tolist() == (twenties // 20).tolist()
    assert errors_allowed(twenties - 1, 0.95).tolist() == (twenties // 20 - 1).tolist()


def test_a_million_images_and_two_thousand_answers_take_seconds_at_most() -> None:
    found = band(1_000_000, 2_000, 0.05, 99_800)

    assert len(found.left) > 150 and 0.002 < found.level < 0.05


def test_where_nothing_or_everything_is_sampled_there_is_no_bound() -> None:
    assert band(50, 0, 0.1, 5).left == band(50, 50, 0.1, 5).left == ()
    assert band(50, 10, 0.1, 0).left == ()
    assert band(50, 10, 0.1, 0).most_left(np.array([0, 3])).tolist() == [50, 50]


@pytest.mark.parametrize(("size", "drawn", "delta"), [(5, 6, 0.1), (5, -1, 0.1), (5, 2, 0.0), (5, 2, 0.6)])
def test_counts_and_terms_that_cannot_be_are_refused(size: int, drawn: int, delta: float) -> None:
    with pytest.raises(Invalid):
        band(size, drawn, delta, 1)
