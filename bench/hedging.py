"""How much of a query should follow doubt, on data that no figure of the product is measured on.

Mixtures whose classes are of kinds that are more and less frequent, gratings as pictures, and a table of tumours
(scikit-learn's `breast_cancer`); good vectors and weakened ones; right answers and wrong ones. Each arm is the
product's own strategies; accuracy is on images that no arm may ask. The head is scikit-learn's logistic regression with
the settings of ours: the same optimum, fitted ten times as fast.

python -m bench.hedging [--quick] [--seeds 4]
"""

from __future__ import annotations

import argparse
import statistics
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from bench.processes import processes
from bench.report import at_least, emit
from labeling.learn.classifier import ABSENT_LOGIT
from labeling.learn.heads.logistic import Logistic
from labeling.quality.labels.label_errors import folds_of
from labeling.select.strategies.hedged import Hedged, evidence_of, hedged
from labeling.select.strategies.registry import STRATEGIES
from labeling.select.strategies.strategy import Labelled, Predicted, Strategy, View
from labeling.vectors import softmax, unit

BATCH, BUDGETS = 50, (50, 100, 150, 200, 300)
VECTORS = ("good", "few dimensions", "noise", "wrong encoder")
WRONG = (0.0, 0.05, 0.2)
DOUBT = STRATEGIES["margin"]
Vectors = NDArray[np.float32]
Labels = NDArray[np.int64]
StrategyOf = Callable[["Trial", Labels, np.random.Generator], Strategy]
"""The strategy of a query about a trial in which these rows were asked before."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """K classes of eight kinds each, in `inner` dimensions turned into 128; the larger `apart`, the easier."""

    classes: int
    inner: int
    apart: float
    uneven: bool = False

    def __call__(self, rng: np.random.Generator, n: int) -> tuple[Vectors, Labels]:
        shape = self.classes, 8, self.inner
        middles = rng.normal(size=(self.classes, 1, self.inner)) + 1.2 * rng.normal(size=shape)
        kinds, classes = 1 / np.arange(1, 9), 1 / np.arange(1, self.classes + 1) ** float(self.uneven)
        truth = rng.choice(self.classes, n, p=classes / classes.sum())
        kind = rng.choice(8, n, p=kinds / kinds.sum())
        wide = rng.lognormal(0, 0.35, size=(self.classes, 8, 1))[truth, kind]
        points = middles[truth, kind] * self.apart / np.sqrt(self.inner) + wide * rng.normal(size=(n, self.inner))
        turn, _ = np.linalg.qr(rng.normal(size=(128, self.inner)))
        return (points @ turn.T + 0.3 * rng.normal(size=(n, 128))).astype(np.float32), truth


def gratings(rng: np.random.Generator, n: int) -> tuple[Vectors, Labels]:
    """Pictures of 12 x 12 pixels: eight gratings by direction and width, at any phase; vectors are their spectra."""
    truth = rng.integers(0, 8, n)
    angle = truth % 4 * np.pi / 4 + rng.normal(0, 0.15, n)
    waves = np.where(truth < 4, 0.8, 1.5) * rng.lognormal(0, 0.08, n)
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(12), np.arange(12)))
    phase = np.outer(np.cos(angle) * waves, x) + np.outer(np.sin(angle) * waves, y) + rng.uniform(0, 7, (n, 1))
    pictures = np.sin(phase) + rng.normal(0, 0.6, (n, 144))
    return np.abs(np.fft.fft2(pictures.reshape(n, 12, 12)))[:, :, :7].reshape(n, -1).astype(np.float32), truth


def tumours(rng: np.random.Generator, n: int) -> tuple[Vectors, Labels]:
    """569 rows of 30 measures, two classes; `n` is not heeded."""
    table, truth = load_breast_cancer(return_X_y=True)
    return ((table - table.mean(axis=0)) / table.std(axis=0)).astype(np.float32), truth.astype(np.int64)


DATA: dict[str, Callable[[np.random.Generator, int], tuple[Vectors, Labels]]] = {
    "2 classes": Mixture(2, 16, 4.0),
    "4 classes": Mixture(4, 16, 5.0),
    "10 classes": Mixture(10, 48, 5.0),
    "10 classes, uneven": Mixture(10, 48, 6.0, uneven=True),
    "20 classes": Mixture(20, 48, 7.0),
    "gratings": gratings,
    "tumours": tumours,
}
ARMS: dict[str, Strategy] = {
    "random": STRATEGIES["random"],
    "representative": STRATEGIES["typical"],
    "half": Hedged(DOUBT, 0.5),
    "doubt": Hedged(DOUBT, 1.0),
    "hedged": DOUBT,
}


@dataclass(frozen=True, slots=True)
class Cell:
    data: str
    vectors: str
    wrong: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two data sets, good and few dimensions, once")
    parser.add_argument("--seeds", type=int, default=4)
    chosen = parser.parse_args()
    data, vectors = (["gratings", "tumours"], VECTORS[:2]) if chosen.quick else (list(DATA), VECTORS)
    cells = [Cell(*cell) for cell in product(data, vectors, WRONG) if cell[1] == "good" or cell[2] != 0.05]
    work = list(product(cells, range(1 if chosen.quick else chosen.seeds)))
    gains: dict[tuple[Cell, str], list[float]] = defaultdict(list)
    with processes() as pool:
        for (cell, _), found in zip(work, pool.map(play, *zip(*work, strict=True)), strict=True):
            for arm, gain in found.items():
                gains[cell, arm].append(gain)
    by_cell = {key: statistics.fmean(values) for key, values in gains.items()}
    kept = {cell: by_cell[cell, "hedged"] for cell in cells}
    good = [gain for cell, gain in kept.items() if cell.vectors == "good"]
    other = [gain for cell, gain in kept.items() if cell.vectors != "good"]
    targets = {
        "hedged_over_random_good_points": at_least(statistics.fmean(good), 2.0),
        "hedged_over_random_weak_points": at_least(statistics.fmean(other), -0.3),
    }
    emit("hedging", targets, _lines(cells, by_cell))


def _lines(cells: list[Cell], gains: dict[tuple[Cell, str], float]) -> Iterator[dict[str, Any]]:
    """Each cell, then the mean over data: points of accuracy above random, the mean over the budgets."""
    arms = [arm for arm in ARMS if arm != "random"]
    for cell in cells:
        name = {"data": cell.data, "vectors": cell.vectors, "wrong": cell.wrong}
        yield {**name, **{arm: round(gains[cell, arm], 2) for arm in arms}}
    for vectors, wrong in dict.fromkeys((cell.vectors, cell.wrong) for cell in cells):
        same = [cell for cell in cells if (cell.vectors, cell.wrong) == (vectors, wrong)]
        means = {arm: round(statistics.fmean(gains[cell, arm] for cell in same), 2) for arm in arms}
        yield {"data": "mean", "vectors": vectors, "wrong": wrong, **means}


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One data set, its answers (N,), and the rows that may be asked; the others judge."""

    vectors: Vectors
    truth: Labels
    answers: Labels
    pool: Labels
    test: Labels
    n_classes: int
    seed: int

    def curve(self, strategy_of: StrategyOf) -> list[float]:
        """Accuracy at every budget, each query by the strategy of the rows asked before."""
        return [self._score(asked) for asked in self.asked(strategy_of)]

    def asked(self, strategy_of: StrategyOf, budgets: tuple[int, ...] = BUDGETS) -> Iterator[Labels]:
        """Rows that were asked, at every budget; at most half of those that may be."""
        rng = np.random.default_rng([self.seed, 1])
        asked: Labels = np.empty(0, np.int64)
        while len(asked) < min(budgets[-1], len(self.pool) // 2):
            free = np.setdiff1d(self.pool, asked)
            picks = strategy_of(self, asked, rng).choose(self._view(asked, free), BATCH, rng)
            asked = np.concatenate([asked, free[picks.positions]])
            if len(asked) in budgets:
                yield asked

    def _view(self, asked: Labels, free: Labels) -> View:
        labelled = Labelled(tuple(map(str, self.answers[asked])), lambda some: self.vectors[asked[some]])
        groups, gather = np.arange(len(free)), lambda some: self.vectors[free[some]]
        if not len(asked):
            return View(groups, gather, lambda: labelled)
        probs = fit(self.vectors[asked], self.answers[asked], self.n_classes, self.vectors[free])
        return View(groups, gather, lambda: labelled, Predicted(probs))

    def _score(self, asked: Labels) -> float:
        probs = fit(self.vectors[asked], self.answers[asked], self.n_classes, self.vectors[self.test])
        return float((probs.argmax(axis=1) == self.truth[self.test]).mean())


def trial(cell: Cell, seed: int, images: int = 2_000) -> Trial:
    """So many images of a cell's data."""
    rng = np.random.default_rng([seed, list(DATA).index(cell.data)])
    return trial_of(*DATA[cell.data](rng, images), cell, rng, seed)


def trial_of(vectors: Vectors, truth: Labels, cell: Cell, rng: np.random.Generator, seed: int) -> Trial:
    """A third of the images judges; some answers are of another class, drawn uniformly."""
    vectors = unit(_weakened(vectors - vectors.mean(axis=0), cell.vectors, rng))
    order, n_classes = rng.permutation(len(truth)), int(truth.max()) + 1
    test, pool = order[: len(order) // 3], order[len(order) // 3 :]
    flipped = rng.random(len(truth)) < cell.wrong
    answers = np.where(flipped, (truth + rng.integers(1, n_classes, len(truth))) % n_classes, truth)
    return Trial(vectors, truth, answers, pool, test, n_classes, seed)


def play(cell: Cell, seed: int) -> dict[str, float]:
    """Points above random of each arm: the mean over the budgets."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    of = trial(cell, seed)
    curves = {arm: of.curve(partial(_strategy, arm)) for arm in ARMS}
    plain = curves["random"]
    return {arm: 100 * statistics.fmean(np.subtract(curve, plain)) for arm, curve in curves.items()}


def _strategy(arm: str, of: Trial, asked: Labels, rng: np.random.Generator) -> Strategy:
    if arm == "random":
        return ARMS[arm]
    if not len(asked):
        return STRATEGIES["typical"]
    return as_hedged(ARMS[arm], of, asked, rng) if arm == "hedged" else ARMS[arm]


def as_hedged(strategy: Strategy, of: Trial, asked: Labels, rng: np.random.Generator) -> Strategy:
    """The strategy of a query as the product hedges it, by the evidence of these labels."""
    vectors, labels = of.vectors[asked], of.answers[asked]
    folds, probs = (
        folds_of(np.arange(len(labels)), np.ones(len(labels), bool), rng),
        np.zeros((len(labels), of.n_classes)),
    )
    for fold in np.unique(folds):
        out = folds == fold
        probs[out] = fit(vectors[~out], labels[~out], of.n_classes, vectors[out])
    return hedged(strategy, evidence_of(labels, probs), promoted=True)


def fit(vectors: Vectors, labels: Labels, n_classes: int, others: Vectors) -> NDArray[np.float64]:
    """Probabilities (N, K) of other images, at the temperature that images are ranked by."""
    present = np.unique(labels)
    logits = np.full((len(others), n_classes), ABSENT_LOGIT)
    if len(present) < 2:
        logits[:, present] = 0
    else:
        found = (
            LogisticRegression(C=Logistic().c, max_iter=100, tol=1e-3).fit(vectors, labels).decision_function(others)
        )
        logits[:, present] = np.stack([-found / 2, found / 2], axis=1) if found.ndim == 1 else found
    return softmax(logits / Logistic.temperature)


def _weakened(vectors: NDArray[np.floating], how: str, rng: np.random.Generator) -> Vectors:
    width = vectors.shape[1]
    if how == "few dimensions":
        vectors = vectors @ rng.normal(size=(width, 8))
    elif how == "noise":
        vectors = vectors + vectors.std() * rng.normal(size=vectors.shape)
    elif how == "wrong encoder":
        turned = vectors @ rng.normal(size=(width, 24))
        vectors = np.sin(1.5 * turned / turned.std())
    return np.asarray(vectors, np.float32)


if __name__ == "__main__":
    main()
