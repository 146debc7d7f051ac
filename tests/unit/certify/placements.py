"""Every way in which errors can lie in a tiny set, and every sample of it: how often a promise is broken, exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Accept = Callable[[NDArray[np.bool_], NDArray[np.bool_]], Sequence[int]]
"""Whether each image is sampled, and whether each sampled one is right, in; the accepted ranks out."""
Allowed = Callable[[int], float]
"""How many of so many accepted unsampled images may be wrong."""


def placements(size: int) -> NDArray[np.bool_]:
    """(2^N, N): which images are wrong."""
    return (np.arange(2**size)[:, None] >> np.arange(size)) % 2 == 1


def broken(size: int, sample: Sequence[int], accept: Accept, allowed: Allowed) -> NDArray[np.bool_]:
    """For each placement: whether with this sample any accepted rank has more unsampled errors than allowed, (2^N,)."""
    wrong, drawn = placements(size), np.isin(np.arange(size), sample)
    patterns, which = np.unique(wrong[:, drawn], axis=0, return_inverse=True)
    found = np.zeros(len(wrong), bool)
    for at, pattern in enumerate(patterns):
        for rank in accept(drawn, ~pattern):
            delivered = ~drawn & (np.arange(size) < rank)
            found |= (which.ravel() == at) & (wrong[:, delivered].sum(axis=1) > allowed(int(delivered.sum())))
    return found


def worst_chance(size: int, drawn: int, accept: Accept, allowed: Allowed) -> float:
    """The chance over all samples that the promise is broken, for the placement of errors where it is largest."""
    samples = list(combinations(range(size), drawn))
    return float(np.mean([broken(size, one, accept, allowed) for one in samples], axis=0).max())
