"""Replays of shares: how often a classifier is right, how often a class is found, how often two say the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np

from bench.numbers.collections import CELLS, Cell, collection
from bench.numbers.replay import Drawn, Replay, width_of
from labeling.estimates import MIN_LABELS
from labeling.quality.annotators.acceptance import acceptance
from labeling.quality.metrics import accuracy, confusion, reliability, share

__all__ = ["REPLAYS"]


def of_a_version(cell: Cell, n: int) -> Replay:
    """The accuracy of a version, on n images of the random stream."""

    def replay(rng: np.random.Generator) -> Drawn:
        everyone = collection(cell)
        some = rng.permutation(len(everyone.answers))[:n]
        truth = float(everyone.right.mean())
        return Drawn(accuracy(everyone.said[some], everyone.answers[some]), truth, width_of(truth, n))

    return replay


def of_a_class(cell: Cell, n: int) -> Replay:
    """How often the champion finds one class, any one that has enough images in a stream of n."""

    def replay(rng: np.random.Generator) -> Drawn | None:
        everyone = collection(cell)
        some, classes = rng.permutation(len(everyone.answers))[:n], everyone.probs.shape[1]
        matrix = confusion(everyone.said[some], everyone.answers[some], classes)[:classes]
        one = int(rng.integers(classes))
        if matrix[one].sum() < MIN_LABELS:
            return None
        truth = float(everyone.right[everyone.answers == one].mean())
        hits, of = int(matrix[one, one]), int(matrix[one].sum())
        return Drawn(share(hits, of), truth, width_of(truth, of))

    return replay


def of_a_bin(cell: Cell, n: int) -> Replay:
    """The share that is right among images of like confidence: any bin of the diagram."""

    def replay(rng: np.random.Generator) -> Drawn:
        everyone = collection(cell)
        some = rng.permutation(len(everyone.answers))[:n]
        found = reliability(everyone.sure[some], everyone.right[some])
        one = found[rng.integers(len(found))]
        tenth = np.ceil(everyone.sure * 10) == np.ceil(one.confidence * 10)
        truth = float(everyone.right[tenth].mean())
        return Drawn(one.right, truth, width_of(truth, one.right.n))

    return replay


def of_answers(chance: float, n: int) -> Replay:
    """A share of n answers, each of which counts with the same chance: kept, unanimous, changed."""

    def replay(rng: np.random.Generator) -> Drawn:
        [found] = acceptance([("cat", n, int(rng.binomial(n, chance)))], ["cat"])
        return Drawn(found.share, chance, width_of(chance, n))

    return replay


def _replays() -> Iterator[tuple[str, Replay]]:
    for cell, n in product(CELLS, (30, 100)):
        yield f"accuracy of a version, n {n}, {cell}", of_a_version(cell, n)
    for cell in (cell for cell in CELLS if cell.name != "stamps"):  # no stamp's class has 30 images in a stream
        yield f"recall of a class, n 400, {cell}", of_a_class(cell, 400)
    for cell in CELLS:
        yield f"share right in a bin, n 100, {cell}", of_a_bin(cell, 100)
    for chance, n in product((0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5), (30, 100, 300)):
        yield f"share of answers, n {n}, {chance:.1%}", of_answers(chance, n)


REPLAYS: Mapping[str, Replay] = dict(_replays())
