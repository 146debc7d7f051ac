"""The temperature: found again where it is known, blind to the order of classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.answers import MISSING
from labeling.learn.calibration import (
    fit_calibration,
    fit_temperature,
    shown_probs,
)
from labeling.learn.classifier import ABSENT_LOGIT
from labeling.quality.metrics import expected_calibration_error
from labeling.vectors import softmax

RNG = np.random.default_rng(0)


def drawn(temperature: float, n: int = 4_000, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn as they say at this temperature."""
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=2, size=(n, k))
    sums = softmax(logits / temperature).cumsum(axis=1)
    return logits, (rng.random((n, 1)) < sums).argmax(axis=1)


@pytest.mark.parametrize("true_temperature", [0.4, 1.0, 3.0])
def test_a_known_temperature_is_found_again(true_temperature: float) -> None:
    logits, labels = drawn(true_temperature)

    found = fit_temperature(logits, labels)

    assert found == pytest.approx(true_temperature, rel=0.1)
    assert expected_calibration_error(softmax(logits / found), labels) < 0.03


def test_where_everything_is_right_it_stays_within_its_bounds() -> None:
    logits = np.eye(3)[[0, 1, 2] * 5]

    assert 0.05 <= fit_temperature(logits, np.array([0, 1, 2] * 5)) < 1


@pytest.mark.parametrize("default", [0.5, 1.0, 2.0])
def test_without_labels_it_is_the_default_and_with_few_it_stays_near(default: float) -> None:
    logits, labels = drawn(3.0, n=20)

    nothing, few = fit_temperature(logits[:0], labels[:0], default), fit_temperature(logits, labels, default)

    assert nothing == pytest.approx(default, rel=1e-3)
    assert default < few < fit_temperature(*drawn(3.0), default)


def test_the_temperature_is_the_minimum_that_the_contract_names() -> None:
    logits, labels = drawn(2.0, n=30)

    def loss(temperature: float) -> float:
        probs = softmax(logits / temperature)[np.arange(30), labels]
        return float(-np.log(probs).sum() + (np.log(temperature) - np.log(0.5)) ** 2 / (2 * 0.35**2))

    found = fit_temperature(logits, labels, 0.5)

    assert loss(found) <= min(loss(found * 1.02), loss(found / 1.02))


def test_from_twenty_labels_in_all_it_is_fitted_and_from_forty_shown() -> None:
    logits, labels = drawn(1.0, n=40, k=20)
    present = np.ones(20, bool)

    found = [fit_calibration(logits[:n], labels[:n], present, 0.5, RNG) for n in (19, 20, 39, 40)]

    assert found[0] is None
    assert [one.shown for one in found[1:] if one] == [False, False, True]


def test_labels_of_classes_without_an_example_never_enter_and_are_counted() -> None:
    logits, labels = drawn(0.5, n=60)
    logits[:, 4] = ABSENT_LOGIT
    known = labels != 4
    present = np.arange(5) < 4

    found = fit_calibration(logits, labels, present, 0.5, np.random.default_rng(0))
    without = fit_calibration(logits[known], labels[known], present, 0.5, np.random.default_rng(0))

    assert found is not None and without is not None
    assert (found.temperature, found.labels) == (without.temperature, int(known.sum()))
    assert (found.left_out, without.left_out) == (int((~known).sum()), 0)


def test_none_of_these_and_undecided_images_are_left_out_of_the_fit() -> None:
    logits, labels = drawn(1.0, n=30)
    labels[:8] = MISSING

    found = fit_calibration(logits, labels, np.ones(5, bool), 1.0, RNG)

    assert found is not None and (found.labels, found.left_out) == (22, 8)


def skewed(n: int, by: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that favour classes by a bias, and labels drawn without it."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2, size=(n, 5))
    labels = (rng.random((n, 1)) < softmax(logits).cumsum(axis=1)).argmax(axis=1)
    return logits + by * np.linspace(-1, 1, 5), labels


def test_from_three_hundred_labels_a_bias_is_kept_where_it_pays_and_only_there() -> None:
    present = np.ones(5, bool)

    few = fit_calibration(*skewed(299, by=1.5), present, 1.0, np.random.default_rng(0))
    many = fit_calibration(*skewed(300, by=1.5), present, 1.0, np.random.default_rng(0))
    fair = [fit_calibration(*skewed(300, 0, seed), present, 1.0, np.random.default_rng(0)) for seed in range(8)]

    assert few is not None and few.bias == ()
    assert many is not None and many.bias[0] > many.bias[-1] + 1
    assert sum(one is not None and one.bias == () for one in fair) >= 4


def test_a_bias_brings_shown_probabilities_nearer_to_the_truth_and_changes_no_class() -> None:
    found = fit_calibration(*skewed(300, by=1.5), np.ones(5, bool), 1.0, np.random.default_rng(0))
    logits, labels = skewed(4_000, by=1.5, seed=1)
    assert found is not None

    shown, plain = (shown_probs(logits, found.temperature, bias) for bias in (found.bias, ()))

    assert (shown.argmax(axis=1) == logits.argmax(axis=1)).all()
    hits = np.eye(5)[labels]
    assert ((shown - hits) ** 2).sum(axis=1).mean() < ((plain - hits) ** 2).sum(axis=1).mean() - 0.01


@given(st.integers(0, 10_000), st.floats(0.05, 20), st.floats(0, 5))
@settings(max_examples=40, deadline=None)
def test_shown_probabilities_sum_to_one_and_keep_the_class_whatever_the_bias(
    seed: int, temperature: float, spread: float
) -> None:
    rng = np.random.default_rng(seed)
    logits, bias = rng.normal(size=(30, 4)), rng.normal(scale=spread, size=4)

    shown = shown_probs(logits, temperature, bias)

    assert np.isfinite(shown).all() and np.allclose(shown.sum(axis=1), 1)
    assert (shown.argmax(axis=1) == logits.argmax(axis=1)).all()
    assert np.allclose(shown, shown_probs(logits + 7, temperature, bias))


def test_two_classes_of_equal_logits_and_one_class_alone_are_calibrated_without_an_error() -> None:
    flat = fit_calibration(np.zeros((40, 2)), np.zeros(40, int), np.ones(2, bool), 0.5, RNG)
    alone = fit_calibration(np.zeros((40, 1)), np.zeros(40, int), np.ones(1, bool), 0.5, RNG)

    assert flat is not None and flat.temperature == pytest.approx(0.5, rel=1e-3)
    assert alone is not None and alone.temperature == pytest.approx(0.5, rel=1e-3)


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_temperature_keeps_the_likeliest_class(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=(30, 4)), rng.integers(4, size=30)

    scaled = softmax(logits / fit_temperature(logits, labels))

    assert (scaled.argmax(axis=1) == logits.argmax(axis=1)).all()
