"""Calibration per engine: it helps where there are labels enough, keeps quiet where there are not, and stays finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import softmax

from labeling.prelabel.calibration import Terms, calibrated, calibrated_answers, fit_stated, fit_terms, read_terms
from labeling.quality.metrics import expected_calibration_error

K = 6
Array = npt.NDArray[Any]


def _engine(n: int, seed: int, *, sharpness: float = 4.0, skew: float = 0.0) -> tuple[Array, Array]:
    """An engine that is too sure by `sharpness` and favours classes by `skew`: probabilities and true classes."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(K, size=n)
    scores = rng.normal(size=(n, K))
    scores[np.arange(n), truth] += 1.5
    return softmax(sharpness * scores + skew * np.linspace(-1, 1, K), axis=1), truth


def _surprise(probs: Array, truth: Array) -> float:
    return float(-np.log(probs[np.arange(len(truth)), truth]).mean())


@pytest.mark.parametrize("skew", [0.0, 3.0])
def test_a_calibrated_engine_is_as_sure_as_it_is_right_on_images_that_it_was_not_fitted_on(skew: float) -> None:
    terms = fit_terms(*_engine(200, 0, skew=skew))
    probs, truth = _engine(4_000, 1, skew=skew)

    read = calibrated(probs, terms)

    assert expected_calibration_error(read, truth) < 0.06 < 0.15 < expected_calibration_error(probs, truth)
    assert _surprise(read, truth) < _surprise(probs, truth)


def test_class_biases_help_an_engine_that_favours_classes() -> None:
    sample, labels = _engine(300, 0, skew=5.0)
    probs, truth = _engine(4_000, 1, skew=5.0)

    terms = fit_terms(sample, labels)

    assert terms is not None and len(terms.bias) == K
    without = Terms(terms.temperature, (), {}, terms.labels)
    assert _surprise(calibrated(probs, terms), truth) < _surprise(calibrated(probs, without), truth)


@pytest.mark.parametrize("labels", [20, 60, 400])
def test_the_class_that_an_engine_names_never_changes(labels: int) -> None:
    terms = fit_terms(*_engine(labels, 0, skew=5.0))
    probs, _ = _engine(1_000, 1, skew=5.0)

    assert terms is not None
    assert (calibrated(probs, terms).argmax(axis=1) == probs.argmax(axis=1)).all()
    assert (calibrated(probs, Terms(1.0, tuple(np.linspace(3, -3, K)))).argmax(axis=1) == probs.argmax(axis=1)).all()


def test_few_labels_are_drawn_to_the_temperature_that_an_engine_is_shipped_with() -> None:
    probs, truth = _engine(20, 0, sharpness=1.0)

    cold, hot = fit_terms(probs, truth, 0.5), fit_terms(probs, truth, 2.0)

    assert cold is not None and hot is not None and cold.temperature < hot.temperature / 1.5
    assert not hot.shown and Terms(labels=40).shown


def test_below_twenty_labels_nothing_is_fitted_whatever_the_number_of_classes() -> None:
    probs, truth = _engine(20, 0)

    terms = fit_terms(probs[:19], truth[:19])

    assert terms is None and fit_terms(probs, truth) is not None
    assert np.array_equal(calibrated(probs, terms), probs)


@given(
    hnp.arrays(np.float64, (7, 3), elements=st.floats(0, 1)).filter(lambda a: bool((a.sum(axis=1) > 1e-3).all())),
    st.floats(0.05, 20),
    hnp.arrays(np.float64, 3, elements=st.floats(-5, 5)),
)
def test_whatever_the_terms_probabilities_stay_finite_and_sum_to_one(
    weights: Array, temperature: float, bias: Array
) -> None:
    probs = weights / weights.sum(axis=1, keepdims=True)

    read = calibrated(probs, Terms(temperature, tuple(bias.tolist())))

    assert np.isfinite(read).all() and np.allclose(read.sum(axis=1), 1)


def test_absent_probabilities_stay_absent() -> None:
    probs = np.array([[np.nan, np.nan], [0.5, 0.5]])

    read = calibrated(probs, Terms(2.0))

    assert np.isnan(read[0]).all() and np.allclose(read[1], 0.5)


def test_stated_confidence_gets_its_own_rate_drawn_towards_all() -> None:
    levels = ["high"] * 20 + ["low"] * 20 + ["medium"]
    right = [True] * 19 + [False] + [True] * 8 + [False] * 12 + [True]

    terms = fit_stated(levels, right)

    assert terms is not None
    assert 0.85 < terms.levels["high"] < 0.95
    assert 0.40 < terms.levels["low"] < 0.50
    assert 0.65 < terms.levels["medium"] < 0.80, "one answer hardly moves it from the rate of all"


def test_an_engine_that_only_names_classes_has_no_probabilities_until_it_is_calibrated() -> None:
    answers = np.array([0, 2, 3, -1])

    before = calibrated_answers(answers, ["high"] * 4, fit_stated(["high"] * 19, [True] * 19), 3)
    after = calibrated_answers(answers, ["high"] * 4, fit_stated(["high"] * 20, [True] * 20), 3)

    assert np.isnan(before).all()
    assert np.isfinite(after[:2]).all() and np.isnan(after[2:]).all()
    assert after[1].argmax() == 2 and np.allclose(after[:2].sum(axis=1), 1)


@given(st.floats(0.05, 20), st.lists(st.floats(-3, 3), max_size=4), st.dictionaries(st.text(), st.floats(0, 1)))
def test_terms_come_back_as_they_were_stored(temperature: float, bias: list[float], levels: dict[str, float]) -> None:
    terms = Terms(temperature, tuple(bias), levels, 12)

    assert read_terms(terms.as_json()) == terms
