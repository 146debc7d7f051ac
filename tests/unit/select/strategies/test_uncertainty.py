"""Doubt of a distribution, held to its properties and to scipy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from labeling.select.strategies.uncertainty import entropy, least_confidence, margin

SCORES = {"margin": margin, "entropy": entropy, "least confidence": least_confidence}


@st.composite
def distributions(draw: st.DrawFn) -> npt.NDArray[np.float64]:
    rows, classes, seed = draw(st.integers(0, 40)), draw(st.integers(2, 12)), draw(st.integers(0, 2**16))
    sharpness = draw(st.sampled_from([0.05, 1.0, 20.0]))
    return np.random.default_rng(seed).dirichlet(np.full(classes, sharpness), size=rows)


@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES.keys())
@settings(max_examples=40, deadline=None)
@given(probs=distributions())
def test_scores_are_finite_and_between_certain_and_uniform(score: object, probs: npt.NDArray[np.float64]) -> None:
    assert callable(score)
    classes = probs.shape[1]
    certain, uniform = score(np.eye(classes)[:1])[0], score(np.full((1, classes), 1 / classes))[0]

    scores = score(probs)

    assert scores.shape == (len(probs),)
    assert certain == 0
    assert np.isfinite(scores).all()
    assert ((scores >= certain - 1e-6) & (scores <= uniform + 1e-5)).all()


@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES.keys())
def test_a_row_that_is_not_known_counts_as_wholly_unsure(score: object) -> None:
    assert callable(score)
    probs = np.array([[0.9, 0.05, 0.05], [np.nan] * 3, [1 / 3] * 3])

    scores = score(probs)

    assert scores[1] == pytest.approx(scores[2])
    assert scores[1] > scores[0]


def test_entropy_agrees_with_scipy_and_margin_with_a_sort() -> None:
    probs = np.random.default_rng(3).dirichlet(np.full(7, 0.3), size=200)
    best = np.sort(probs, axis=1)

    assert entropy(probs) == pytest.approx(stats.entropy(probs, axis=1), abs=1e-5)
    assert margin(probs) == pytest.approx(1 - best[:, -1] + best[:, -2], abs=1e-6)
    assert least_confidence(probs) == pytest.approx(1 - best[:, -1], abs=1e-6)


def test_more_rows_than_a_block_are_scored_as_one_by_one() -> None:
    probs = np.random.default_rng(0).dirichlet(np.ones(3), size=70_000).astype(np.float16)

    scores = margin(probs)

    assert scores[[0, 65_535, 65_536, 69_999]] == pytest.approx(margin(probs[[0, 65_535, 65_536, 69_999]]))


@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES.keys())
def test_an_even_row_is_more_doubtful_than_a_sure_one(score: object) -> None:
    assert callable(score)

    sure, even = score(np.array([[0.98, 0.01, 0.01], [0.34, 0.33, 0.33]]))

    assert even > sure
