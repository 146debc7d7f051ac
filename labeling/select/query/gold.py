"""Which gold images a query mixes in, to measure annotators: how many there are in, positions out.

Gold reviews come on top of a query, have random places and show no pre-label, like other blind reviews. The same
input and the same `rng` give the same draw.
"""

from __future__ import annotations

import numpy as np

from labeling.project import Policy
from labeling.select.query.draw import Pick, random_picks
from labeling.select.query.shares import rounded
from labeling.types import ReviewKind

__all__ = ["draw_gold"]


def draw_gold(available: int, policy: Policy, *, asked: int, rng: np.random.Generator) -> list[Pick]:
    """Draw the gold reviews of one query, uniformly among the gold images that are not asked about.

    Parameters
    ----------
    available : int
        How many gold images have not been asked about.
    policy : Policy
        `gold.rate` of `query_size` on average, and whatever the onboarding set still lacks.
    asked : int
        How many gold reviews there are already.
    rng : numpy.random.Generator
        The only source of chance.

    Returns
    -------
    list of Pick, whose positions are in [0, available); empty when there is no gold left.

    Examples
    --------
    >>> from labeling.project import Gold
    >>> policy = Policy(query_size=40, gold=Gold(rate=0.05, onboarding=3))
    >>> [pick.kind.value for pick in draw_gold(10, policy, asked=2, rng=np.random.default_rng(0))]
    ['gold', 'gold', 'gold']
    """
    lacking = max(0, policy.gold.onboarding - asked)
    n = min(available, lacking + rounded(policy.gold.rate * policy.query_size, rng))
    return random_picks(ReviewKind.GOLD, rng.permutation(available)[:n], available, policy, rng)
