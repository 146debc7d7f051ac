"""Chances of drawing without replacement: counts in, of any shapes that go together, chances out.

From logarithms of the gamma function, to eight digits at a million images. `scipy.stats.hypergeom` multiplies prime
numbers for each single one, which takes a tenth of a millisecond at 100,000 images. Invariant: no chance is lost
because a part of it is too small.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

__all__ = ["Counts", "chance_at_most", "chance_of"]

Counts = NDArray[np.int64]
Chances = NDArray[np.float64]


def chance_of(hits: Counts | int, size: int | Counts, marked: Counts | int, drawn: Counts | int) -> Chances:
    """The chance that of `drawn` of `size` images, of which so many are `marked`, exactly `hits` are marked.

    Examples
    --------
    >>> chance_of(np.array([0, 1, 2, 3]), 10, 3, 5).round(4).tolist()
    [0.0833, 0.4167, 0.4167, 0.0833]
    """
    return np.asarray(np.exp(_log_chance(hits, size, marked, drawn)))


def chance_at_most(hits: Counts | int, size: int | Counts, marked: Counts | int, drawn: Counts | int) -> Chances:
    """The chance that at most `hits` are marked.

    Examples
    --------
    >>> chance_at_most(np.array([0, 1, 3]), 10, 3, 5).round(4).tolist()
    [0.0833, 0.5, 1.0]
    """
    most, size, marked, drawn = (np.asarray(part)[..., None] for part in (hits, size, marked, drawn))
    below = np.arange(int(most.max(initial=0)) + 1)
    logs = np.where(below <= most, _log_chance(below, size, marked, drawn), -np.inf)
    return np.asarray(np.exp(logsumexp(logs, axis=-1)))


def _log_chance(hits: Any, size: Any, marked: Any, drawn: Any) -> Chances:
    return _log_ways(marked, hits) + _log_ways(size - marked, drawn - hits) - _log_ways(size, drawn)


def _log_ways(images: Any, taken: Any) -> Chances:
    """ln of the ways to take so many of them; for fewer than 0 or more than all -inf, by the poles of the function."""
    return np.asarray(gammaln(images + 1.0) - gammaln(taken + 1.0) - gammaln(images - taken + 1.0), np.float64)
