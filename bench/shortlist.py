"""What BADGE loses when only the least sure images of a large pool are considered.

A mixture of 10 classes and one of 20 (`bench.hedging`), 30,000 images to ask, 100 random answers first, then three
queries of 100. Accuracy on 6,000 others after each query, in points against all images considered, paired by seed.

python -m bench.shortlist [--quick] [--seeds 8]
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from bench.hedging import DATA, fit
from bench.processes import processes
from bench.report import at_least, emit
from labeling.select.strategies.badge import Badge
from labeling.select.strategies.strategy import Labelled, Predicted, Strategy, View
from labeling.select.strategies.uniform import Uniform
from labeling.vectors import unit

POOL, TESTED, FIRST, BATCH, QUERIES = 30_000, 6_000, 100, 100, 3
Rows = NDArray[np.int64]
ARMS: dict[str, Strategy] = {
    "all": Badge(POOL),
    "10,000": Badge(),
    "3,000": Badge(3_000),
    "500": Badge(500),
    "random": Uniform(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one mixture, twice")
    parser.add_argument("--seeds", type=int, default=8)
    chosen = parser.parse_args()
    data = ["10 classes"] if chosen.quick else ["10 classes", "20 classes"]
    found: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    work = list(product(data, range(2 if chosen.quick else chosen.seeds)))
    with processes() as pool:
        for (name, _), arms in zip(work, pool.map(play, *zip(*work, strict=True)), strict=True):
            for arm, values in arms.items():
                found[name, arm].append(values)
    lines = list(_lines(found))
    worst = min(line["points"] for line in lines if line["considered"] == "10,000")
    emit("shortlist", {"badge_of_10000_points_worst": at_least(worst, -0.2)}, lines)


def _lines(found: dict[tuple[str, str], list[tuple[float, float]]]) -> Iterator[dict[str, Any]]:
    for (name, arm), values in found.items():
        less = [one[0] - other[0] for one, other in zip(values, found[name, "all"], strict=True)]
        error = statistics.stdev(less) / len(less) ** 0.5 if len(less) > 1 else float("nan")
        seconds = statistics.median(one[1] for one in values)
        yield {
            "data": name, "considered": arm, "points": round(100 * statistics.fmean(less), 2),
            "standard_error": round(100 * error, 2), "cpu_s_of_a_query": round(seconds, 3), "seeds": len(values),
        }  # fmt: skip


def play(name: str, seed: int) -> dict[str, tuple[float, float]]:
    """Of each arm: the mean accuracy after its queries, and the processor seconds of one."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    rng = np.random.default_rng([seed, 11])
    vectors, truth = DATA[name](rng, POOL + TESTED)
    vectors = unit(vectors - vectors.mean(axis=0))
    first = rng.permutation(POOL)[:FIRST]
    return {arm: _asked(strategy, vectors, truth, first, seed) for arm, strategy in ARMS.items()}


def _asked(
    strategy: Strategy, vectors: NDArray[np.float32], truth: Rows, asked: Rows, seed: int
) -> tuple[float, float]:
    rng, n_classes, right, seconds = np.random.default_rng(seed), int(truth.max()) + 1, [], []
    for _ in range(QUERIES):
        free = np.setdiff1d(np.arange(POOL), asked)
        probs = fit(vectors[asked], truth[asked], n_classes, vectors[free])
        view = _view(vectors, truth, asked, free, probs)
        began = time.process_time()
        picks = strategy.choose(view, BATCH, rng)
        seconds.append(time.process_time() - began)
        asked = np.concatenate([asked, free[picks.positions]])
        said = fit(vectors[asked], truth[asked], n_classes, vectors[POOL:]).argmax(axis=1)
        right.append(float((said == truth[POOL:]).mean()))
    return statistics.fmean(right), statistics.median(seconds)


def _view(vectors: NDArray[np.float32], truth: Rows, asked: Rows, free: Rows, probs: NDArray[np.float64]) -> View:
    labelled = Labelled(tuple(map(str, truth[asked])), lambda at: vectors[asked[at]])
    return View(free, lambda at: vectors[free[at]], lambda: labelled, Predicted(probs))


if __name__ == "__main__":
    main()
