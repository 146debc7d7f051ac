"""What each strategy is worth against `margin`, on data that no figure of the product is measured on.

The data of `bench.hedging`: mixtures with even and uneven classes, gratings as pictures, a table of tumours; good
vectors and weakened ones, right answers and wrong ones. Played by the product's own simulation: the first query asks
typical images, the others are hedged. Accuracy is on images that no strategy may ask: points above `margin`, the mean
over 50 to 300 answers, paired by seed. There is no goal: it says which strategy for what.

python -m bench.strategies [--quick] [--seeds 5] [--strategies badge entropy]
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from bench.hedging import DATA, Cell, Labels, Trial, trial
from bench.processes import processes
from bench.report import emit
from labeling.learn.classifier import Inputs
from labeling.learn.heads.logistic import Logistic
from labeling.select.strategies.registry import STRATEGIES
from service.work.select.simulation import Known, curve

BUDGETS = (50, 100, 150, 200, 250, 300)
OTHERS = sorted(set(STRATEGIES) - {"margin"})
KINDS = (("good", 0.0), ("good", 0.2), ("few dimensions", 0.0), ("noise", 0.0))
Gains = dict[tuple[Cell, str], list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one data set with good vectors, once")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--strategies", nargs="+", choices=OTHERS, default=OTHERS)
    chosen = parser.parse_args()
    cells = [Cell(data, *kind) for data, kind in product(DATA, KINDS)]
    cells, seeds = (cells[:1], 1) if chosen.quick else (cells, chosen.seeds)
    work = [(cell, seed, chosen.strategies) for cell, seed in product(cells, range(seeds))]
    gains: Gains = defaultdict(list)
    with processes() as pool:
        for (cell, _, _), found in zip(work, pool.map(play, *zip(*work, strict=True)), strict=True):
            for name, gain in found.items():
                gains[cell, name].append(gain)
    emit("strategies", {}, _lines(cells, chosen.strategies, gains))


def _lines(cells: Sequence[Cell], names: Sequence[str], gains: Gains) -> Iterator[dict[str, Any]]:
    """Each cell, then the mean over data for every kind of vectors and answers: [points, paired standard error]."""
    for cell in cells:
        yield {
            "data": cell.data,
            "vectors": cell.vectors,
            "wrong": cell.wrong,
            **{name: _mean([gains[cell, name]]) for name in names},
        }
    for vectors, wrong in dict.fromkeys((cell.vectors, cell.wrong) for cell in cells):
        same = [cell for cell in cells if (cell.vectors, cell.wrong) == (vectors, wrong)]
        means = {name: _mean([gains[cell, name] for cell in same]) for name in names}
        yield {"data": "mean", "vectors": vectors, "wrong": wrong, **means}


def _mean(gains: Sequence[Sequence[float]]) -> tuple[float, float | None]:
    """The mean over cells, and its standard error over seeds; None for one seed."""
    mean = statistics.fmean(statistics.fmean(some) for some in gains)
    if min(map(len, gains)) < 2:
        return round(mean, 2), None
    variance = sum(statistics.variance(some) / len(some) for some in gains)
    return round(mean, 2), round(math.sqrt(variance) / len(gains), 2)


def play(cell: Cell, seed: int, names: Sequence[str]) -> dict[str, float]:
    """Points above margin of each strategy: the mean over the budgets."""
    of = trial(cell, seed)
    pool, test = (_known(of, *part) for part in ((of.pool, of.answers), (of.test, of.truth)))

    def accuracy(name: str) -> list[float]:
        return list(curve(pool, test, STRATEGIES[name], Logistic(), BUDGETS, np.random.default_rng([seed, 1])))

    margin = accuracy("margin")
    return {name: 100 * statistics.fmean(np.subtract(accuracy(name), margin)) for name in names}


def _known(of: Trial, rows: Labels, classes: Labels) -> Known:
    n = len(rows)
    inputs = Inputs(of.vectors[rows], np.empty((n, 0), np.float32), np.full((n, of.n_classes), np.nan, np.float32))
    return Known(inputs, classes[rows], np.arange(n), of.n_classes)


if __name__ == "__main__":
    main()
