"""What a verdict on n images could have detected: which difference passes the gate, and which does not.

In: how many images, and the share of them on which exactly one of two classifiers is right. Out: chances and
differences of accuracy, as shares. Exact over the numbers of images on which one is better and the other is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from labeling.loading import loading
from labeling.project import Gate

__all__ = ["LOSS", "OFTEN", "Power", "chance_to_pass", "power"]

OFTEN = 0.8
"""A difference is detected if the gate decides rightly in so many of all samples."""
LOSS = 0.02
"""Of a candidate that is worse by so much it is said how often it passes."""


@dataclass(frozen=True, slots=True)
class Power:
    """A candidate better by `passes` is promoted in 80 of 100 samples, one worse by `fails` is refused in 80 of 100.

    Both are shares above 0; None where no difference of two accuracies does it. `slips` is the chance in [0, 1] that
    one worse by `LOSS` is promoted.
    """

    passes: float | None
    fails: float | None
    slips: float


def power(n: int, flips: int, gate: Gate) -> Power:
    """The power of a gate on n images, on `flips` of which exactly one of the two classifiers was right.

    Examples
    --------
    >>> found = power(100, 6, Gate())
    >>> round(found.passes, 2), round(found.fails, 2), round(found.slips, 2)
    (0.03, 0.01, 0.13)
    """
    rate = (flips + 1) / (n + 2)
    better, worse = _where(n, rate, gate, OFTEN, 1.0), _where(n, rate, gate, 1 - OFTEN, -1.0)
    return Power(better, worse, chance_to_pass(n, rate, -LOSS, gate))


def chance_to_pass(n: int, flip_rate: float, difference: float, gate: Gate) -> float:
    """The chance in [0, 1] that the gate promotes a candidate whose accuracy is higher by `difference` in truth.

    Parameters
    ----------
    n : int
        How many images.
    flip_rate : float
        The share of images on which exactly one is right; at least the size of the difference.
    difference : float
        In [-1, 1].
    gate : Gate
        Its margin and its confidence.

    Examples
    --------
    >>> round(chance_to_pass(100, 0.06, 0.02, Gate()), 2), round(chance_to_pass(100, 0.06, -0.02, Gate()), 2)
    (0.69, 0.14)
    """
    with loading:
        from scipy.stats import binom  # half a second to load, for who judges

    rate = max(flip_rate, abs(difference))
    up, down = (rate + difference) / 2, (rate - difference) / 2
    better, worse = (part.ravel() for part in np.meshgrid(_likely(n, up), _likely(n, down)))
    gain = (better - worse) / n
    spread = np.sqrt(np.maximum(better + worse - n * gain**2, 0)) / n
    passes = (better >= worse) & (gain - ndtri(gate.confidence) * spread > -gate.margin)
    flips, of_flips = better[passes] + worse[passes], up / rate if rate else 0.5
    return float((binom.pmf(flips, n, rate) * binom.pmf(better[passes], flips, of_flips)).sum())


def _likely(n: int, rate: float) -> NDArray[np.int64]:
    """The numbers of n images that a share of `rate` comes to in all but one of a million samples."""
    spread = 6 * math.sqrt(n * rate) + 6
    return np.arange(max(0, math.floor(n * rate - spread)), min(n, math.ceil(n * rate + spread)) + 1)


def _where(n: int, rate: float, gate: Gate, chance: float, sign: float) -> float | None:
    """The size of the difference, in the direction of `sign`, at which the chance to pass is `chance`."""
    with loading:
        from scipy.optimize import brentq  # a third of a second to load, for who judges

    def excess(size: float) -> float:
        return chance_to_pass(n, rate, sign * size, gate) - chance

    if excess(0.0) * sign >= 0:
        return 0.0
    if excess(1.0) * sign < 0:
        return None
    return float(brentq(excess, 0.0, 1.0, xtol=1e-4))
