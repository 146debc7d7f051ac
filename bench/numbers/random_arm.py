"""Replays of the random arm: what random labels reach, our accuracy minus theirs, what is saved, what more would add.

On the sets a classifier by class means stands for the recipe: hundreds of fits a replay must be quick.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from bench.numbers.collections import CELLS, Cell, image_set, wrong_answers
from bench.numbers.replay import Drawn, Replay
from labeling.estimates import Estimate
from labeling.quality.finite_samples import finite_share
from labeling.quality.learning_curve import expected_gain
from labeling.quality.random_arm import Arm, Fit, pays, random_arm, savings

__all__ = ["REPLAYS"]

Classes = NDArray[np.integer]
NEXT_FROM = (50, 100, 150, 200)
"""Labels of the versions from which a gain is forecast."""


@lru_cache(maxsize=32)
def answered(cell: Cell) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vectors (N, D) and what people say (N,)."""
    images = image_set(cell.name, cell.vectors)
    return images.vectors, wrong_answers(images.truth, cell.wrong, images.n_classes, np.random.default_rng(1))


def by_means(cell: Cell, rows: Classes) -> Fit:
    """Fits class means on some of these rows."""
    vectors, answers = (some[rows] for some in answered(cell))
    every = np.unique(answers)
    of = (answers[:, None] == every).astype(np.float32)  # (n, K)

    def fit(taught: Classes) -> Callable[[Classes], Classes]:
        counts = of[taught].sum(axis=0)
        known = counts > 0
        means = (of[taught].T @ vectors[taught])[known] / counts[known, None]  # (K, D)
        lengths, classes = (means**2).sum(axis=1), every[known]
        return lambda some: classes[(vectors[some] @ means.T - lengths / 2).argmax(axis=1)]

    return fit


@lru_cache(maxsize=64)
def reached(cell: Cell, n: int) -> float:
    """The accuracy of .9 n random labels on all other images, on average over many samples."""
    answers = answered(cell)[1]
    everyone = np.arange(len(answers))

    def once(rng: np.random.Generator) -> float:
        taught = rng.permutation(everyone)[: round(0.9 * n)]
        rest = np.setdiff1d(everyone, taught)
        return float((by_means(cell, everyone)(taught)(rest) == answers[rest]).mean())

    return float(np.mean([once(np.random.default_rng(seed)) for seed in range(100)]))


def arm_on(cell: Cell, n: int) -> Replay:
    """The arm of n images of the stream."""

    def replay(rng: np.random.Generator) -> Drawn:
        answers = answered(cell)[1]
        rows = rng.permutation(len(answers))[:n]
        arm = random_arm(by_means(cell, rows), answers[rows], np.arange(n), rng, collection=len(answers))
        assert arm.accuracy is not None
        uniform = finite_share(int(rng.binomial(n, reached(cell, n))), n, len(answers))
        return Drawn(arm.accuracy, reached(cell, n), uniform.upper - uniform.lower)

    return replay


def difference_on(cell: Cell, n: int, taught: int) -> Replay:
    """Our accuracy minus the arm's, where ours comes from so many labels outside the stream."""

    def replay(rng: np.random.Generator) -> Drawn:
        answers = answered(cell)[1]
        ours = np.random.default_rng(2).permutation(len(answers))[:taught]
        others = np.setdiff1d(np.arange(len(answers)), ours)
        rows = rng.permutation(others)[:n]
        arm = random_arm(by_means(cell, rows), answers[rows], np.arange(n), rng)
        said = by_means(cell, np.arange(len(answers)))(ours)
        found = pays((said(rows) == answers[rows]).astype(float), arm, np.arange(n))[1]
        assert found is not None
        return Drawn(found, float((said(others) == answers[others]).mean()) - reached(cell, n))

    return replay


def saved(n: int, ratio: float, alike: float) -> Replay:
    """The savings, where a chosen label is worth `ratio` random ones; a share `alike` of the outcomes is by image.

    With m random labels an image is right with a chance of 1 - 1.5 / sqrt(m).
    """
    chosen = np.array([20, 40, 60, 80, 100, 140, 200])

    def replay(rng: np.random.Generator) -> Drawn:
        hard, by_image = rng.random(n), rng.random((len(chosen), n)) < alike
        accuracy = np.clip(1 - 1.5 / np.sqrt(ratio * chosen), 0, 1)[:, None]
        right = np.where(by_image, hard < accuracy, rng.random((len(chosen), n)) < accuracy)
        of_arm = 1 - 1.5 / math.sqrt(90)
        outcomes = np.asarray(alike * (hard < of_arm) + (1 - alike) * of_arm, np.float64)
        arm = Arm(90, outcomes, Estimate(of_arm, 0, 1, n))
        found = savings(arm, chosen, right, np.arange(n), rng)
        shown = Estimate(0.0, 0.0, math.inf, n) if found is None else Estimate(found.ratio, found.lower, found.upper, n)
        return Drawn(shown, ratio)

    return replay


def next_gain(cell: Cell, n: int) -> Replay:
    """The gain of the next 100 labels after versions at 50, 100, 150 and 200 of them; the truth is on all others."""

    def replay(rng: np.random.Generator) -> Drawn:
        answers = answered(cell)[1]
        order = rng.permutation(len(answers))
        stream, others, taught = order[:n], order[n:-300], order[-300:]
        said = [
            by_means(cell, np.arange(len(answers)))(taught[:labels]) for labels in (*NEXT_FROM, NEXT_FROM[-1] + 100)
        ]
        right = np.array([one(stream) == answers[stream] for one in said[:-1]])
        found = expected_gain(np.array(NEXT_FROM), right, np.arange(n))
        assert found is not None
        before, after = (float((one(others) == answers[others]).mean()) for one in said[-2:])
        return Drawn(found, after - before)

    return replay


def _replays() -> Iterator[tuple[str, Replay]]:
    for cell, n in product(CELLS, (40, 100)):
        yield f"random arm, n {n}, {cell}", arm_on(cell, n)
    for cell in CELLS:
        yield f"our accuracy minus random's, n 100, {cell}", difference_on(cell, 100, 120)
    for cell, n in product(CELLS, (40, 100)):
        if not cell.name.startswith("stamps"):  # too few images for 300 labels, a stream and others
            yield f"gain of the next labels, n {n}, {cell}", next_gain(cell, n)
    for n, (ratio, alike) in product((40, 100, 300), ((1.0, 0.8), (2.0, 0.8), (2.0, 0.3))):
        yield f"savings, {n} images, {ratio:g} times, {alike:g} alike", saved(n, ratio, alike)


REPLAYS: Mapping[str, Replay] = dict(_replays())
