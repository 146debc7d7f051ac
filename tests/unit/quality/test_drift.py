"""Drift: shifts of a stated size are found, and where nothing changed an alarm is as rare as the level says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from labeling.quality.drift import (
    LEVEL,
    class_shift,
    corrected_prior,
    fewer_right,
    holm,
    input_shift,
    level_of,
    separability,
)


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

    assert found.p_value < level_of(3) and (found.before, found.after) == (150, 100)
    assert apart.lower > 0.55 and apart.n == 200


def test_new_images_of_the_same_kind_are_called_new_as_rarely_as_the_level_says() -> None:
    """60 projects without a change: p-values under .2 stay within what a rate of .2 allows."""
    low = sum(input_shift(*clouds(40, 30, 0.0, seed), np.random.default_rng(seed)).p_value < 0.2 for seed in range(60))

    assert binomtest(low, 60, 0.2, alternative="greater").pvalue > 0.01


def test_the_same_images_cannot_be_separated() -> None:
    before, after = clouds(100, 100, 0.0, seed=3)

    apart = separability(before, after, np.random.default_rng(0))

    assert apart.lower < 0.5 and apart.value < 0.6


def test_a_class_that_doubles_is_found_nine_times_in_ten_and_no_change_rarely() -> None:
    even, doubled = np.full(10, 0.1), np.array([0.2, *[0.8 / 9] * 9])

    def alarms(now: np.ndarray, rng: np.random.Generator) -> bool:
        before, after = rng.multinomial(2_000, even), np.zeros(10, int)
        for look in range(1, 6):
            after = after + rng.multinomial(100, now)
            if class_shift(before, after).p_value < level_of(look):
                return True
        return False

    rng = np.random.default_rng(0)
    found, false = (sum(alarms(now, rng) for _ in range(200)) for now in (doubled, even))

    assert found >= 170
    assert binomtest(false, 200, LEVEL, alternative="greater").pvalue > 0.01


def test_rare_classes_are_pooled_and_absent_samples_say_nothing() -> None:
    assert class_shift(np.array([500, 1, 0, 1]), np.array([500, 0, 2, 0])).p_value > 0.05
    assert class_shift(np.array([0, 0]), np.array([3, 4])).p_value == 1.0
    assert class_shift(np.array([9, 0]), np.array([8, 0])).p_value == 1.0


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


def test_all_tests_together_spend_the_level_and_no_more() -> None:
    spent = [level_of(look) for look in range(1, 100_000)]

    assert sum(spent) == pytest.approx(LEVEL, abs=1e-5)
    assert spent == sorted(spent, reverse=True)
