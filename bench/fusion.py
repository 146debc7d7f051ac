"""Whether images and texts together are never worse than the better of the two, whatever the texts are worth.

Stamps with their captions, by the bundled engine; and made sets: ten classes of images as vectors, with texts as
vectors that say the class (plainly, weakly, of every second image) or nothing (noise, one of forty captions drawn at
random, the same for all but noise), and pre-labels that are right three times in five, or noise. Labels are a stated
number of each class. Arms: the product's fit; the same without the scales of its blocks; images alone, texts alone,
pre-labels alone; and the peers, scikit-learn's logistic regression and linear support vectors (AutoGluon's answer to
frozen features) on the same features. Accuracy is on images that have no label.

It needs the extra `bench`.

python -m bench.fusion [--quick] [--seeds 10]
"""

from __future__ import annotations

import argparse
import statistics
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from bench.hedging import Mixture
from bench.label_data import stamps
from bench.processes import processes
from bench.report import Target, at_least, at_most, emit
from labeling.learn.classifier import Inputs
from labeling.learn.fusions.concatenation import ConcatenatedFeatures, Concatenation
from labeling.learn.heads.logistic import Logistic
from labeling.learn.training import fit_classifier, predict_probs
from labeling.vectors import unit

A_CLASS = (2, 5, 10, 20, 50)
TEXTS = ("plain", "weak", "every second", "noise", "forty captions", "all alike")
PRELABELS = ("none", "right 3 in 5", "noise")
CLASSES, WIDTH, IMAGES = 10, 128, 3_000
SINGLE = ("image", "text", "prelabel")
Labels = NDArray[np.int64]
Set = tuple[Inputs, Labels]


@dataclass(frozen=True, slots=True)
class Cell:
    """A set, and how many labels of each class."""

    texts: str
    prelabels: str
    a_class: int

    @property
    def known(self) -> str:
        return "stamps" if self.texts == "stamps" else f"texts {self.texts}, pre-labels {self.prelabels}"


class Alike(Concatenation):
    """Every block counts the same."""

    def fit(self, reference: Inputs) -> ConcatenatedFeatures:
        return _NeverSuited(**{name: getattr(super(Alike, self).fit(reference), name) for name in _CONSTANTS})


class _NeverSuited(ConcatenatedFeatures):
    def suited(self, features: NDArray[np.float32], labels: Labels, groups: Labels | None) -> ConcatenatedFeatures:
        return self


_CONSTANTS = ("image_mean", "text_mean", "prelabel_mean", "prelabel_std")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="plain texts and noise, 5 and 20 a class, twice")
    parser.add_argument("--seeds", type=int, default=10)
    chosen = parser.parse_args()
    made = [*product(TEXTS, ("none",)), *product(("plain", "noise"), PRELABELS[1:])]
    cells = [Cell(*one, number) for one, number in product([("stamps", "bundled"), *made], A_CLASS)]
    seeds = chosen.seeds
    if chosen.quick:
        cells, seeds = [Cell(texts, "none", number) for texts, number in product(("plain", "noise"), (5, 20))], 2
    found: dict[Cell, list[Mapping[str, float]]] = defaultdict(list)
    work = list(product(cells, range(seeds)))
    with processes() as pool:
        for (cell, _), one in zip(work, pool.map(play, *zip(*work, strict=True)), strict=True):
            found[cell].append(one)
    emit("fusion", _targets(found), _lines(found))


