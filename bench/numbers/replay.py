"""What a replay is: one project drawn with known truth, what is shown of it, and a summary over many.

In: a seeded `rng`. Out: whether the shown interval holds the truth, how wide it is against the exact one of a uniform
sample of the same size, and how far the shown value is off on average.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labeling.estimates import Estimate
from labeling.quality.metrics import clopper_pearson

__all__ = ["COVERS", "ERROR_RATIO", "WIDTH_RATIO", "Drawn", "Replay", "Summary", "replayed", "width_of"]

COVERS, WIDTH_RATIO, ERROR_RATIO = 0.93, 1.2, 0.25


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one project would show, beside the truth; `width` is the exact interval's, where there is one.

    A bound alone, such as "at least", has no value that could be off: `bound`. `goal` is how often it must hold the
    truth: .93 for a 95 % interval.
    """

    shown: Estimate
    truth: float
    width: float | None = None
    bound: bool = False
    goal: float = COVERS


Replay = Callable[[np.random.Generator], Drawn | None]
"""None: the project shows "not yet known"."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Over all seeds in which a number was shown: the share of intervals that hold the truth, their median width and
    its ratio to the exact one's, and the mean error as a share of the median half-width."""

    seeds: int
    coverage: float
    width: float
    width_ratio: float | None
    error_ratio: float | None
    goal: float = COVERS

    @property
    def covers(self) -> bool:
        """Whether the coverage reaches its goal as far as so many seeds can say: two standard errors are allowed."""
        return self.coverage >= self.goal - 2 * math.sqrt(self.goal * (1 - self.goal) / max(self.seeds, 1))

    @property
    def narrow(self) -> bool:
        """Whether the width is at most 1.2 times the exact one, where there is one."""
        return self.width_ratio is None or self.width_ratio <= WIDTH_RATIO

    @property
    def unbiased(self) -> bool:
        """Whether the mean error is at most a quarter of the half-width, as far as so many seeds can say.

        The mean of so many errors has a standard error of about a half-width / 1.96 / sqrt(seeds).
        """
        allowed = ERROR_RATIO + 2 / 1.96 / math.sqrt(max(self.seeds, 1))
        return self.error_ratio is None or self.error_ratio <= allowed


def replayed(replay: Replay, seeds: int) -> Summary:
    """The replay over seeds 0 to `seeds` - 1."""
    every = (replay(np.random.default_rng(seed)) for seed in range(seeds))
    drawn = [one for one in every if one is not None]
    if not drawn:
        return Summary(0, 1.0, 0.0, None, None)
    lower, upper = (np.array([getattr(one.shown, end) for one in drawn]) for end in ("lower", "upper"))
    value, truth = np.array([one.shown.value for one in drawn]), np.array([one.truth for one in drawn])
    width = float(np.median(upper - lower))
    exact = [one.width for one in drawn if one.width is not None]
    off = float(abs((value - truth).mean()) / max(width / 2, 1e-9))
    return Summary(
        len(drawn),
        float(((lower <= truth + 1e-9) & (truth - 1e-9 <= upper)).mean()),
        width,
        width / float(np.median(exact)) if exact and np.median(exact) > 0 else None,
        None if drawn[0].bound else off,
        drawn[0].goal,
    )


def width_of(share: float, n: int) -> float:
    """The width of the exact interval of a uniform sample of n in which about this share are hits."""
    lower, upper = clopper_pearson(round(share * n), n)
    return upper - lower
