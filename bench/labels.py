"""What an answer is worth: the whole default policy against a random sample and against other strategies.

Accuracy by the number of all answers, on images that no arm may ask, on three image sets with good and with weakened
vectors, at three shares of wrong answers. *Ours* is the version that is delivered, fitted on everything that was asked,
the random stream included; *champion* never trains on the stream. The random sample and scikit-activeml's strategies
have a script of few lines, fitted on all their answers.

Seeds go on until the paired standard error of each cell is at most .3 points, or the time is over. Vectors are made
once a run. It needs the extra `bench`.

python -m bench.labels [--quick] [--sets digits] [--minutes 85] [--seeds 100]
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from scipy.stats import t as student

from bench.label_arms import BUDGETS, Curve, full_accuracy, run, split
from bench.label_data import SETS, WEAKENED, load, prepare
from bench.peers.active_learning import PEERS
from bench.report import Target, at_least, at_most, emit

WRONG = (0.0, 0.05, 0.2)
ENOUGH_POINTS = 0.3
"""The paired standard error at which a cell needs no more seeds."""
LEAST_SEEDS = 5
ALLOWED = -0.3
PEER_SEEDS = 10
"""The peers' strategies are slow: BADGE takes a hundred times as long as ours."""
QUICK_BUDGETS = (50, 100, 150)


@dataclass(frozen=True, slots=True)
class Cell:
    """An image set, its vectors and the share of wrong answers."""

    images: str
    vectors: str
    wrong: float

    @property
    def good(self) -> bool:
        return self.vectors == "good"


Curves = dict[str, Curve]
Runs = dict[Cell, list[Curves]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="digits, good and few dimensions, once, to 150 answers")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--minutes", type=float, default=85)
    parser.add_argument("--seeds", type=int, default=100, help="at most")
    chosen = parser.parse_args()
    sets = ["digits"] if chosen.quick else chosen.sets
    cells = [Cell(*cell) for cell in product(sets, WEAKENED, WRONG)]
    if chosen.quick:
        cells = [cell for cell in cells if cell.vectors in WEAKENED[:2] and cell.wrong != 0.05]
    budgets = QUICK_BUDGETS if chosen.quick else BUDGETS
    with tempfile.TemporaryDirectory(prefix="bench-labels") as folder:
        prepare(sets, Path(folder))
        until = monotonic() + 60 * chosen.minutes
        runs = measure(cells, Path(folder), budgets, 1 if chosen.quick else chosen.seeds, until)
    emit("labels", targets(runs), lines(runs))


def measure(cells: Sequence[Cell], folder: Path, budgets: tuple[int, ...], seeds: int, until: float) -> Runs:
    """A seed of every cell in turn, two at a time, leaving out cells that are known well enough."""
    runs: Runs = defaultdict(list)
    with ProcessPoolExecutor(2) as processes:
        for seed in range(seeds):
            open_now = [cell for cell in cells if not _known(runs[cell])]
            if monotonic() > until or not open_now:
                break
            for cell, found in zip(open_now, processes.map(play, *_work(open_now, seed, folder, budgets)), strict=True):
                runs[cell].append(found)
    return runs


def _work(cells: Sequence[Cell], seed: int, folder: Path, budgets: tuple[int, ...]) -> Iterable[Iterable[Any]]:
    return zip(*((cell, seed, folder, budgets) for cell in cells), strict=True)


def play(cell: Cell, seed: int, folder: Path, budgets: tuple[int, ...]) -> Curves:
    """Every arm on the same images, answers and seed."""
    trial = split(load(folder, cell.images, cell.vectors), cell.wrong, seed)
    arms = ["ours", "random"]
    if cell.good and not cell.wrong and seed < PEER_SEEDS:
        arms += PEERS
    curves = {name: curve for arm in arms for name, curve in run(arm, trial, seed, budgets).items()}
    return {**curves, "full": {len(trial.pool): full_accuracy(trial)}}


def gain(curves: Curves, arm: str, over: str) -> float | None:
    """Points of accuracy, the mean over the budgets; None where an arm did not run."""
    if arm not in curves or over not in curves:
        return None
    return 100 * statistics.fmean(curves[arm][at] - curves[over][at] for at in curves[over])


def _gains(runs: Iterable[Curves], arm: str, over: str) -> list[float]:
    return [found for curves in runs if (found := gain(curves, arm, over)) is not None]


