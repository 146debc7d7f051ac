"""The fit of a multinomial logistic regression: what `labeling.learn.heads.logistic` does with examples.

In: features (N, F) and labels (N,). Out: the weights (K, F) and biases (K,) of the minimum; the same input gives the
same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

from labeling.learn.classifier import Log
from labeling.one_thread import one_thread

__all__ = ["How", "train"]

Numbers = NDArray[np.float64]
Labels = NDArray[np.int64]

HISTORY = 20
"""How many iterations L-BFGS remembers."""
ITERATIONS = 20
"""Of which a step is made."""
FEW = 3
"""So many times more features than examples, and the span of the examples is the cheaper place to seek weights."""
NOTHING = 1e-12
"""A direction in which the examples differ by so little, compared with the first, is none."""


@dataclass(frozen=True, slots=True)
class How:
    """The settings of `Logistic` by which it is fitted."""

    c: float
    balanced: bool
    max_steps: int
    tolerance: float


def train(
    features: Numbers,
    labels: Labels,
    n_classes: int,
    how: How,
    log: Log | None = None,
    weights: Numbers | None = None,
) -> tuple[Numbers, Numbers]:
    """Weights (K, F) and biases (K,) that minimise the weighted cross-entropy plus |W|² / 2C, as in scikit-learn.

    Every class must have an example. The problem is convex and begins at zeros. It ends where no part of the gradient,
    by the coordinates in which it is fitted, is over `how.tolerance`, after `how.max_steps` steps, or where nothing is
    gained. `log` gets the number and the loss of each step.

    Notes
    -----
    The best weights are sums of examples, so where features are many they are sought in the span of the examples:
    at 60 x 1664 that takes a seventh of the time (docs/decisions/0044-the-head-is-fitted-in-the-span.md).
    """
    with one_thread():  # and no threads that spin in vain
        if len(features) * FEW > features.shape[1]:
            return _minimum(features, labels, n_classes, how, log, weights)
        inside, back = _span(features)
        weight, bias = _minimum(inside, labels, n_classes, how, log, weights)
        return weight @ back.T, bias


def _span(features: Numbers) -> tuple[Numbers, Numbers]:
    """Coordinates (N, R) of the examples in an orthonormal basis of their span, and the basis (F, R)."""
    squares, turned = np.linalg.eigh(features @ features.T)
    kept = squares > NOTHING * squares[-1]
    lengths = np.sqrt(squares[kept])
    return turned[:, kept] * lengths, features.T @ (turned[:, kept] / lengths)


def _minimum(
    x: Numbers, labels: Labels, n_classes: int, how: How, log: Log | None, given: Numbers | None
) -> tuple[Numbers, Numbers]:
    """Weights (K, R) and biases (K,) on x (N, R)."""
    n, width = x.shape
    split, rows, across = width * n_classes, np.arange(n), np.ascontiguousarray(x.T)
    counts = np.bincount(labels, minlength=n_classes)
    weights = (n / (n_classes * counts))[labels] if how.balanced else np.ones(n)  # (N,)
    weights = weights if given is None else weights * given

    def loss(point: Numbers) -> tuple[float, Numbers]:
        weight, bias = point[:split].reshape(width, n_classes), point[split:]
        scores = x @ weight + bias  # (N, R) @ (R, K)
        scores -= scores.max(axis=1, keepdims=True)
        right = scores[rows, labels]
        np.exp(scores, out=scores)
        total = scores.sum(axis=1)  # (N,)
        value = (weights * (np.log(total) - right)).sum() + np.square(weight).sum() / (2 * how.c)
        scores /= total[:, None]
        scores[rows, labels] -= 1
        scores *= weights[:, None]  # the gradient by the scores
        slope = np.concatenate([(across @ scores + weight / how.c).ravel(), scores.sum(axis=0)])
        return float(value / n), slope / n

    iteration = count()

    def tell(intermediate_result: OptimizeResult) -> None:
        done = next(iteration)
        if log is not None and done % ITERATIONS == 0:
            log(done // ITERATIONS, float(intermediate_result.fun))

    options = {
        "gtol": how.tolerance,
        "ftol": 0.0,
        "maxcor": HISTORY,
        "maxiter": how.max_steps * ITERATIONS,
        "maxfun": 10**6,
    }
    start = np.zeros(split + n_classes)
    found: Numbers = minimize(loss, start, jac=True, method="L-BFGS-B", callback=tell, options=options).x
    return np.ascontiguousarray(found[:split].reshape(width, n_classes).T), found[split:]
