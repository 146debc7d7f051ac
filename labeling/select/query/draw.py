"""One query: which images are asked next, and as which kind of review.

In: the images that may be asked, with their groups, the next groups of the random stream, and a strategy. Out: picks,
at most one a group. The stream gives its share in its own order; the strategy takes the hard ones from the groups that
are not reserved, and sees no other. Where a certificate is wanted it picks from all, and those of its picks that may
not be asked are shadow picks. The same input and the same `rng` give the same query.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labeling.project import Policy
from labeling.review.kinds import blind_always
from labeling.select.query.shares import plan
from labeling.select.strategies.strategy import Picks, Positions, Strategy, View, checked_picks, one_a_group
from labeling.types import ReviewKind

__all__ = ["Candidates", "Drawn", "Pick", "draw_query", "random_picks"]

_BY_CHANCE = {
    ReviewKind.RANDOM: "next in the order of the random stream",
    ReviewKind.GOLD: "drawn by chance from the gold images",
}
_REST = "of the rest of the reserve: the machine labels what is left beside it"


@dataclass(frozen=True, slots=True)
class Candidates:
    """The images that may be asked."""

    groups: npt.NDArray[np.int64]
    """(N,) near-duplicate group of each image."""
    open: npt.NDArray[np.bool_]
    """(N,) whether the strategy may pick it: its group is neither reserved nor asked about."""
    reserved: npt.NDArray[np.bool_]
    """(N,) whether its group is reserved, asked about or not, or has a label by a certificate."""
    stream: npt.NDArray[np.int64]
    """(S,) the groups that the random stream asks about next, in its order; each has an image among the candidates."""
    view: Callable[[Positions], View]
    """What a strategy sees of the images at these positions."""
    rest: bool = False
    """Whether only the groups of `stream` are left to people: they are asked so that the project ends, and measure
    nothing, for those between them that a certificate accepted are not asked."""
    stream_first: int = 0
    """So many groups of `stream` at least: the sample of a certificate would be out of the reserve's reach later."""


@dataclass(frozen=True, slots=True)
class Pick:
    """One image of a query: its position among the candidates, and what its review will say."""

    position: int
    kind: ReviewKind
    blind: bool
    probability: float
    """Probability of being chosen, per group: n / groups for what is drawn by chance, 1 for a strategy's picks."""
    place: float
    """In [0, 1): drawn once for the random kinds, rank among the strategy's picks for the others; the lowest first."""
    representative: bool = False
    """Whether a hedged query picked it for what it stands for, not by doubt."""
    reason: str = ""
    """Why it was picked, in a few words for people."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A query: what is asked, and the reserved groups that the strategy would have asked about (shadow picks)."""

    picks: list[Pick]
    shadows: npt.NDArray[np.int64]
    hard: Picks
    """What the strategy picked."""


def draw_query(
    candidates: Candidates, strategy: Strategy, policy: Policy, *, decided: int, rng: np.random.Generator
) -> Drawn:
    """Draw one query of at most `policy.query_size` images.

    Parameters
    ----------
    candidates : Candidates
        What may be asked.
    strategy : Strategy
        Picks the hard ones.
    policy : Policy
        Size, shares, and the name of the strategy.
    decided : int
        How many images of the stream have an answer that stands.
    rng : numpy.random.Generator
        The only source of chance.

    Returns
    -------
    Picks of distinct groups, none when nothing is left to ask, and the shadow picks.

    Raises
    ------
    Invalid
        When the strategy's picks do not keep to its contract.
    """
    pool = len(np.unique(candidates.groups[candidates.open]))
    reserve = len(candidates.stream)
    counts = plan(policy.query_size, policy.shares, pool=pool, reserve=reserve, decided=decided, rng=rng)
    counts = counts.with_random(min(candidates.stream_first, reserve, policy.query_size))
    drawn = _images_of(candidates, candidates.stream[: policy.query_size if candidates.rest else counts.random], rng)
    if candidates.rest:
        asked = random_picks(ReviewKind.HARD, drawn, reserve, policy, rng, _REST)
        return Drawn(asked, np.empty(0, np.int64), _NONE)
    stream = random_picks(ReviewKind.RANDOM, drawn, reserve, policy, rng)
    hard, shadows, picks = _hard_picks(candidates, strategy, counts.hard, policy, rng)
    return Drawn(stream + hard, shadows, picks)