def _error(values: Sequence[float]) -> float:
    """Standard error of the mean; infinite for fewer than two."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.inf


def _known(runs: Sequence[Curves]) -> bool:
    return len(runs) >= LEAST_SEEDS and _error(_gains(runs, "ours", "random")) <= ENOUGH_POINTS


def targets(runs: Runs) -> dict[str, Target]:
    """What issue and benchmarks ask of the policy; None where nothing of it ran."""
    gains = {cell: _gains(found, "ours", "random") for cell, found in runs.items()}
    good = [cell for cell in runs if cell.good]
    other = [cell for cell in runs if not cell.good or cell.wrong]
    mean_other, error_other = _mean_of_means([gains[cell] for cell in other])
    mean_good, _ = _mean_of_means([gains[cell] for cell in good])
    clean = [cell for cell in good if not cell.wrong]
    fewer = {cell: labels_fewer(runs[cell]) for cell in clean}
    known = [ratio for ratio in fewer.values() if ratio is not None]
    return {
        "cells_below_random": at_most(cells_below(list(gains.values())), 0),
        "weak_and_noisy_points": at_least(mean_other, ALLOWED),
        "weak_and_noisy_points_low": at_least(_low(mean_other, error_other), -1.0),
        "good_vectors_points": at_least(mean_good, 2.0),
        "over_best_peer_points": at_least(_over_best_peer([runs[cell] for cell in clean]), -0.2),
        "labels_fewer_to_95": at_least(statistics.geometric_mean(known) if known else None, 1.5),
        "labels_fewer_to_95_least": at_least(min(known, default=None), 1.1),
    }


def cells_below(gains: Sequence[Sequence[float]]) -> int | None:
    """In how many cells the 95 % interval lies wholly below -.3 points, by Holm's procedure over all of them."""
    known = [values for values in gains if len(values) > 1 and _error(values) > 0]
    if not known:
        return None
    below = sorted(
        float(student.cdf((statistics.fmean(values) - ALLOWED) / _error(values), len(values) - 1)) for values in known
    )
    refused = [p > 0.025 / (len(below) - at) for at, p in enumerate(below)]
    return refused.index(True) if True in refused else len(below)


def _mean_of_means(gains: Sequence[Sequence[float]]) -> tuple[float | None, float]:
    """The mean over cells of their means, and its standard error."""
    if not gains or not all(gains):
        return None, math.inf
    mean = statistics.fmean(statistics.fmean(values) for values in gains)
    return mean, math.sqrt(sum(_error(values) ** 2 for values in gains)) / len(gains)


def _low(mean: float | None, error: float) -> float | None:
    """The lower end of the 95 % interval; None where one seed says nothing of it."""
    return None if mean is None or not math.isfinite(error) else mean - 1.96 * error


def _over_best_peer(found: Sequence[Sequence[Curves]]) -> float | None:
    """Points over the peer that is best on average over these cells."""
    over = [[statistics.fmean(values) for runs in found if (values := _gains(runs, "ours", peer))] for peer in PEERS]
    means = [statistics.fmean(values) for values in over if values]
    return min(means, default=None)


def labels_fewer(runs: Sequence[Curves]) -> float | None:
    """Answers that a random sample needs to 95 % of full accuracy, over ours; None where one does not get there."""
    goal = 0.95 * statistics.fmean(next(iter(curves["full"].values())) for curves in runs)
    random, ours = (answers_to(goal, _mean_curve(runs, arm)) for arm in ("random", "ours"))
    return None if random is None or ours is None else random / ours


def answers_to(goal: float, curve: Curve) -> float | None:
    """Where a curve first reaches the goal, between budgets by a straight line."""
    before = None
    for at, value in sorted(curve.items()):
        if value >= goal:
            return float(at) if before is None else float(np.interp(goal, [before[1], value], [before[0], at]))
        before = at, value
    return None


def _mean_curve(runs: Sequence[Curves], arm: str) -> Curve:
    return {at: statistics.fmean(curves[arm][at] for curves in runs) for at in runs[0][arm]}


def lines(runs: Runs) -> Iterable[dict[str, Any]]:
    """Each cell with its gains, then every arm's curve in it."""
    for cell, found in runs.items():
        name = {"set": cell.images, "vectors": cell.vectors, "wrong": cell.wrong}
        for arm in ("ours", "champion"):
            values = _gains(found, arm, "random")
            error = _error(values)
            yield {
                **name,
                "arm": arm,
                "seeds": len(values),
                "over_random_points": round(statistics.fmean(values), 2),
                "standard_error": round(error, 2) if math.isfinite(error) else None,
            }
        for arm in found[0]:
            of = [curves for curves in found if arm in curves]
            yield {**name, "curve": arm, "accuracy": {k: round(v, 4) for k, v in _mean_curve(of, arm).items()}}


if __name__ == "__main__":
    main()
