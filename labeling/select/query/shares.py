"""How many images of a query come from the random stream; the strategy chooses the others.

In: the size of the query, the policy's shares, what is left to ask and what is already decided. Out: one count a kind.
Fractions are rounded at random (by `rng`), so that a share holds over many small queries too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labeling.project import Shares

__all__ = ["Counts", "plan", "rounded"]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many images a query asks for, by kind."""

    random: int
    hard: int

    def with_random(self, least: int) -> Counts:
        """The same number in all, with so many images of the stream at least.

        >>> Counts(10, 30).with_random(15), Counts(10, 30).with_random(5)
        (Counts(random=15, hard=25), Counts(random=10, hard=30))
        """
        more = max(0, least - self.random)
        return Counts(self.random + more, max(0, self.hard - more))


def plan(size: int, shares: Shares, *, pool: int, reserve: int, decided: int, rng: np.random.Generator) -> Counts:
    """Split a query between the stream and the strategy.

    Parameters
    ----------
    size : int
        How many images the query may hold.
    shares : Shares
        The policy's shares.
    pool, reserve : int
        Groups that the strategy may choose from, and groups of the reserve that were not drawn yet.
    decided : int
        Images of the stream whose answer stands: with `shares.random_target` of them the smaller share is spent.
    rng : numpy.random.Generator
        Rounds fractions.

    Returns
    -------
    Counts that sum to at most `size`. Once the pool is used up the query holds what is left of the reserve.

    Examples
    --------
    >>> plan(100, Shares(), pool=1000, reserve=300, decided=0, rng=np.random.default_rng(0))
    Counts(random=20, hard=80)
    >>> plan(100, Shares(), pool=0, reserve=30, decided=200, rng=np.random.default_rng(0))
    Counts(random=30, hard=0)
    """
    share = shares.random if decided >= shares.random_target else shares.random_first
    random = min(rounded(share * size, rng), reserve)
    hard = min(size - random, pool)
    if not pool:
        random = min(size, reserve) if share > 0 else 0
    return Counts(random, hard)


def rounded(expected: float, rng: np.random.Generator) -> int:
    """`expected` on average: up with the probability of its fraction."""
    whole = int(expected)
    fraction = expected - whole
    return whole + int(rng.random() < fraction if fraction > 1e-9 else False)