def _images_of(candidates: Candidates, groups: npt.NDArray[np.int64], rng: np.random.Generator) -> Positions:
    """One image of each of these groups, each of a group's with the same chance."""
    shuffled = rng.permutation(np.flatnonzero(np.isin(candidates.groups, groups)))
    return one_a_group(candidates.groups, shuffled)


def random_picks(
    kind: ReviewKind, at: Positions, of: int, policy: Policy, rng: np.random.Generator, reason: str = ""
) -> list[Pick]:
    """The images at these positions as reviews of a random kind, drawn uniformly from `of` groups."""
    places, why = rng.random(len(at)), reason or _BY_CHANCE[kind]
    return [
        Pick(int(position), kind, _blind(kind, policy, rng), len(at) / of, float(place), reason=why)
        for position, place in zip(at, places, strict=True)
    ]


def _hard_picks(
    candidates: Candidates, strategy: Strategy, n: int, policy: Policy, rng: np.random.Generator
) -> tuple[list[Pick], npt.NDArray[np.int64], Picks]:
    """What the strategy picks as reviews, the reserved groups that it would have picked, and its picks as they are."""
    if n == 0:
        return [], np.empty(0, np.int64), _NONE
    free = np.flatnonzero(candidates.open)
    pick = _from_all if policy.certificate else _from_free
    at, picks, shadows = pick(candidates, strategy, n, policy, rng)
    chance = len(at) / len(np.unique(candidates.groups[free])) if strategy.uniform else 1.0
    by_doubt = np.ones(len(at), bool) if picks.by_doubt is None else picks.by_doubt
    kind = ReviewKind.HARD
    hard = [
        Pick(
            int(position),
            kind,
            _blind(kind, policy, rng),
            chance,
            rank / len(at),
            representative=not by_doubt[rank],
            reason=picks.reasons[rank],
        )
        for rank, position in enumerate(at)
    ]
    return hard, shadows, picks


_NONE = Picks(np.empty(0, np.int64), np.empty(0), ())


def _from_free(
    candidates: Candidates, strategy: Strategy, n: int, policy: Policy, rng: np.random.Generator
) -> tuple[Positions, Picks, npt.NDArray[np.int64]]:
    """Positions of what is asked, the picks, and the groups that the strategy says it would have picked as well."""
    free, reserve = np.flatnonzero(candidates.open), np.flatnonzero(candidates.reserved)
    view = candidates.view(free)
    picks = checked_picks(strategy.choose(view, n, rng), view, n, policy.strategy)
    both = candidates.view(np.concatenate([free, reserve]))  # the picks have the same positions in it
    would = strategy.would_pick(both, picks, len(free) + np.arange(len(reserve)), rng)
    return free[picks.positions], picks, np.unique(candidates.groups[reserve[would]])


def _from_all(
    candidates: Candidates, strategy: Strategy, n: int, policy: Policy, rng: np.random.Generator
) -> tuple[Positions, Picks, npt.NDArray[np.int64]]:
    """The same, picked from all images without regard to which of them are reserved: exact for any strategy.

    The picks are read in their order up to the nth that may be asked; the reserved ones before it are shadow picks.
    Whether a group is reserved is a matter of chance, and of groups that were not read nothing tells it: among them the
    reserved ones are a uniform sample.
    """
    every = np.flatnonzero(candidates.open | candidates.reserved)
    groups, is_open = candidates.groups[every], candidates.open[every]
    n = min(n, len(np.unique(groups[is_open])))
    wanted = -(-n * len(np.unique(groups)) // len(np.unique(groups[is_open])))  # rounded up
    view = candidates.view(every)
    picks = checked_picks(strategy.choose(view, wanted, rng), view, wanted, policy.strategy)
    asked = np.flatnonzero(is_open[picks.positions])[:n]
    end = int(asked[-1]) + 1 if len(asked) == n else len(picks.positions)
    theirs = every[picks.positions[:end]]
    by_doubt = None if picks.by_doubt is None else picks.by_doubt[asked]
    found = Picks(picks.positions[asked], picks.scores[asked], tuple(picks.reasons[i] for i in asked), by_doubt)
    return every[found.positions], found, np.unique(candidates.groups[theirs[~candidates.open[theirs]]])


def _blind(kind: ReviewKind, policy: Policy, rng: np.random.Generator) -> bool:
    return blind_always(kind) or bool(rng.random() < policy.shares.blind)
