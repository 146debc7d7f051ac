"""Figures that compare engines, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, f1_score

from bench.numbers import REPLAYS, replayed
from labeling.answers import MISSING, AnswerSet
from labeling.quality.comparison import calibration_error, kappa
from labeling.quality.metrics import expected_calibration_error, macro_f1

NONE_CODE = AnswerSet(("cat", "dog")).none_code
RNG = np.random.default_rng(3)


def test_f1_is_that_of_scikit_learn_over_the_classes_that_occur() -> None:
    said, truth = RNG.integers(0, 4, 200), RNG.integers(0, 4, 200)

    ours = macro_f1(said, truth, 5)

    assert abs(ours - f1_score(truth, said, average="macro")) < 1e-12


def test_an_abstention_costs_recall_only() -> None:
    truth = np.array([0, 0, 1, 1])

    silent = macro_f1(np.array([0, MISSING, 1, 1]), truth, 2)
    wrong = macro_f1(np.array([0, 1, 1, 1]), truth, 2)

    assert silent == (2 / 3 + 1) / 2
    assert wrong < silent


def test_none_of_these_is_no_class() -> None:
    assert macro_f1(np.array([NONE_CODE, 0]), np.array([NONE_CODE, 0]), 2) == 1.0
    assert macro_f1(np.array([0, 0]), np.array([NONE_CODE, 0]), 2) == 2 / 3
    assert macro_f1(np.array([NONE_CODE]), np.array([NONE_CODE]), 2) == 0.0


@given(st.lists(st.tuples(st.integers(-2, 3), st.integers(-2, 3)), min_size=2, max_size=40))
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs).T

    ours = kappa(first, second)

    if ours is None:
        assert len(set(first) | set(second)) == 1
    else:
        assert abs(ours - cohen_kappa_score(first, second)) < 1e-9


def test_the_calibration_error_lies_in_its_interval_and_counts_one_image_of_each_group() -> None:
    probs = RNG.dirichlet(np.ones(3), size=80)
    truth, alone, twins = RNG.integers(0, 3, 80), np.arange(80), np.arange(80) // 8

    by_image = calibration_error(probs, truth, alone, np.random.default_rng(0))
    by_group = calibration_error(probs, truth, twins, np.random.default_rng(0))

    assert by_image.lower <= by_image.value <= by_image.upper
    assert by_image.value < expected_calibration_error(probs, truth)
    assert (by_image.n, by_group.n) == (80, 10)
    assert calibration_error(probs[:0], truth[:0], alone[:0], np.random.default_rng(0)).known is False


def test_a_calibrated_predictor_is_shown_almost_no_error_where_the_plain_figure_says_a_tenth() -> None:
    rng, plain, shown = np.random.default_rng(0), [], []
    for _ in range(40):
        probs = rng.dirichlet(np.ones(4), size=100)
        truth = (rng.random((100, 1)) < probs.cumsum(axis=1)).argmax(axis=1)
        plain.append(expected_calibration_error(probs, truth))
        shown.append(calibration_error(probs, truth, np.arange(100), rng).value)

    assert np.mean(plain) > 0.1
    assert np.mean(shown) < 0.04


@pytest.mark.parametrize(
    "name", [name for name in REPLAYS if name.startswith("calibration error") and "vectors" not in name]
)
def test_the_interval_of_the_calibration_error_covers_the_true_one(name: str) -> None:
    found = replayed(REPLAYS[name], 60)

    assert found.covers
    assert found.error_ratio is not None and found.error_ratio <= 0.35  # .25 over many seeds
