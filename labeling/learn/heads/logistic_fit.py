"""The fit of a multinomial logistic regression: what `labeling.learn.heads.logistic` does with examples.

In: features (N, F) and labels (N,). Out: the weights (K, F) and biases (K,) near the minimum; the same input gives the
same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from labeling.learn.classifier import Log
from labeling.learn.heads.logistic_spaces import Examples, InExamples, InFeatures, Numbers, Space
from labeling.one_thread import one_thread

__all__ = ["How", "train"]

HISTORY = 10
"""How many iterations L-BFGS remembers."""
LARGE = 10_000
"""Examples from which on the end is `How.tolerance` itself: it is the nearer the fewer there are."""
ENOUGH = 1e-4
"""What part of the gain that the slope promises a step must make."""
SHORTEST = 1e-3
"""Where so short a step gains nothing, none does in this precision."""


@dataclass(frozen=True, slots=True)
class How:
    """The settings of `Logistic` by which it is fitted."""

    c: float
    balanced: bool
    max_steps: int
    tolerance: float


@dataclass(frozen=True, slots=True)
class _Pair:
    """What a step was, and how it changed the gradient."""

    step: Numbers
    change: Numbers
    product: float


@dataclass(frozen=True, slots=True)
class _Place:
    """A point with the loss and the gradient there."""

    point: Numbers
    loss: float
    gradient: Numbers


def train(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    n_classes: int,
    how: How,
    log: Log | None = None,
    weights: NDArray[np.float64] | None = None,
) -> tuple[Numbers, Numbers]:
    """Weights (K, F) and biases (K,) that minimise the weighted cross-entropy plus |W|² / 2C, as in scikit-learn.

    Every class must have an example. The problem is convex and begins at zeros. With E = gᵀ H⁻¹ g, twice what the loss
    can still fall by the gradient g and the present estimate H of the Hessian, it ends where sqrt(E / N), about the
    root mean square error of a score, is at most `how.tolerance` times min(1, N / 10,000); or after `how.max_steps`
    steps, or where nothing is gained. `weights` (N,) is what each example counts. `log` gets the number of each step
    and the loss of an example before it.

    Notes
    -----
    L-BFGS, whose first Hessian is not a multiple of one but that of the loss at zeros: the covariance of the features
    by the variance of a class, plus the penalty. So the first step is a ridge regression, and some 10 to 30 steps are
    enough where there were 60 to 300 (docs/decisions/0060-the-head-starts-from-its-covariance.md).
    Source: Nocedal and Wright (2006), "Numerical Optimization", algorithm 7.4.
    """
    counts = np.bincount(labels, minlength=n_classes)
    counted = np.ones(len(labels)) if weights is None else weights
    if how.balanced:
        counted = counted * (len(labels) / (n_classes * counts))[labels]
    given = Examples(np.ascontiguousarray(features, np.float32), labels, counted, n_classes, 1 / how.c)
    del features
    near = (how.tolerance * min(1.0, len(labels) / LARGE)) ** 2 * len(labels)
    with one_thread():  # and no threads that spin in vain
        few = len(labels) <= given.features.shape[1]
        space = InExamples(given) if few else InFeatures(given)
        return space.weights(_minimum(space, near, how.max_steps, log, len(labels)))


def _minimum(space: Space, near: float, max_steps: int, log: Log | None, n: int) -> Numbers:
    """The point of least loss."""
    here, pairs = _at(space, space.start()), list[_Pair]()
    for step in count():
        if log is not None:
            log(step, here.loss / n)
        down = _direction(space, here.gradient, pairs)
        expected = space.product(down, here.gradient)  # E: twice what the loss can still fall
        if expected <= near or step >= max_steps:
            return here.point - down
        there = _better(space, here, down, expected)
        if there is None:
            return here.point
        pair = _Pair(there.point - here.point, there.gradient - here.gradient, 0.0)
        product = space.product(pair.step, pair.change)
        if product > 0:
            pairs = [*pairs, _Pair(pair.step, pair.change, product)][-HISTORY:]
        here = there
    raise AssertionError("counts for ever")


def _at(space: Space, point: Numbers) -> _Place:
    return _Place(point, *space.loss(point))


def _direction(space: Space, gradient: Numbers, pairs: list[_Pair]) -> Numbers:
    """The inverse of the Hessian, as far as it is known, by the gradient."""
    left, shares = gradient.copy(), list[float]()
    for pair in reversed(pairs):
        shares.append(space.product(pair.step, left) / pair.product)
        left -= pair.change * left.dtype.type(shares[-1])
    found = space.precondition(left)
    for pair in pairs:
        share = shares.pop() - space.product(found, pair.change) / pair.product
        found += pair.step * found.dtype.type(share)
    return found


def _better(space: Space, here: _Place, down: Numbers, expected: float) -> _Place | None:
    """A place of less loss in this direction; None where there is none.

    A convex loss that still falls where a step ends has fallen all the way: that holds also where what is gained is
    less than the sums of the loss are exact to.
    """
    length = 1.0
    while length > SHORTEST:
        there = _at(space, here.point - down * down.dtype.type(length))
        rises = -space.product(down, there.gradient)
        if rises <= 0 or there.loss <= here.loss - ENOUGH * length * expected:
            return there
        length *= min(max(expected / (expected + rises), 0.1), 0.7)  # where a parabola has its least
    return None
