"""Replays of forecasts: what a run of engines over the rest of a project will take, and over how many images.

The truth is what the run takes in the end, so a forecast covers more than the mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product

import numpy as np
from numpy.typing import NDArray

from bench.numbers.replay import Drawn, Replay
from labeling.estimates import Estimate, Forecast
from labeling.quality.forecast import Count, count_of, total

__all__ = ["REPLAYS"]

Amounts = Callable[[np.random.Generator, int], NDArray[np.float64]]
AMOUNTS: Mapping[str, Amounts] = {
    "alike": lambda rng, n: rng.normal(1.0, 0.1, n),
    "skewed": lambda rng, n: rng.lognormal(0.0, 0.6, n),
    "of two kinds": lambda rng, n: np.where(rng.random(n) < 0.2, 4.0, 1.0),
}
"""Seconds, or micro of a currency, an image."""
MOST = 12.0
"""What an image of a priced engine takes at most."""


def _drawn(found: Forecast, truth: float, n: int) -> Drawn | None:
    if found.likely is None:
        return None
    return Drawn(Estimate(found.likely, found.lower, found.upper, n), truth)


def amount(kind: str, measured: int, left: int, most: float | None) -> Replay:
    """The hours, or the money, that so many images take, by `measured` ones; money has a price an image at most."""

    def replay(rng: np.random.Generator) -> Drawn | None:
        known, rest = (np.minimum(AMOUNTS[kind](rng, n), MOST) for n in (measured, left))
        return _drawn(total(known.tolist(), Count(left), rng, most=most), float(rest.sum()), measured)

    return replay


def images(observed: int, left: int, share: float) -> Replay:
    """How many images an engine of the escalation will look at: a share of them is in doubt."""

    def replay(rng: np.random.Generator) -> Drawn | None:
        hits = int(rng.binomial(observed, share))
        truth = float(rng.binomial(left, share))
        return _drawn(count_of(Count(0, left, hits, observed), rng), truth, observed)

    return replay


def _replays() -> Iterator[tuple[str, Replay]]:
    for kind, measured, left in product(AMOUNTS, (16, 100), (50, 2_000)):
        yield f"hours of a run, {kind}, {measured} measured, {left} left", amount(kind, measured, left, None)
        yield f"money of a run, {kind}, {measured} measured, {left} left", amount(kind, measured, left, MOST)
    for observed, left, share in product((30, 200), (100, 2_000), (0.02, 0.2, 0.5)):
        yield f"images of a run, {observed} observed, {left} left, {share:.0%} in doubt", images(observed, left, share)


REPLAYS: Mapping[str, Replay] = dict(_replays())
