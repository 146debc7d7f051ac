"""Replays of the accuracies of newcomers, and of everything, while the stream catches up with what has arrived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bench.numbers.replay import Drawn, Replay
from labeling.quality.finite_samples import Stratum, finite_share, share_of_cohorts
from labeling.select.query.stream import Order, cohorts, next_groups

__all__ = ["REPLAYS"]

SIZES = ((1_000, 100, 10_000, 40), (400, 60, 800, 60), (400, 60, 800, 100), (1_200, 200, 500, 30), (800, 100, 200, 30))
"""Of some the newcomers under the cursor are nearly all drawn, or all of them."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """`old` groups of which `n` were drawn, `new` ones, then `m` draws more; and how often each part is right."""

    old: int
    n: int
    new: int
    m: int
    of_old: float
    of_new: float


def on_arrivals(of: Arrivals, *, everything: bool) -> Replay:
    """The accuracy on newcomers, or on everything, while the stream draws the newcomers that stand under its cursor.

    Where fewer than m stand there the stream has caught up: everything is one collection and nobody is new. The width
    is held against that of a uniform sample: of the newcomers as many as were drawn; of everything so many as tell as
    much as both parts, each weighed by its numbers.
    """
    size, shares = of.old + of.new, np.array([of.old, of.new]) / (of.old + of.new)
    as_many = of.m if not everything else round(1 / float((shares**2 / [of.n, of.m]).sum()))

    def replay(rng: np.random.Generator) -> Drawn | None:
        ids, positions = np.arange(1, size + 1), rng.random(size)
        late, none = ids > of.old, np.zeros(size, bool)
        right = rng.random(size) < np.where(late, of.of_new, of.of_old)
        drawn = np.isin(ids, next_groups(Order(ids, positions, late, late, none), 1.0, of.n))
        drawn |= np.isin(ids, next_groups(Order(ids, positions, drawn, drawn, none), 1.0, of.m))
        found = cohorts(Order(ids, positions, drawn, drawn, none), 1.0, [of.old], size)
        ends = [0, *(one.until for one in found)]
        strata = [
            Stratum(int(right[one.groups - 1].sum()), len(one.groups), one.until - begin - len(one.groups))
            for begin, one in zip(ends, found, strict=False)
        ]
        shown = share_of_cohorts(strata if everything else strata[1:])
        if not shown.known:
            return None
        truth = float(right.mean() if everything else right[late].mean())
        uniform = finite_share(int(rng.binomial(as_many, truth)), as_many, size if everything else of.new)
        return Drawn(shown, truth, uniform.upper - uniform.lower)

    return replay


def of_arrivals() -> dict[str, Replay]:
    """The replays of newcomers and of everything, by name."""
    cells = [
        Arrivals(old, n, new, m, of_old, of_new)
        for old, n, new, m in SIZES
        for of_old, of_new in ((0.95, 0.7), (0.8, 0.95), (0.9, 0.9))
    ]
    return {
        f"accuracy on {what}, {one.n} of {one.old} and {one.m} of {one.new}, {one.of_old} and {one.of_new}": replay
        for one in cells
        for what, replay in (
            ("newcomers", on_arrivals(one, everything=False)),
            ("everything", on_arrivals(one, everything=True)),
        )
    }


REPLAYS: Mapping[str, Replay] = of_arrivals()
