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
from sklearn.linear_model import LogisticRegression

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
    assert _surprise(calibrated(probs, terms), truth) < _surprise(calibrated(probs, without), truth) - 0.05


def test_with_many_labels_the_terms_are_those_of_a_weakly_penalised_regression() -> None:
    sample, labels = _engine(20_000, 0, skew=1.0)
    terms = fit_terms(sample, labels)
    assert terms is not None

    theirs = LogisticRegression(C=1e6, max_iter=500).fit(np.log(sample), labels)

    assert np.abs(calibrated(sample, terms) - theirs.predict_proba(np.log(sample))).mean() < 0.01


def test_below_five_labels_a_class_nothing_is_fitted() -> None:
    probs, truth = _engine(5 * K - 1, 0)

    terms = fit_terms(probs, truth)

    assert terms is None
    assert np.array_equal(calibrated(probs, terms), probs)


def test_the_biases_follow_how_often_each_class_occurs_and_a_class_without_a_label_stays_possible() -> None:
    probs, truth = _engine(8_000, 0)
    rng = np.random.default_rng(1)
    seldom = rng.random(len(truth)) < np.where(truth == 0, 1.0, 0.05)  # class 0 is .8 of what is left
    probs, truth = probs[seldom], truth[seldom]
    sample = np.flatnonzero(truth != 5)[:60]
    rest = np.setdiff1d(np.arange(len(truth)), sample)

    terms = fit_terms(probs[sample], truth[sample])

    assert terms is not None and terms.bias[0] == max(terms.bias) and min(terms.bias) > -2
    before, after = probs[rest], calibrated(probs[rest], terms)
    assert (after.argmax(axis=1) == truth[rest]).mean() > (before.argmax(axis=1) == truth[rest]).mean() + 0.05
    assert _surprise(after, truth[rest]) < _surprise(before, truth[rest])


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

    terms = fit_stated(levels, right, 3)

    assert terms is not None
    assert 0.85 < terms.levels["high"] < 0.95
    assert 0.40 < terms.levels["low"] < 0.50
    assert 0.65 < terms.levels["medium"] < 0.80, "one answer hardly moves it from the rate of all"


def test_an_engine_that_only_names_classes_has_no_probabilities_until_it_is_calibrated() -> None:
    answers = np.array([0, 2, 3, -1])

    before = calibrated_answers(answers, ["high"] * 4, fit_stated(["high"] * 14, [True] * 14, 3), 3)
    after = calibrated_answers(answers, ["high"] * 4, fit_stated(["high"] * 15, [True] * 15, 3), 3)

    assert np.isnan(before).all()
    assert np.isfinite(after[:2]).all() and np.isnan(after[2:]).all()
    assert after[1].argmax() == 2 and np.allclose(after[:2].sum(axis=1), 1)


@given(st.floats(0.05, 20), st.lists(st.floats(-3, 3), max_size=4), st.dictionaries(st.text(), st.floats(0, 1)))
def test_terms_come_back_as_they_were_stored(temperature: float, bias: list[float], levels: dict[str, float]) -> None:
    terms = Terms(temperature, tuple(bias), levels, 12)

    assert read_terms(terms.as_json()) == terms
