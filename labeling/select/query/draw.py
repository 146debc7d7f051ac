"""One query: which images are asked next, and as which kind of review.

In: the images that may be asked, with their groups and sides, and a strategy. Out: picks, at most one a group. The
random kinds are drawn first and uniformly, from their whole side; the strategy takes the hard ones from what is
left. The hold-out is drawn from for evaluation only, and no strategy sees it. The same input and the same `rng` give
the same query.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labeling.project import Policy
from labeling.review.kinds import blind_always
from labeling.select.query.shares import Counts, plan
from labeling.select.strategies.strategy import Positions, Strategy, View, checked_picks, one_a_group
from labeling.types import ReviewKind

__all__ = ["Candidates", "Pick", "draw_query", "random_picks"]


@dataclass(frozen=True, slots=True)
class Candidates:
    """The images that may be asked."""

    groups: npt.NDArray[np.int64]
    """(N,) near-duplicate group of each image."""
    holdout: npt.NDArray[np.bool_]
    """(N,) whether the group stands on the hold-out side."""
    view: Callable[[Positions], View]
    """What a strategy sees of the images at these positions."""


@dataclass(frozen=True, slots=True)
class Pick:
    """One image of a query: its position among the candidates, and what its review will say."""

    position: int
    kind: ReviewKind
    blind: bool
    probability: float
    """Probability of being chosen, per group: n / groups for the random kinds, 1 for the strategy's picks."""
    place: float
    """In [0, 1): drawn once for the random kinds, rank among the strategy's picks for the others; the lowest first."""


def draw_query(
    candidates: Candidates, strategy: Strategy, policy: Policy, *, reached: bool, rng: np.random.Generator
) -> list[Pick]:
    """Draw one query of at most `policy.query_size` images.

    Parameters
    ----------
    candidates : Candidates
        What may be asked: no image whose group was asked or labelled before.
    strategy : Strategy
        Picks the hard ones. Those of a uniform strategy are drawn here instead, as control reviews.
    policy : Policy
        Size, shares, and the name of the strategy.
    reached : bool
        Whether there are enough evaluation labels to spend the smaller share on them.
    rng : numpy.random.Generator
        The only source of chance.

    Returns
    -------
    list of Pick, of distinct groups; empty when nothing is left to ask.

    Raises
    ------
    Invalid
        When the strategy's picks do not keep to its contract.
    """
    pool = _one_a_group(candidates, ~candidates.holdout, rng)
    holdout = _one_a_group(candidates, candidates.holdout, rng)
    counts = plan(policy.query_size, policy.shares, pool=len(pool), holdout=len(holdout), reached=reached, rng=rng)
    if strategy.uniform:
        counts = Counts(counts.evaluation, counts.control + counts.hard, counts.calibration, 0)
    shuffled = rng.permutation(pool)
    random_kinds = [
        (ReviewKind.EVALUATION, rng.permutation(holdout)[: counts.evaluation], len(holdout)),
        (ReviewKind.CONTROL, shuffled[: counts.control], len(pool)),
        (ReviewKind.CALIBRATION, shuffled[counts.control : counts.control + counts.calibration], len(pool)),
    ]
    drawn = shuffled[: counts.control + counts.calibration]
    picks = [pick for kind, at, of in random_kinds for pick in random_picks(kind, at, of, policy, rng)]
    return picks + _hard_picks(candidates, strategy, drawn, counts.hard, policy, rng)


def _one_a_group(candidates: Candidates, side: npt.NDArray[np.bool_], rng: np.random.Generator) -> Positions:
    """One image of every group on this side, each of the group's with the same chance."""
    shuffled = rng.permutation(np.flatnonzero(side))
    return one_a_group(candidates.groups, shuffled)


def random_picks(kind: ReviewKind, at: Positions, of: int, policy: Policy, rng: np.random.Generator) -> list[Pick]:
    """The images at these positions as reviews of a random kind, drawn uniformly from `of` groups."""
    places = rng.random(len(at))
    return [
        Pick(int(position), kind, _blind(kind, policy, rng), len(at) / of, float(place))
        for position, place in zip(at, places, strict=True)
    ]


def _hard_picks(
    candidates: Candidates, strategy: Strategy, drawn: Positions, n: int, policy: Policy, rng: np.random.Generator
) -> list[Pick]:
    if n == 0:
        return []
    free = np.flatnonzero(~candidates.holdout & ~np.isin(candidates.groups, candidates.groups[drawn]))
    view = candidates.view(free)
    at = free[checked_picks(strategy.choose(view, n, rng), view, n, policy.strategy).positions]
    return [
        Pick(int(position), ReviewKind.HARD, _blind(ReviewKind.HARD, policy, rng), 1.0, rank / len(at))
        for rank, position in enumerate(at)
    ]


def _blind(kind: ReviewKind, policy: Policy, rng: np.random.Generator) -> bool:
    return blind_always(kind) or bool(rng.random() < policy.shares.blind)
