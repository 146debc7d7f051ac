"""Replays of the calibration error: two classes whose odds are stated too large, and the classifiers of the sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np
from numpy.typing import NDArray

from bench.numbers.collections import CELLS, Cell, collection
from bench.numbers.replay import Drawn, Replay
from labeling.quality.comparison import calibration_error
from labeling.quality.metrics import expected_calibration_error

__all__ = ["REPLAYS"]

MANY = 200_000


def calibration(n: int, temperature: float) -> Replay:
    """The calibration error of two classes, whose stated log odds are `temperature` times too large."""

    def rightly(stated: NDArray[np.float64]) -> NDArray[np.float64]:
        odds = (stated / (1 - stated)) ** (1 / temperature)
        return odds / (1 + odds)

    def stated_and_truth(n: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        first = np.clip(rng.beta(6, 0.75, size=n), 0.5, 1 - 1e-9)
        return np.stack([first, 1 - first], axis=1), (rng.random(n) >= rightly(first)).astype(np.int64)

    truth = expected_calibration_error(*stated_and_truth(MANY, np.random.default_rng(0))) if temperature != 1 else 0.0

    def replay(rng: np.random.Generator) -> Drawn:
        return Drawn(calibration_error(*stated_and_truth(n, rng), np.arange(n), rng), truth)

    return replay


def on_a_set(cell: Cell, n: int) -> Replay:
    """The calibration error of the set's classifier on n images."""

    def replay(rng: np.random.Generator) -> Drawn:
        everyone = collection(cell)
        some = rng.permutation(len(everyone.answers))[:n]
        found = calibration_error(everyone.probs[some], everyone.answers[some], np.arange(n), rng)
        return Drawn(found, expected_calibration_error(everyone.probs, everyone.answers))

    return replay


def _replays() -> Iterator[tuple[str, Replay]]:
    for n, temperature in product((40, 100, 300), (1.0, 1.5, 3.0)):
        yield f"calibration error, n {n}, T {temperature:g}", calibration(n, temperature)
    for cell, n in product((cell for cell in CELLS if cell.name != "stamps"), (40, 100)):
        yield f"calibration error, n {n}, {cell}", on_a_set(cell, n)


REPLAYS: Mapping[str, Replay] = dict(_replays())
