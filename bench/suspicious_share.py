"""Which share of blind re-reviews should go to the most suspicious labels?

Simulated projects of 300, 1,000 and 3,000 labels, of which 0 to 20 % are wrong; 30, 60 or 100 are re-reviewed, by the
product's own plan and with its own interval. Wrong labels are more suspicious than right ones in 9, in 7.5 or in 5 of
10 pairs. Every share sees the same projects. Widths are over that of a uniform sample of the same size, medians of a
cell; the target is the rule of shown intervals, at most 1.2.

python -m bench.suspicious_share [--runs 300]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from bench.numbers.replay import WIDTH_RATIO
from bench.report import at_most, emit
from labeling.quality.labels.re_review_plan import SUSPICIOUS_SHARE, plan_re_reviews
from labeling.quality.labels.wrong_labels import Outcome, WrongLabels, wrong_labels

SHARES = (0.0, 1 / 12, 1 / 8, 1 / 6, 1 / 5, 1 / 4, 1 / 3)
LABELS, RE_REVIEWS, WRONG, PAIRS = (300, 1_000, 3_000), (30, 60, 100), (0.0, 0.02, 0.043, 0.1, 0.2), (0.9, 0.75, 0.5)

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """By project and share, (R, S): the interval's width, the error of the value, whether the truth is in it, and how
    many wrong labels were found. `pairs`: of so many a wrong label is the more suspicious."""

    pairs: float
    width: Values
    error: Values
    covered: Values
    found: Values

    @property
    def ratios(self) -> Values:
        """(S,) widths over that of the uniform sample, which is the share 0."""
        medians = np.median(self.width, axis=0)
        ratios: Values = medians / medians[0]
        return ratios


@cache
def counted(top: int, suspicious: int, rest: int, uniform: int, labels: int) -> WrongLabels:
    """The share where so many of the suspicious and of the uniform ones are wrong."""
    first, others = ([Outcome.WRONG] * k + [Outcome.UPHELD] * (n - k) for k, n in ((top, suspicious), (rest, uniform)))
    found = wrong_labels(first, others, labels)
    assert found is not None  # there are thirty at least
    return found


def cell(labels: int, m: int, wrong: float, pairs: float, runs: int) -> Cell:
    """So many projects of one kind."""
    rows = []
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        bad = rng.permutation(labels) < round(wrong * labels)
        suspicion = rng.normal(size=labels) + float(norm.ppf(pairs)) * 2**0.5 * bad
        order, truth = rng.permutation(labels), float(bad.mean())
        for share in SHARES:
            plan = plan_re_reviews(suspicion, m, order, share)
            k = [int(bad[part].sum()) for part in (plan.suspicious, plan.uniform)]
            shown = counted(k[0], len(plan.suspicious), k[1], len(plan.uniform), labels).share
            covered = shown.lower - 1e-9 <= truth <= shown.upper + 1e-9
            rows.append((shown.upper - shown.lower, shown.value - truth, covered, sum(k)))
    columns = np.array(rows, np.float64).reshape(runs, len(SHARES), 4)
    return Cell(pairs, *(columns[..., at] for at in range(4)))


def line(at: int, cells: Sequence[Cell]) -> dict[str, Any]:
    """What one share comes to over these cells."""
    ratios = np.array([one.ratios[at] for one in cells])
    return {
        "share": round(SHARES[at], 4),
        "largest_width": round(float(ratios.max()), 2),
        "mean_width": round(float(ratios.mean()), 2),
        "cells_over": int((ratios > WIDTH_RATIO).sum()),
        "root_mean_square_error": round(float(np.sqrt(np.mean([(one.error[:, at] ** 2).mean() for one in cells]))), 4),
        "found": round(float(np.mean([one.found[:, at].mean() for one in cells])), 1),
        "least_coverage": round(min(float(one.covered[:, at].mean()) for one in cells), 3),
    }


def main() -> None:
    """A line a share over all cells, and one over those where suspicion is good."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300, help="projects a cell")
    runs = parser.parse_args().runs
    cells = [cell(*one, runs) for one in product(LABELS, RE_REVIEWS, WRONG, PAIRS)]
    good = [one for one in cells if one.pairs == max(PAIRS)]
    lines = [
        {"pairs": name, **line(at, some)}
        for name, some in (("all", cells), ("9 of 10", good))
        for at in range(len(SHARES))
    ]
    ours = line(SHARES.index(SUSPICIOUS_SHARE), cells)
    emit("suspicious_share", {"largest width": at_most(ours["largest_width"], WIDTH_RATIO)}, lines)


if __name__ == "__main__":
    main()
