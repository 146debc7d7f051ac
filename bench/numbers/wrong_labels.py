"""Replays of the share of wrong labels: from blind re-reviews, and "at least" from double answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np
from numpy.typing import NDArray

from bench.numbers.collections import wrong_answers
from bench.numbers.replay import Drawn, Replay
from labeling.quality.finite_samples import finite_share
from labeling.quality.labels.re_review_plan import plan_re_reviews
from labeling.quality.labels.wrong_labels import Outcome, at_least, wrong_labels

__all__ = ["REPLAYS"]

Classes = NDArray[np.integer]


def share_of_wrong_labels(labels: int, m: int, wrong: float, erring: float, *, known: bool) -> Replay:
    """The share of wrong labels of ten classes from m re-reviews by people who err in a share `erring`.

    Where suspicion is `known` to point at wrong labels, these are more suspicious than right ones in nine of ten pairs;
    else it says nothing. Where a re-review differs a lead decides.
    """

    def replay(rng: np.random.Generator) -> Drawn:
        truth = np.arange(labels) % 10
        bad = rng.permutation(labels) < round(wrong * labels)
        given = np.where(bad, (truth + rng.integers(1, 10, labels)) % 10, truth)
        plan = plan_re_reviews(rng.normal(size=labels) + 1.8 * bad * known, m, rng.permutation(labels))
        slips = rng.random(labels) < erring
        said = np.where(slips, (truth + rng.integers(1, 10, labels)) % 10, truth)

        def outcomes(positions: Classes) -> list[Outcome]:
            return [Outcome.WRONG if said[at] != given[at] and bad[at] else Outcome.UPHELD for at in positions]

        found = wrong_labels(outcomes(plan.suspicious), outcomes(plan.uniform), labels)
        assert found is not None
        uniform = finite_share(int(bad[rng.permutation(labels)[:m]].sum()), m, labels)
        return Drawn(found.share, float(bad.mean()), uniform.upper - uniform.lower)

    return replay


def from_double_answers(doubled: int, wrong: float, alike: float) -> Replay:
    """The share of wrong answers at least, from pairs of people; where both err a share `alike` agrees all the same."""

    def replay(rng: np.random.Generator) -> Drawn:
        truth = rng.integers(10, size=doubled)
        first, second = (wrong_answers(truth, wrong, 10, rng) for _ in range(2))
        together = (rng.random(doubled) < alike) & (first != truth)
        differ = int((np.where(together, first, second) != first).sum())
        return Drawn(at_least(differ, doubled), wrong, bound=True)

    return replay


def _replays() -> Iterator[tuple[str, Replay]]:
    people = ((0.0, 0.1), (0.043, 0.0), (0.043, 0.1), (0.1, 0.05), (0.2, 0.2))
    for labels, m, (wrong, erring), known in product((300, 1_000), (30, 60, 100), people, (True, False)):
        name = f"share of wrong labels, {m} of {labels}, {wrong:g} wrong, {erring:g} err"
        yield (
            f"{name}{'' if known else ', blind suspicion'}",
            share_of_wrong_labels(labels, m, wrong, erring, known=known),
        )
    for doubled, wrong, alike in product((30, 100), (0.0, 0.05, 0.1, 0.2), (0.0, 0.3)):
        name = f"wrong answers at least, {doubled} double ones, {wrong:g} wrong, {alike:g} alike"
        yield name, from_double_answers(doubled, wrong, alike)


REPLAYS: Mapping[str, Replay] = dict(_replays())
