"""Replays of the gate: a candidate against the champion on the same images, by simulated answers and on the sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from bench.numbers.collections import CELLS, Cell, collection
from bench.numbers.replay import Drawn, Replay
from labeling.estimates import Estimate
from labeling.project import Gate
from labeling.promote.judgement import Sample, difference, judge
from labeling.promote.out_of_fold import Predictor, out_of_fold

__all__ = ["REPLAYS", "Recipe", "promoted_share", "promotions_on_digits"]

BOUNDS = ((0.02, -0.01), (0.06, -0.02), (0.06, 0.02), (0.2, -0.05), (0.2, 0.0))

Vectors = NDArray[np.floating]
Classes = NDArray[np.integer]


def gain(n: int, flips: float, better: float) -> Replay:
    """The difference of two classifiers on n images, which disagree on a share `flips` and differ by `better`."""

    def replay(rng: np.random.Generator) -> Drawn:
        ours, theirs = paired(n, flips, better, rng)
        return Drawn(difference(ours, theirs, np.zeros(n, np.int64), Gate(), rng), better)

    return replay


def paired(
    n: int, flips: float, better: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities (n, 2) of two classifiers for images whose class is 0; one in ten is wrong by both."""
    shares = [(flips + better) / 2, (flips - better) / 2, (1 - flips) * 0.9, (1 - flips) * 0.1]
    kind = rng.choice(4, size=n, p=shares)
    right = np.array([[0.9, 0.1], [0.2, 0.8]])
    ours, theirs = np.array([0, 1, 0, 1])[kind], np.array([1, 0, 0, 1])[kind]
    return right[ours] - [[0.01, -0.01]], right[theirs]


def promoted_share(n: int, flips: float, better: float, seeds: int, gate: Gate | None = None) -> float:
    """How often the gate promotes a candidate that is better by `better` (worse below 0) on n images."""
    rngs = [np.random.default_rng(seed) for seed in range(seeds)]
    truth, gate = np.zeros(n, np.int64), gate or Gate()
    return float(np.mean([judge(*paired(n, flips, better, rng), truth, gate, rng).promoted for rng in rngs]))


@dataclass(frozen=True, slots=True)
class Promotions:
    """Verdicts by training labels alone: how often the candidate was promoted, and its true gain on average."""

    promoted: float
    true_gain: float


def promotions_on_digits(n: int, candidate: Recipe, champion: Recipe, seeds: int) -> Promotions:
    """The gate on n labelled digits, by ten folds of them: each recipe learns from the first of them that it names."""
    images, truth = load_digits(return_X_y=True)
    images = images / np.linalg.norm(images, axis=1, keepdims=True)
    promoted, gains = [], []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(truth))
        known, rest = order[:n], order[n:]
        fits = [recipe.predictor(images, truth, known) for recipe in (candidate, champion)]
        ours, theirs = out_of_fold(np.arange(n), fits[0], fits[1], rng)
        promoted.append(judge(ours, theirs, truth[known], Gate(), rng, sample=Sample.TRAINING).promoted)
        right = [
            recipe.fitted(images, truth, known)(rest).argmax(axis=1) == truth[rest] for recipe in (candidate, champion)
        ]
        gains.append(right[0].mean() - right[1].mean())
    return Promotions(float(np.mean(promoted)), float(np.mean(gains)))


@dataclass(frozen=True, slots=True)
class Recipe:
    """A logistic regression on the first `share` of the labels and the first `pixels` of an image."""

    share: float = 1.0
    pixels: int = 64
    c: float = 30.0

    def predictor(self, images: Vectors, truth: Classes, known: Classes) -> Predictor:
        """What it predicts of some of the known images, fitted on its share without them."""

        def predict(fold: NDArray[np.int64]) -> NDArray[np.float64]:
            mine = np.setdiff1d(np.arange(round(self.share * len(known))), fold)
            return self.fitted(images, truth, known[mine], whole=True)(known[fold])

        return predict

    def fitted(
        self, images: Vectors, truth: Classes, known: Classes, *, whole: bool = False
    ) -> Callable[[Classes], NDArray[np.float64]]:
        """What it predicts of any images, fitted on its share of the known ones, or on all."""
        mine = known if whole else known[: round(self.share * len(known))]
        model = LogisticRegression(C=self.c, max_iter=2_000).fit(images[mine, : self.pixels], truth[mine])

        def predict(rows: Classes) -> NDArray[np.float64]:
            probs = np.zeros((len(rows), 10))
            probs[:, model.classes_] = model.predict_proba(images[rows, : self.pixels])
            return probs

        return predict


def bound(n: int, flips: float, better: float) -> Replay:
    """The one-sided 90 % lower bound of a verdict: held to .88, as a 95 % interval is to .93.

    Where fewer than five answers differ the verdict says that it is not yet known.
    """

    def replay(rng: np.random.Generator) -> Drawn | None:
        ours, theirs = paired(n, flips, better, rng)
        found = judge(ours, theirs, np.zeros(n, np.int64), Gate(), rng)
        if found.lower is None or found.gain is None:
            return None
        return Drawn(Estimate(found.gain, found.lower, 1.0, n), better, bound=True, goal=0.88)

    return replay


def gain_on(cell: Cell, n: int) -> Replay:
    """The difference of two classifiers of the set, one of which has learnt from half of the answers."""

    def replay(rng: np.random.Generator) -> Drawn:
        ours, theirs = collection(cell), collection(cell, 75)
        size = min(len(ours.answers), len(theirs.answers))
        some = rng.permutation(size)[:n]
        probs = ours.probs[-size:], theirs.probs[-size:]  # the same images: the last of one order
        answers = ours.answers[-size:]
        right = [part.argmax(axis=1) == answers for part in probs]
        found = difference(probs[0][some], probs[1][some], answers[some], Gate(), rng)
        return Drawn(found, float(right[0].mean() - right[1].mean()))

    return replay


def _replays() -> Iterator[tuple[str, Replay]]:
    pairs = ((0.02, 0.0), (0.06, 0.02), (0.2, 0.0), (0.2, 0.1), (0.2, -0.05))
    for n, (flips, better) in product((30, 60, 100, 300), pairs):
        yield f"gain, n {n}, {flips:g} differ, {better:+g}", gain(n, flips, better)
    for n, (flips, better) in product((30, 100, 300), BOUNDS):
        yield f"lower bound of a verdict, n {n}, {flips:g} differ, {better:+g}", bound(n, flips, better)
    for cell, n in product(CELLS, (30, 100)):
        yield f"gain, n {n}, {cell}", gain_on(cell, n)


REPLAYS: Mapping[str, Replay] = dict(_replays())
