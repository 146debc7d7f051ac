"""Where the weights of a logistic regression are sought: as numbers of the features, or as sums of the examples.

In: examples. Out: at a point, the loss and its gradient, and the step that the Hessian at zeros makes of a gradient.
Features are centred in thought, never in memory: the bias, which is not penalised, takes up the difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, get_lapack_funcs

from labeling.slices import slices

__all__ = ["Examples", "InExamples", "InFeatures", "Numbers", "Space"]

Numbers = NDArray[np.floating]
BLOCK = 1_024
"""So many examples at a time: their features are read from memory once a step, and their scores stay near."""
ROUNDING = 4e-7
"""What single precision may take from an eigenvalue, as a part of the sum of all."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Features (N, F), labels (N,) of 0 to K - 1, what each counts (N,), K, and the penalty 1 / C."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    weights: NDArray[np.float64]
    n_classes: int
    penalty: float

    @property
    def variance(self) -> float:
        """Of whether an example is of a class, at zeros."""
        return (1 - 1 / self.n_classes) / self.n_classes


class Space(Protocol):
    """Points and gradients are arrays, of which sums and multiples are taken; a step is a difference of points."""

    def start(self) -> Numbers:
        """The point of zeros."""
        ...

    def loss(self, point: Numbers) -> tuple[float, Numbers]:
        """The loss, summed over the examples, with the penalty; and its gradient."""
        ...

    def precondition(self, gradient: Numbers) -> Numbers:
        """The step that the Hessian at zeros makes of a gradient, up to its sign."""
        ...

    def product(self, step: Numbers, gradient: Numbers) -> float:
        """By how much the loss rises along the step, by this gradient."""
        ...

    def weights(self, point: Numbers) -> tuple[Numbers, Numbers]:
        """Weights (K, F) and biases (K,) for features that are not centred."""
        ...


class InFeatures:
    """A point is the weights of all features and the bias: (F + 1, K), in single precision."""

    def __init__(self, given: Examples) -> None:
        self.given = given
        x = given.features
        n, width = x.shape
        self.mean = x.mean(axis=0, dtype=np.float64).astype(np.float32)
        hessian = x.T @ x  # (F, F)
        hessian -= np.outer(self.mean * np.float32(n), self.mean)
        hessian *= np.float32(given.variance)
        diagonal = hessian.ravel()[:: width + 1]
        diagonal += np.float32(given.penalty + ROUNDING * diagonal.sum(dtype=np.float64))
        self.factor = _Factor(hessian)

    def start(self) -> Numbers:
        return np.zeros((self.given.features.shape[1] + 1, self.given.n_classes), np.float32)

    def loss(self, point: Numbers) -> tuple[float, Numbers]:
        given, weight = self.given, np.ascontiguousarray(point[:-1])
        bias, gradient, total = point[-1] - self.mean @ weight, np.zeros_like(point), 0.0
        for rows in slices(len(given.labels), BLOCK):
            x = given.features[rows]
            scores = x @ weight  # (B, F) @ (F, K)
            scores += bias
            total += _to_residuals(scores, given.labels[rows], given.weights[rows])
            gradient[:-1] += x.T @ scores  # (F, B) @ (B, K)
            gradient[-1] += scores.sum(axis=0)
        gradient[:-1] -= np.outer(self.mean, gradient[-1])
        gradient[:-1] += weight * np.float32(given.penalty)
        return total + given.penalty / 2 * float(np.vdot(weight, weight)), gradient

    def precondition(self, gradient: Numbers) -> Numbers:
        step = np.empty_like(gradient)
        step[:-1] = self.factor.solve(gradient[:-1])
        step[-1] = gradient[-1] / np.float32(self.given.variance * len(self.given.labels))
        return step

    def product(self, step: Numbers, gradient: Numbers) -> float:
        return float(np.vdot(step, gradient))

    def weights(self, point: Numbers) -> tuple[Numbers, Numbers]:
        return point[:-1].T, point[-1] - self.mean @ point[:-1]


class InExamples:
    """A point is what each example adds to the weights, the scores that come of it, and the bias: (2N + 1, K).

    A gradient is what it is of the features by what each example adds to it, and of the bias: (N + 1, K). With scores
    carried along no step needs the features: they are read twice in all. The best weights are such sums, so the minimum
    is the same one.
    """

    def __init__(self, given: Examples) -> None:
        self.given = given
        self.n = n = len(given.labels)
        gram = (given.features @ given.features.T).astype(np.float64)  # (N, N)
        mean = gram.mean(axis=0)
        gram -= mean
        gram -= mean[:, None] - mean.mean()
        gram *= given.variance
        gram.ravel()[:: n + 1] += given.penalty
        self.factor = _Factor(gram)

    def start(self) -> Numbers:
        return np.zeros((2 * self.n + 1, self.given.n_classes))

    def loss(self, point: Numbers) -> tuple[float, Numbers]:
        given, added, inside = self.given, point[: self.n], point[self.n : -1]
        gradient = np.empty((self.n + 1, given.n_classes))
        residuals = np.add(inside, point[-1], out=gradient[:-1])
        total = _to_residuals(residuals, given.labels, given.weights)
        gradient[-1] = residuals.sum(axis=0)
        residuals += added * given.penalty
        return total + given.penalty / 2 * float(np.vdot(added, inside)), gradient

    def precondition(self, gradient: Numbers) -> Numbers:
        step, variance = np.empty((2 * self.n + 1, self.given.n_classes)), self.given.variance
        step[: self.n] = added = self.factor.solve(gradient[:-1])
        step[self.n : -1] = (gradient[:-1] - added * self.given.penalty) / variance
        step[-1] = gradient[-1] / (variance * self.n)
        return step

    def product(self, step: Numbers, gradient: Numbers) -> float:
        return float(np.vdot(step[self.n :], gradient))

    def weights(self, point: Numbers) -> tuple[Numbers, Numbers]:
        x, added = self.given.features, point[: self.n]
        weight = (added - added.mean(axis=0)).astype(np.float32).T @ x  # (K, N) @ (N, F)
        return weight, point[-1] - weight @ x.mean(axis=0, dtype=np.float64)


class _Factor:
    """The Cholesky factor of a symmetric positive definite matrix (n, n), which is overwritten."""

    def __init__(self, matrix: Numbers) -> None:
        self.factor = cholesky(matrix.T, lower=True, overwrite_a=True, check_finite=False)
        (self.potrs,) = get_lapack_funcs(("potrs",), (matrix,))  # of `cho_solve` the half is Python

    def solve(self, right: Numbers) -> Numbers:
        """What the matrix makes `right` (n, K) of."""
        found: Numbers = self.potrs(self.factor, right, lower=True)[0]
        return found


def _to_residuals(scores: Numbers, labels: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
    """The weighted cross-entropy of these scores (N, K), in whose place come its derivatives."""
    rows = np.arange(len(labels))
    scores -= scores.max(axis=1, keepdims=True)
    right = scores[rows, labels]
    np.exp(scores, out=scores)
    sums = scores.sum(axis=1)  # (N,)
    loss = weights @ (np.log(sums) - right)
    scores /= sums[:, None]
    scores[rows, labels] -= 1
    scores *= weights.astype(scores.dtype)[:, None]
    return float(loss)
