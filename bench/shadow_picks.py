"""Whether the reserve without its shadow picks is like the images that nobody was asked about.

Four queries by doubt on made data; then the newest version's accuracy above three thresholds, on the reserve without
shadow picks and on what is left of the others. Two rules: `exact` is the product's (what the strategy would have
picked, had the group alone been among the others), `lowest` marks all that is as doubtful as the least doubtful pick.

python -m bench.shadow_picks [--quick] [--seeds 40]
"""

from __future__ import annotations

import argparse
import statistics
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from bench.hedging import DATA, DOUBT, fit
from bench.processes import processes
from bench.report import at_most, emit
from labeling.select.strategies.strategy import Labelled, Predicted, Strategy, View, Would
from labeling.vectors import unit

GROUPS, BATCH, QUERIES, RESERVED = 1_000, 50, 4, 0.25
COVERAGES = (0.3, 0.6, 1.0)
WRONG = 0.05
Rows = NDArray[np.int64]


RULES: dict[str, Callable[..., Would]] = {
    "exact": DOUBT.would_pick,
    "lowest": partial(Strategy.would_pick, DOUBT),  # the default for a strategy with a score
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one data set, twice")
    parser.add_argument("--seeds", type=int, default=40)
    chosen = parser.parse_args()
    data = ["10 classes"] if chosen.quick else [name for name in DATA if name != "tumours"]
    found: dict[tuple[str, str], list[Mapping[str, float]]] = defaultdict(list)
    work = list(product(data, range(2 if chosen.quick else chosen.seeds)))
    with processes() as pool:
        for (name, _), rules in zip(work, pool.map(play, *zip(*work, strict=True)), strict=True):
            for rule, values in rules.items():
                found[name, rule].append(values)
    lines = list(_lines(found))
    worst = max(abs(line[f"bias_{c}"]) for line in lines if line["rule"] == "exact" for c in COVERAGES)
    emit("shadow_picks", {"exact_bias_points_worst": at_most(worst, 1.5)}, lines)


def _lines(found: Mapping[tuple[str, str], Sequence[Mapping[str, float]]]) -> Iterator[dict[str, Any]]:
    for (name, rule), values in found.items():
        means = {key: round(statistics.fmean(one[key] for one in values), 3) for key in values[0]}
        yield {"data": name, "rule": rule, "runs": len(values), **means}


def play(name: str, seed: int) -> dict[str, dict[str, float]]:
    """Of each rule: the part of the reserve that is marked, and by how many points it makes the rest look better."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    rng = np.random.default_rng([seed, list(DATA).index(name), 7])
    vectors, truth = DATA[name](rng, GROUPS)
    vectors, n_classes = unit(vectors - vectors.mean(axis=0)), int(truth.max()) + 1
    answers = np.where(rng.random(GROUPS) < WRONG, rng.integers(0, n_classes, GROUPS), truth)
    order = rng.permutation(GROUPS)
    reserve, pool = order[: int(RESERVED * GROUPS)], order[int(RESERVED * GROUPS) :]
    asked = rng.permutation(pool)[:BATCH]
    shadows = {rule: np.zeros(len(reserve), bool) for rule in RULES}
    for _ in range(QUERIES):
        free = np.setdiff1d(pool, asked)
        both = np.concatenate([free, reserve])
        probs = fit(vectors[asked], answers[asked], n_classes, vectors[both])
        picks = DOUBT.choose(_view(vectors, free, probs[: len(free)]), BATCH, rng)
        for rule, would_pick in RULES.items():
            places = len(free) + np.arange(len(reserve))
            shadows[rule] |= would_pick(_view(vectors, both, probs), picks, places, rng)
        asked = np.concatenate([asked, free[picks.positions]])
    left = np.setdiff1d(pool, asked)
    probs = fit(vectors[asked], answers[asked], n_classes, vectors)
    right, score = probs.argmax(axis=1) == truth, probs.max(axis=1)
    picked = QUERIES * BATCH / (len(pool) - BATCH)
    return {rule: _against(right, score, left, reserve[~marked], picked) for rule, marked in shadows.items()}


def _view(vectors: NDArray[np.float32], at: Rows, probs: NDArray[np.float64]) -> View:
    return View(
        np.arange(len(at)), lambda some: vectors[at[some]], lambda: Labelled((), lambda _: vectors), Predicted(probs)
    )


def _against(right: Would, score: NDArray[np.float64], left: Rows, sample: Rows, picked: float) -> dict[str, float]:
    """Points that the sample is better than what is left, above the scores that take so much of what is left."""
    found = {"picked": picked, "marked": 1 - len(sample) / (RESERVED * GROUPS)}
    for coverage in COVERAGES:
        least = np.quantile(score[left], 1 - coverage)
        mine, theirs = (right[some[score[some] >= least]] for some in (sample, left))
        found[f"bias_{coverage}"] = 100 * float(mine.mean() - theirs.mean()) if len(mine) else 0.0
    return found


if __name__ == "__main__":
    main()
