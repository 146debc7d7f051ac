"""Drift: shifts of a stated size are found, and where nothing changed an alarm is as rare as the level says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from scipy.stats import binomtest, chi2_contingency

from labeling.estimates import Estimate
from labeling.quality.drift import (
    LEVEL,
    Changed,
    class_shift,
    compared_since,
    corrected_prior,
    fewer_right,
    holm,
    input_shift,
    separability,
)

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def clouds(n: int, m: int, shift: float, seed: int, dims: int = 16) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    after = rng.normal(size=(m, dims))
    after[:, 0] += shift
    return rng.normal(size=(n, dims)), after


def test_new_images_from_elsewhere_are_separated_from_the_old_ones() -> None:
    before, after = clouds(150, 100, shift=1.0, seed=0)

    found, apart = (
        input_shift(before, after, np.random.default_rng(0)),
        separability(before, after, np.random.default_rng(0)),
    )

    assert found.p_value < LEVEL and (found.before, found.after) == (150, 100)
    assert apart.lower > 0.55 and apart.n == 200


def test_the_discrepancy_is_that_of_the_definition_summed_pair_by_pair() -> None:
    before, after = clouds(7, 5, shift=3.0, seed=0, dims=2)
    squares = pdist(np.vstack([before, after]), "sqeuclidean")
    kernel = np.exp(-squareform(squares) / np.median(squares))
    within = [kernel[i, j] for i in range(7) for j in range(7) if i != j]
    within_after = [kernel[i, j] for i in range(7, 12) for j in range(7, 12) if i != j]

    found = input_shift(before, after, np.random.default_rng(0))

    assert found.size == pytest.approx(np.mean(within) + np.mean(within_after) - 2 * kernel[:7, 7:].mean())


def test_the_p_value_of_images_from_far_away_is_one_of_three_thousand() -> None:
    found = input_shift(*clouds(30, 20, shift=50.0, seed=0), np.random.default_rng(0))

    assert found.p_value == pytest.approx(1 / 3_000)


def test_images_that_are_all_equal_have_not_shifted() -> None:
    found = input_shift(np.ones((6, 3)), np.ones((4, 3)), np.random.default_rng(0))

    assert found == Changed(pytest.approx(0.0, abs=1e-12), 1.0, 6, 4)


def test_a_discrepancy_under_nothing_is_none() -> None:
    sizes = [input_shift(*clouds(10, 10, 0.0, seed), np.random.default_rng(0)).size for seed in range(8)]

    assert min(sizes) == 0.0 < max(sizes)


def test_new_images_of_the_same_kind_are_called_new_as_rarely_as_the_level_says() -> None:
    """60 projects without a change: p-values under .2 stay within what a rate of .2 allows."""
    low = sum(input_shift(*clouds(40, 30, 0.0, seed), np.random.default_rng(seed)).p_value < 0.2 for seed in range(60))

    assert binomtest(low, 60, 0.2, alternative="greater").pvalue > 0.01


def test_the_same_images_cannot_be_separated() -> None:
    before, after = clouds(100, 100, 0.0, seed=3)

    apart = separability(before, after, np.random.default_rng(0))

    assert apart.lower < 0.5 and apart.value < 0.6


def test_fewer_images_than_folds_cannot_be_separated() -> None:
    four, five = (clouds(n, 50, shift=9.0, seed=0) for n in (4, 5))

    assert separability(*four, np.random.default_rng(0)) == Estimate(0.5, 0.0, 1.0, 8)
    assert separability(*five, np.random.default_rng(0)).value == 1.0


def test_a_class_that_grows_from_a_tenth_to_a_quarter_is_found_within_300_images_and_no_change_rarely() -> None:
    even, grown = np.full(10, 0.1), np.array([0.25, *[0.75 / 9] * 9])

    def looks(now: np.ndarray, rng: np.random.Generator) -> list[bool]:
        """Whether each of three looks finds a change: at 100, 200 and 300 new images."""
        before, parts = rng.multinomial(2_000, even), rng.multinomial(100, now, size=3)
        return [class_shift(before, after).p_value < LEVEL for after in parts.cumsum(axis=0)]

    rng = np.random.default_rng(0)
    found = sum(any(looks(grown, rng)) for _ in range(200))
    false = sum(sum(looks(even, rng)) for _ in range(200))

    assert found >= 190
    assert binomtest(false, 600, LEVEL, alternative="greater").pvalue > 0.01


def test_rare_classes_are_pooled_and_absent_samples_say_nothing() -> None:
    assert class_shift(np.array([500, 1, 0, 1]), np.array([500, 0, 2, 0])).p_value > 0.05
    assert class_shift(np.array([0, 0]), np.array([3, 4])).p_value == 1.0
    assert class_shift(np.array([9, 0]), np.array([8, 0])).p_value == 1.0


def test_classes_are_pooled_where_fewer_than_five_are_expected() -> None:
    five, fewer = (np.array([[90, 8, 2], [90, 2, 8]]), np.array([[91, 7, 2], [91, 2, 7]]))

    expected = chi2_contingency(five, correction=False, lambda_="log-likelihood").pvalue
    assert class_shift(*five).p_value == pytest.approx(expected)
    assert class_shift(*fewer).p_value == pytest.approx(1.0)


def test_without_a_sample_on_either_side_nothing_has_changed() -> None:
    none, some = np.array([0, 0]), np.array([3, 4])

    assert class_shift(none, some) == Changed(0.0, 1.0, 0, 7)
    assert class_shift(some, none) == Changed(0.0, 1.0, 7, 0)
    assert fewer_right((0, 0), (3, 4)) == Changed(0.0, 1.0, 0, 4)
    assert fewer_right((3, 4), (0, 0)) == Changed(0.0, 1.0, 4, 0)


def test_a_classifier_that_errs_does_not_hide_how_the_classes_are_spread() -> None:
    rng = np.random.default_rng(0)
    rates = np.array([[0.8, 0.15, 0.05], [0.1, 0.8, 0.1], [0.05, 0.15, 0.8]])
    prior = np.array([0.7, 0.2, 0.1])
    hold_out = np.stack([rng.multinomial(400, row) for row in rates]).astype(float)
    predicted = rng.multinomial(5_000, prior @ rates)

    found = corrected_prior(hold_out, predicted)

    assert np.abs(found - prior).max() < 0.04 < np.abs(predicted / 5_000 - prior).max()
    assert found.sum() == pytest.approx(1)


def test_somebody_who_errs_more_than_before_is_found_and_one_who_does_not_is_not() -> None:
    assert fewer_right((180, 200), (30, 45)).p_value < 0.001
    assert fewer_right((180, 200), (41, 45)).p_value > 0.5
    assert fewer_right((0, 0), (3, 4)).p_value == 1.0


def test_holms_correction_of_a_table_worked_by_hand() -> None:
    assert holm([0.01, 0.02, 0.03, 0.005]) == pytest.approx([0.03, 0.04, 0.04, 0.02])
    assert holm([]) == []


def test_a_champion_that_follows_another_moves_nothing_and_one_that_follows_an_alarm_does() -> None:
    day = [NOW + timedelta(days=n) for n in range(10)]

    assert compared_since([], []) is None
    assert compared_since([day[2], day[0], day[1]], []) == day[0]
    assert compared_since([day[0], day[1]], [day[5]]) == day[0]  # nothing was learnt after it yet
    assert compared_since([day[0], day[6], day[7]], [day[5]]) == day[6]
    assert compared_since([day[0], day[4], day[6], day[9]], [day[3], day[5], day[5]]) == day[6]
