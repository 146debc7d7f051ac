"""The fit of the logistic head against scikit-learn's, where examples are many and where they are few."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from labeling.learn.heads.logistic import Logistic
from labeling.learn.heads.logistic_fit import How, train

NEAR = How(c=30.0, balanced=False, max_steps=500, tolerance=1e-5)
USUAL = How(c=30.0, balanced=False, max_steps=200, tolerance=Logistic().tolerance)
WIDE, LONG = (60, 100), (400, 20)
"""Fewer examples than features, and more."""
both = pytest.mark.parametrize("shape", [WIDE, LONG], ids=["few", "many"])


def some(shape: tuple[int, int], n_classes: int = 3) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(4)
    labels = np.arange(shape[0]) % n_classes
    vectors = 0.3 * rng.normal(size=(n_classes, shape[1]))[labels] + rng.normal(size=shape) + 0.5
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def scores(fitted: tuple[NDArray[np.floating], NDArray[np.floating]], x: NDArray[np.floating]) -> NDArray[np.floating]:
    found: NDArray[np.floating] = x.astype(np.float64) @ fitted[0].T + fitted[1]
    found -= found.mean(axis=1, keepdims=True)
    return found


def expected(
    x: NDArray[np.float32], y: NDArray[np.int64], weights: NDArray[np.float64] | None = None, balanced: bool = False
) -> NDArray[np.floating]:
    """Scores by scikit-learn in double precision, near its end."""
    how = "balanced" if balanced else None
    peer = LogisticRegression(C=30, tol=1e-9, max_iter=10_000, class_weight=how)
    peer.fit(x.astype(np.float64), y, sample_weight=weights)
    return scores((peer.coef_, peer.intercept_), x)


@both
@pytest.mark.parametrize("balanced", [False, True])
def test_scores_are_those_of_scikit_learn(shape: tuple[int, int], balanced: bool) -> None:
    x, y = some(shape)
    x, y = x[y * 7 % 5 != np.arange(len(y)) % 5], y[y * 7 % 5 != np.arange(len(y)) % 5]  # of unequal shares

    found = scores(train(x, y, 3, How(30.0, balanced, 500, 1e-5)), x)

    assert np.abs(found - expected(x, y, balanced=balanced)).max() < 2e-3


@both
def test_an_example_of_weight_two_counts_as_two(shape: tuple[int, int]) -> None:
    x, y = some(shape)
    weights = np.random.default_rng(5).integers(0, 3, len(y)).astype(np.float64)

    weighed = scores(train(x, y, 3, NEAR, weights=weights), x)

    rows = np.repeat(np.arange(len(y)), weights.astype(int))
    assert np.abs(weighed - expected(x, y, weights)).max() < 2e-3
    assert np.abs(weighed - scores(train(x[rows], y[rows], 3, NEAR), x)).max() < 2e-3


@both
def test_weights_of_one_change_no_byte_and_all_a_hundredfold_is_a_weaker_penalty(shape: tuple[int, int]) -> None:
    x, y = some(shape)

    plain, ones = train(x, y, 3, NEAR), train(x, y, 3, NEAR, weights=np.ones(len(y)))
    heavy = scores(train(x, y, 3, How(0.3, False, 500, 1e-5), weights=np.full(len(y), 100.0)), x)

    assert [part.tobytes() for part in plain] == [part.tobytes() for part in ones]
    assert np.abs(heavy - scores(plain, x)).max() < 2e-3


@both
def test_the_usual_end_gives_probabilities_within_a_hundredth(shape: tuple[int, int]) -> None:
    x, y = some(shape)

    found, right = np.exp(scores(train(x, y, 3, USUAL), x)), np.exp(expected(x, y))

    assert np.abs(found / found.sum(1, keepdims=True) - right / right.sum(1, keepdims=True)).max() < 0.01


@both
def test_the_same_input_gives_the_same_bytes_in_either_precision_and_order_of_memory(shape: tuple[int, int]) -> None:
    x, y = some(shape)

    first = [part.tobytes() for part in train(x, y, 3, USUAL)]

    for again in (x, x.astype(np.float64), np.asfortranarray(x)):
        assert [part.tobytes() for part in train(again, y, 3, USUAL)] == first  # type: ignore[arg-type]


@both
def test_features_that_are_constant_and_rows_that_are_doubled_do_no_harm(shape: tuple[int, int]) -> None:
    x, y = some(shape)
    x = np.concatenate([x, np.full((len(x), 2), 0.7, np.float32), np.zeros((len(x), 1), np.float32)], axis=1)
    x, y = np.concatenate([x, x]), np.concatenate([y, y])

    found = scores(train(x, y, 3, NEAR), x)

    assert np.abs(found - expected(x, y)).max() < 2e-3


@pytest.mark.parametrize("width", [1, 2, 3, 50])
def test_two_examples_are_enough(width: int) -> None:
    x = np.zeros((2, width), np.float32)
    x[1, 0] = 1.0

    found = scores(train(x, np.array([0, 1]), 2, USUAL), x)

    assert found.argmax(axis=1).tolist() == [0, 1] and np.isfinite(found).all()
