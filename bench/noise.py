"""What weighing training labels brings back of the accuracy that wrong ones cost, without more answers.

Image sets of `bench.labels` and made ones of `bench.hedging`; labels are drawn at random, and a stated share of them
is wrong: of any other class (uniform), or of one of the two classes whose means are nearest (confused). Arms: the
product's fit, the same head with all labels alike, and the peer: cleanlab's suspects left out, found by five folds of
that head. *Recovered* is what an arm gains on all labels alike, as a part of what these lose to right labels, over the
seeds of a cell and over all sets.

It needs the extra `bench`.

python -m bench.noise [--quick] [--seeds 10]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.hedging import Cell, trial
from bench.label_data import SETS, load, prepare
from bench.processes import processes
from bench.report import at_least, emit
from labeling.learn.classifier import HeadKind, Inputs
from labeling.learn.heads.logistic import Logistic
from labeling.learn.training import fit_classifier, predict_probs
from labeling.quality.labels.label_errors import cross_validated, suspects

MADE = ("2 classes", "4 classes", "10 classes, uneven", "20 classes", "gratings")
LABELS = (100, 300)
KINDS = ("uniform", "confused")
WRONG = (0.0, 0.05, 0.1, 0.2)
Labels = NDArray[np.int64]
Vectors = NDArray[np.float32]


class Alike(Logistic):
    """The head for which all labels count the same."""

    weighs: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Wrong:
    """How many labels there are, and how many of them are wrong in which way."""

    labels: int
    kind: str
    share: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two sets, 20 %% wrong, once")
    parser.add_argument("--seeds", type=int, default=10)
    chosen = parser.parse_args()
    names, shares, seeds = (
        ((*SETS, *MADE), WRONG, chosen.seeds) if not chosen.quick else (("digits", "gratings"), WRONG[-1:], 1)
    )
    cells = [Wrong(*one) for one in product(LABELS, KINDS, shares) if one[1:] != ("confused", 0.0)]
    found: dict[tuple[str, Wrong], list[Mapping[str, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        prepare([name for name in names if name in SETS], Path(folder))
        work = list(product(names, cells, range(seeds)))
        with processes() as pool:
            for (name, cell, _), one in zip(
                work, pool.map(play, *zip(*work, strict=True), [folder] * len(work)), strict=True
            ):
                found[name, cell].append(one)
    emit("noise", _targets(found), _lines(found))


def play(name: str, wrong: Wrong, seed: int, folder: str) -> dict[str, float]:
    """Accuracy of each arm on images that have no label."""
    vectors, truth, n_classes = _set(name, seed, folder)
    rng = np.random.default_rng([seed, wrong.labels])
    order = rng.permutation(len(truth))
    known, test = order[: wrong.labels], order[wrong.labels :]
    given = truth.copy()
    missed = known[: round(wrong.share * len(known))]
    given[missed] = _other(vectors, truth, n_classes, wrong.kind, rng)[missed]

    def accuracy(rows: Labels, labels: Labels, head: HeadKind) -> float:
        fitted = fit_classifier(
            _inputs(vectors[rows], n_classes), labels, n_classes, head, reference=_inputs(vectors, n_classes)
        )
        return float((predict_probs(fitted, _inputs(vectors[test], n_classes)).argmax(axis=1) == truth[test]).mean())

    kept = _kept(vectors[known], given[known], n_classes, rng)
    return {
        "right": accuracy(known, truth[known], Alike()),
        "alike": accuracy(known, given[known], Alike()),
        "weighed": accuracy(known, given[known], Logistic()),
        "cleanlab": accuracy(known[kept], given[known][kept], Alike()),
    }


def _set(name: str, seed: int, folder: str) -> tuple[Vectors, Labels, int]:
    if name in SETS:
        of = load(Path(folder), name, "good")
        return of.vectors, of.truth, of.n_classes
    made = trial(Cell(name, "good", 0.0), seed)
    return made.vectors, made.truth, made.n_classes


def _other(vectors: Vectors, truth: Labels, n_classes: int, kind: str, rng: np.random.Generator) -> Labels:
    """For each image (N,) the class that it is taken for by who errs."""
    if kind == "uniform":
        return np.asarray((truth + rng.integers(1, n_classes, len(truth))) % n_classes)
    means = np.stack([vectors[truth == one].mean(axis=0) for one in range(n_classes)])
    apart = np.linalg.norm(means[:, None] - means, axis=2)
    near = apart.argsort(axis=1)[:, 1 : 1 + min(2, n_classes - 1)]  # itself is the nearest
    return np.asarray(near[truth, rng.integers(0, near.shape[1], len(truth))])


def _kept(vectors: Vectors, labels: Labels, n_classes: int, rng: np.random.Generator) -> Labels:
    """The positions whose labels cleanlab does not suspect."""
    inputs, every = _inputs(vectors, n_classes), np.arange(len(labels))

    def fit(some: Inputs, of: Labels) -> Any:
        fitted = fit_classifier(some, of, n_classes, Alike())
        return lambda others: predict_probs(fitted, others)

    probs = cross_validated(inputs, labels, every, np.ones(len(labels), bool), fit, n_classes, rng)
    return np.setdiff1d(every, [one.position for one in suspects(labels, probs)])


def _inputs(vectors: Vectors, n_classes: int) -> Inputs:
    n = len(vectors)
    return Inputs(vectors, np.empty((n, 0), np.float32), np.full((n, n_classes), np.nan, np.float32))


def _lines(found: Mapping[tuple[str, Wrong], list[Mapping[str, float]]]) -> Iterator[dict[str, Any]]:
    for (name, cell), runs in found.items():
        line: dict[str, Any] = {
            "set": name,
            "labels": cell.labels,
            "errors": cell.kind,
            "wrong": cell.share,
            "n": len(runs),
        }
        for arm in runs[0]:
            line[arm] = round(statistics.fmean(run[arm] for run in runs), 4)
        gains = [run["weighed"] - run["alike"] for run in runs]
        line["gain"] = round(statistics.fmean(gains), 4)
        line["se"] = round(statistics.stdev(gains) / len(gains) ** 0.5, 4) if len(gains) > 1 else None
        line["recovered"] = {arm: _recovered(runs, arm) for arm in ("weighed", "cleanlab")} if cell.share else None
        yield line


def _recovered(runs: list[Mapping[str, float]], arm: str) -> float | None:
    lost = sum(run["right"] - run["alike"] for run in runs)
    return round(sum(run[arm] - run["alike"] for run in runs) / lost, 3) if lost > 0 else None


def _targets(found: Mapping[tuple[str, Wrong], list[Mapping[str, float]]]) -> dict[str, Any]:
    targets = {}
    for labels, (kind, goal) in product(LABELS, zip(KINDS, (0.5, 0.4), strict=True)):
        runs = [run for (_, cell), some in found.items() if cell == Wrong(labels, kind, 0.2) for run in some]
        targets[f"recovered of 20 % wrong, {kind}, {labels} labels"] = at_least(_recovered(runs, "weighed"), goal)
    clean = [
        statistics.fmean(run["weighed"] - run["alike"] for run in some)
        for (_, cell), some in found.items()
        if not cell.share
    ]
    if clean:
        targets["gain without wrong labels, mean over sets and sizes"] = at_least(statistics.fmean(clean), -0.002)
        targets["gain without wrong labels, the worst of them"] = at_least(min(clean), -0.005)
    return targets


if __name__ == "__main__":
    main()
