"""What the runs of `bench.labels` say: gains with their errors, the targets, and the lines of both tables.

In: for every cell the curves of each seed. Out: numbers. A gain is in points of accuracy, the mean over the budgets;
runs of one seed have the same images and answers, so gains are paired.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

from bench.peers.active_learning import PEERS
from bench.report import Target, at_least, at_most

__all__ = [
    "Cell",
    "Curves",
    "Runs",
    "answers_to",
    "cells_below",
    "gain",
    "is_known",
    "labels_fewer",
    "lines",
    "targets",
]

ENOUGH_POINTS = 0.3
"""The paired standard error at which a cell needs no more seeds."""
LEAST_SEEDS = 5
ALLOWED = -0.3
GOAL = 0.95
"""Of full accuracy."""


@dataclass(frozen=True, slots=True)
class Cell:
    """An image set, its vectors and the share of wrong answers."""

    images: str
    vectors: str
    wrong: float

    @property
    def good(self) -> bool:
        return self.vectors == "good"

    @property
    def clean(self) -> bool:
        return self.good and not self.wrong


CERTIFIED, COSTS = "certified", "certifying answers"
"""Curves of a project with a certificate target: accuracy, and the share of answers that only the target needs."""
Curve = dict[int, float]
Curves = Mapping[str, Curve]
"""By arm: accuracy by answers."""
Runs = Mapping[Cell, Sequence[Curves]]


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


def is_known(runs: Sequence[Curves]) -> bool:
    """Whether a cell needs no more seeds."""
    return len(runs) >= LEAST_SEEDS and _error(_gains(runs, "ours", "random")) <= ENOUGH_POINTS


def targets(runs: Runs) -> dict[str, Target]:
    """What issue and benchmarks ask of the policy; None where nothing of it ran."""
    gains = {cell: _gains(found, "ours", "random") for cell, found in runs.items()}
    good = [cell for cell in runs if cell.good]
    other = [cell for cell in runs if not cell.good or cell.wrong]
    mean_other, error_other = _mean_of_means([gains[cell] for cell in other])
    mean_good, _ = _mean_of_means([gains[cell] for cell in good])
    clean = [cell for cell in runs if cell.clean]
    fewer = [labels_fewer(runs[cell]) for cell in clean]
    known = [] if None in fewer else [ratio for ratio in fewer if ratio is not None]
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
    """Answers that a random sample needs to 95 % of full accuracy, over ours; None where neither gets there.

    Where one of both does not, the last budget stands for it: the ratio is then at least so large, or at most.
    """
    goal = GOAL * statistics.fmean(next(iter(curves["full"].values())) for curves in runs)
    random, ours = (answers_to(goal, _mean_curve(runs, arm)) for arm in ("random", "ours"))
    if random is None and ours is None:
        return None
    last = float(max(runs[0]["random"]))
    return (random or last) / (ours or last)


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
    """Each cell with its gains, what a certificate target costs in it, and every arm's curve."""
    for cell, found in runs.items():
        name = {"set": cell.images, "vectors": cell.vectors, "wrong": cell.wrong}
        for arm in ("ours", "champion", *PEERS):
            values = _gains(found, arm, "random")
            if values:
                yield {**name, "arm": arm, "seeds": len(values), **_points("over_random", values)}
        costs = [curves[COSTS] for curves in found]
        share = 100 * statistics.fmean(curve[max(curve)] for curve in costs)
        with_target = _points("over_ours", _gains(found, CERTIFIED, "ours"))
        yield {**name, "arm": CERTIFIED, "answers_of_it_percent": round(share, 1), **with_target}
        if cell.clean:
            yield {**name, "labels_fewer_to_95": labels_fewer(found)}
        for arm in found[0]:
            of = [curves for curves in found if arm in curves]
            yield {**name, "curve": arm, "accuracy": {k: round(v, 4) for k, v in _mean_curve(of, arm).items()}}


def _points(what: str, values: Sequence[float]) -> dict[str, Any]:
    error = _error(values)
    return {
        f"{what}_points": round(statistics.fmean(values), 2),
        "standard_error": round(error, 2) if math.isfinite(error) else None,
    }