def play(cell: Cell, seed: int) -> dict[str, float]:
    """Accuracy of each arm; of an input that the set does not have there is none."""
    rng = np.random.default_rng([seed, cell.a_class])
    inputs, truth = _stamps() if cell.texts == "stamps" else _made(cell, rng)
    order = rng.permutation(len(truth))
    half = order[: len(order) // 5 * 3]
    known = np.concatenate([half[truth[half] == one][: cell.a_class] for one in np.unique(truth)])
    test = order[len(order) // 5 * 3 :]
    n_classes, labels = inputs.prelabel.shape[1], truth[known]

    def accuracy(of: Inputs, fusion: Concatenation | None = None) -> float:
        fitted = fit_classifier(of.take(known), labels, n_classes, fusion=fusion, reference=of)
        return float((predict_probs(fitted, of.take(test)).argmax(axis=1) == truth[test]).mean())

    no_image, no_text = np.zeros((len(truth), 1), np.float32), np.empty((len(truth), 0), np.float32)
    no_prelabel = np.full_like(inputs.prelabel, np.nan)
    right = {
        "fused": accuracy(inputs),
        "alike": accuracy(inputs, Alike()),
        "image": accuracy(replace(inputs, text=no_text, prelabel=no_prelabel), Alike()),
        "text": accuracy(Inputs(no_image, inputs.text, no_prelabel), Alike()),
    }
    if np.isfinite(inputs.prelabel).any():
        right["prelabel"] = accuracy(Inputs(no_image, no_text, inputs.prelabel), Alike())
    features = Concatenation().fit(inputs).features(inputs)
    for name, peer in (
        ("scikit-learn", LogisticRegression(C=Logistic().c, max_iter=500)),
        ("support vectors", LinearSVC()),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            right[name] = float((peer.fit(features[known], labels).predict(features[test]) == truth[test]).mean())
    return right


@lru_cache(maxsize=1)
def _stamps() -> Set:
    return stamps()


def _made(cell: Cell, rng: np.random.Generator) -> Set:
    vectors, truth = Mixture(CLASSES, 48, 5.0)(rng, IMAGES)
    image = unit(vectors - vectors.mean(axis=0)).astype(np.float32)
    return Inputs(image, _texts(cell.texts, truth, rng), _prelabels(cell.prelabels, truth, rng)), truth


def _texts(kind: str, truth: Labels, rng: np.random.Generator) -> NDArray[np.float32]:
    n, noise = len(truth), rng.normal(size=(len(truth), WIDTH))
    said = rng.normal(size=(CLASSES, WIDTH))[truth]
    text = {
        "plain": 0.5 * said + noise,
        "weak": 0.15 * said + noise,
        "every second": np.where(rng.random((n, 1)) < 0.5, 0.5 * said + noise, np.nan),
        "noise": noise,
        "forty captions": rng.normal(size=(40, WIDTH))[rng.integers(0, 40, n)],
        "all alike": 0.3 * noise + rng.normal(size=WIDTH),
    }[kind]
    return unit(text).astype(np.float32)


def _prelabels(kind: str, truth: Labels, rng: np.random.Generator) -> NDArray[np.float32]:
    n = len(truth)
    if kind == "none":
        return np.full((n, CLASSES), np.nan, np.float32)
    if kind == "noise":
        return rng.dirichlet(np.full(CLASSES, 0.5), n).astype(np.float32)
    said = np.where(rng.random(n) < 0.6, truth, rng.integers(0, CLASSES, n))
    return np.where(np.arange(CLASSES) == said[:, None], 0.55, 0.45 / (CLASSES - 1)).astype(np.float32)


def _lines(found: Mapping[Cell, list[Mapping[str, float]]]) -> Iterator[dict[str, Any]]:
    for cell, runs in found.items():
        gains = [run["fused"] - run[_best(runs)] for run in runs]
        means = {arm: round(statistics.fmean(run[arm] for run in runs), 4) for arm in runs[0]}
        spread = round(statistics.stdev(gains) / len(gains) ** 0.5, 4)
        yield {
            "set": cell.known, "a_class": cell.a_class, "n": len(runs), **means,
            "over_best_single": round(statistics.fmean(gains), 4), "se": spread,
        }  # fmt: skip


def _best(runs: list[Mapping[str, float]]) -> str:
    """The input that alone is best on average."""
    return max((arm for arm in SINGLE if arm in runs[0]), key=lambda arm: sum(run[arm] for run in runs))


def _targets(found: Mapping[Cell, list[Mapping[str, float]]]) -> dict[str, Target]:
    below = [cell for cell, runs in found.items() if _upper(runs, _best(runs)) < 0]
    mean = statistics.fmean(run["fused"] - run["scikit-learn"] for runs in found.values() for run in runs)
    return {
        "cells in which the 99.9 % interval is wholly below the better input": at_most(float(len(below)), 0.0),
        "over scikit-learn on the same features, mean of all": at_least(mean, 0.0),
    }


def _upper(runs: list[Mapping[str, float]], arm: str) -> float:
    gains = [run["fused"] - run[arm] for run in runs]
    return float(statistics.fmean(gains) + 3.3 * statistics.stdev(gains) / len(gains) ** 0.5)


if __name__ == "__main__":
    main()
