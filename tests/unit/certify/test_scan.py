"""The promise of precision: never broken more often than delta, wherever the errors lie, and as loose as it can be."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from labeling.certify.band import errors_allowed, most_left
from labeling.certify.plan import schedule
from labeling.certify.scan import scan
from labeling.errors import Invalid
from labeling.quality.metrics import clopper_pearson
from tests.unit.certify.placements import Accept, broken, worst_chance


@pytest.mark.parametrize(
    ("size", "drawn", "precision", "delta"),
    [(8, 4, 0.6, 0.3), (9, 5, 0.7, 0.2), (9, 6, 0.7, 0.35), (8, 3, 0.4, 0.4), (8, 6, 0.5, 0.1), (9, 7, 1.0, 0.3)],
)
def test_no_placement_of_errors_breaks_the_promise_more_often_than_delta(
    size: int, drawn: int, precision: float, delta: float
) -> None:
    def passing(sampled: NDArray[np.bool_], right: NDArray[np.bool_]) -> list[int]:
        return [row.rank for row in scan(sampled, right, precision, delta).rows if row.passes]

    chance = worst_chance(size, drawn, passing, lambda images: float(errors_allowed(images, precision)))

    assert delta / 3 < chance <= delta


def test_an_uncorrected_scan_breaks_it_in_the_same_sets() -> None:
    """What the enumeration is able to find."""

    most = most_left(np.arange(4), 3, 8, 0.4)

    def uncorrected(sampled: NDArray[np.bool_], right: NDArray[np.bool_]) -> list[int]:
        rows = scan(sampled, right, 0.4, 0.4).rows
        return [row.rank for row in rows if row.unsampled and most[row.wrong] <= errors_allowed(row.unsampled, 0.4)]

    assert worst_chance(8, 3, uncorrected, lambda images: float(errors_allowed(images, 0.4))) > 0.4


def test_looks_at_a_growing_sample_break_it_no_more_often_than_their_deltas_together() -> None:
    size, first, second = 8, *schedule(3, 2, 0.45)

    def accept(delta: float) -> Accept:
        return lambda s, r: [row.rank for row in scan(s, r, 0.5, delta).rows if row.passes]

    def allowed(images: int) -> float:
        return float(errors_allowed(images, 0.5))

    pairs = [
        (small, large) for large in combinations(range(size), second.size) for small in combinations(large, first.size)
    ]
    at = {
        one: broken(size, one, accept(look.delta), allowed)
        for look in (first, second)
        for one in combinations(range(size), look.size)
    }

    chance = np.mean([at[small] | at[large] for small, large in pairs], axis=0).max()

    assert 0.1 < chance <= 0.45


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32 - 1), st.sampled_from([0.5, 0.8, 0.9]))
@settings(max_examples=50, deadline=None)
def test_the_accepted_rank_is_the_loosest_that_passes_and_one_more_right_answer_never_accepts_less(
    left: int, drawn: int, seed: int, precision: float
) -> None:
    rng = np.random.default_rng(seed)
    sampled, right = rng.permutation(left + drawn) < drawn, rng.random(drawn) < 0.9
    better = right | (np.arange(drawn) == rng.integers(drawn))

    found, more = scan(sampled, right, precision, 0.2), scan(sampled, better, precision, 0.2)

    passing = [row for row in found.rows if row.passes]
    assert len(found.rows) == min(left + drawn, 100)
    assert left + drawn > 100 or found.accepted == (passing[-1] if passing else None)
    for row in (row for row in found.rows if row.unsampled):
        assert row.passes == (row.lower is not None and row.lower >= precision - 1e-9)
    assert (more.accepted.rank if more.accepted else 0) >= (found.accepted.rank if found.accepted else 0)


@pytest.mark.parametrize(("size", "drawn", "density"), [(400, 100, 1.1), (400, 100, 1.3), (1_000, 250, 1.15)])
def test_a_precision_just_missed_on_a_plateau_is_accepted_in_delta_of_the_samples_at_most(
    size: int, drawn: int, density: float
) -> None:
    """400 replays, seed 0: the exact 99.9 % bound of the violations is within delta."""
    rng, delta, precision = np.random.default_rng(0), 0.1, 0.9
    wrong = np.zeros(size, bool)
    wrong[np.linspace(size // 8, size - 1, int(0.1 * density * size)).astype(int)] = True

    broken_times = 0
    for _ in range(400):
        sampled = rng.permutation(size) < drawn
        accepted = scan(sampled, ~wrong[sampled], precision, delta).accepted
        if accepted:
            errors = int((wrong & ~sampled)[: accepted.rank].sum())
            broken_times += errors > errors_allowed(accepted.unsampled, precision)

    assert clopper_pearson(broken_times, 400, 0.998)[0] <= delta


def test_with_equal_scores_the_set_is_cut_only_where_the_score_falls() -> None:
    sampled = np.random.default_rng(1).permutation(1_000) < 200
    right = np.arange(200) < 170

    every, some = scan(sampled, right, 0.9, 0.1), scan(sampled, right, 0.9, 0.1, np.array([300, 700, 1_000]))

    assert every.accepted and some.accepted and every.accepted.rank > some.accepted.rank == 700
    assert [row.rank for row in some.rows] == [300, 700, 1_000]


def test_a_set_without_an_unsampled_image_accepts_nothing() -> None:
    assert scan(np.ones(50, bool), np.ones(50, bool), 0.9, 0.1).accepted is None
    assert scan(np.zeros(50, bool), np.ones(0, bool), 0.9, 0.1).accepted is None
    assert scan(np.zeros(0, bool), np.ones(0, bool), 0.9, 0.1).rows == ()


def test_no_error_is_allowed_only_where_nearly_all_images_are_sampled() -> None:
    few, most = np.arange(100) < 80, np.arange(100) < 95

    assert scan(few, np.ones(80, bool), 1.0, 0.1).accepted is None
    found = scan(most, np.ones(95, bool), 1.0, 0.1)
    assert found.accepted and [row.rank for row in found.rows if row.passes] == [96, 97, 98, 99, 100]


def test_a_page_gets_a_hundred_rows_of_a_large_set() -> None:
    sampled = np.random.default_rng(2).permutation(200_000) < 1_000

    found = scan(sampled, np.arange(1_000) < 960, 0.95, 0.1)

    assert len(found.rows) == 100 and found.rows[-1].rank == 200_000 and found.accepted is not None


def test_arrays_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(Invalid, match="2 images are sampled and 1"):
        scan(np.array([True, True, False]), np.array([True]), 0.9, 0.1)
    with pytest.raises(Invalid, match="rising ranks"):
        scan(np.array([True, False]), np.array([True]), 0.9, 0.1, np.array([2, 1]))
    with pytest.raises(Invalid, match="precision"):
        scan(np.array([True, False]), np.array([True]), 1.2, 0.1)
