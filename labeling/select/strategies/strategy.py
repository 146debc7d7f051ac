"""What a query strategy is: a view of the images that may be asked in, picks out, at most one a group.

Row i of every array in a view is image i. What is expensive is given on demand: vectors, and the labelled images.
A strategy picks from no image of the reserve and none that was asked; `rng` is its only source of chance. Afterwards it
says which images of the reserve it would have picked, had they been among the others: a sample without them is
exchangeable with what is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from labeling.errors import Invalid
from labeling.vectors import finite

__all__ = [
    "Ensemble",
    "Gather",
    "Labelled",
    "Picks",
    "Positions",
    "Predicted",
    "Scores",
    "Strategy",
    "View",
    "Would",
    "checked_picks",
    "checked_scores",
    "one_a_group",
    "ranked",
]

Positions = npt.NDArray[np.int64]
Scores = npt.NDArray[np.floating]
Would = npt.NDArray[np.bool_]

Gather = Callable[[Positions], npt.NDArray[np.float32]]
"""Gives the (n, D) vectors of n positions, so that a memory-mapped pool is never copied whole."""


class Ensemble(StrEnum):
    """What the members of an ensemble differ in."""

    BAGGED = "bagged"
    """The groups of examples that they were fitted on."""
    THINNED = "thinned"
    """The features that they are left."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """What is predicted of N images now."""

    probs: npt.NDArray[np.floating]
    """(N, K) probabilities, at the temperature that images are ranked by; a row of NaN where nothing is predicted."""
    conflicts: npt.NDArray[np.floating] | None = None
    """(N,) in [0, 1]: how far the engines contradict the probabilities or each other; None without engines."""
    members: npt.NDArray[np.floating] | Callable[[Positions], npt.NDArray[np.floating]] | None = None
    """(M, N, K) probabilities of an ensemble's M members, or what gives (M, n, K) of n positions; rows of NaN where
    nothing is predicted; None where there is no ensemble."""
    classes: tuple[str, ...] = ()
    """The names of the K classes; empty where they are not known."""

    def members_at(self, at: Positions) -> npt.NDArray[np.floating]:
        """What the members predict of these positions, (M, n, K); there must be an ensemble."""
        if self.members is None:
            raise ValueError("nothing is known of an ensemble's members")
        return self.members(at) if callable(self.members) else self.members[:, at]

    def take(self, at: Positions) -> Predicted:
        """The same for some of the images; members are not asked before they are needed."""
        conflicts = None if self.conflicts is None else self.conflicts[at]
        members = None if self.members is None else lambda some: self.members_at(at[some])
        return Predicted(self.probs[at], conflicts, members, self.classes)


@dataclass(frozen=True, slots=True)
class Labelled:
    """The images that are learnt from."""

    labels: tuple[str, ...]
    gather: Gather
    """Vectors of positions among `labels`."""


@dataclass(frozen=True, slots=True)
class View:
    """N images that may be asked, and what is known of them."""

    groups: npt.NDArray[np.int64]
    """(N,) near-duplicate group of each image: of every group at most one may be picked."""
    gather: Gather
    labelled: Callable[[], Labelled]
    predicted: Predicted | None = None
    """None before anything is known of any of them."""
    costs: npt.NDArray[np.floating] | None = None
    """(N,) seconds that a person needs for each; None where that is not known."""
    weights: npt.NDArray[np.floating] | None = None
    """(N,) finite and not negative: what a label of each is worth, by the project's own number; None without one."""

    @property
    def probs(self) -> npt.NDArray[np.floating] | None:
        """(N, K) probabilities, if anything is predicted."""
        return None if self.predicted is None else self.predicted.probs

    def vectors(self, at: Positions) -> npt.NDArray[np.float32]:
        """The (n, D) vectors of these positions, with zero in place of every number that is not finite."""
        return finite(self.gather(at))


@dataclass(frozen=True, slots=True)
class Picks:
    """The images that a strategy selects, the best first."""

    positions: Positions
    """(n,) distinct positions of the view."""
    scores: Scores
    """(n,) finite; higher is better, on the strategy's own scale."""
    reasons: tuple[str, ...]
    """Why each was picked, in a few words for people."""
    by_doubt: npt.NDArray[np.bool_] | None = None
    """(n,) which of them a hedged query picked by doubt, the others as representative; None: all in one way."""


@runtime_checkable
class Strategy(Protocol):
    """Which images people should see next. One of your own may inherit from this and write `choose` alone."""

    uniform: ClassVar[bool] = False
    """Whether its picks are a uniform sample of the view's groups: then each has the same chance, which is kept."""
    ensemble: ClassVar[Ensemble | None] = None
    """The kind of ensemble that it needs the members of; None: of none, and none is fitted."""

    def choose(self, view: View, n: int, rng: np.random.Generator) -> Picks:
        """Pick n images of distinct groups, or one of every group where there are fewer groups than n."""
        ...

    def score(self, predicted: Predicted) -> Scores | None:
        """A score of each image from the current prediction, (N,) and finite; higher is asked sooner.

        It orders the open reviews anew. None: there is no such number, and they stay as they were picked.
        """
        return None

    def would_pick(self, view: View, picks: Picks, reserve: Positions, rng: np.random.Generator) -> Would:
        """Which images of the reserve the strategy would have picked in this query.

        Parameters
        ----------
        view : View
            The images of a query and those of the reserve, side by side; no group is on both sides.
        picks : Picks
            What `choose` picked in this query, at its positions in this view.
        reserve : (R,) int64 array
            Positions of the images of the reserve in this view, drawn or not.
        rng : numpy.random.Generator
            For strategies that need chance to pick.

        Returns
        -------
        (R,) bool array. By default, with a score: those that are not scored lower than the lowest of the picks, which
        is right where the highest scores are picked. Without one it is an approximation: the strategy picks
        from all, the reserve included, as many more as there are more groups.

        Raises
        ------
        Invalid
            When the strategy gives something else than one finite number an image, or a position outside the view.
        """
        if not len(picks.positions) or not len(reserve):
            return np.zeros(len(reserve), bool)
        scores = None if view.predicted is None else self.score(view.predicted)
        if scores is None:
            return _picked_from_all(self, view, picks, reserve, rng)
        checked = checked_scores(scores, len(view.groups), type(self).__name__)
        return np.asarray(checked[reserve] >= checked[picks.positions].min())


def _picked_from_all(
    strategy: Strategy, view: View, picks: Picks, reserve: Positions, rng: np.random.Generator
) -> Would:
    """Which of the reserve are in groups picked from all images: as large a part of all as was picked of the others."""
    of_all, of_reserve = len(np.unique(view.groups)), len(np.unique(view.groups[reserve]))
    n = -(-len(picks.positions) * of_all // max(of_all - of_reserve, 1))  # rounded up
    chosen = checked_picks(strategy.choose(view, n, rng), view, n, type(strategy).__name__)
    return np.isin(view.groups[reserve], view.groups[chosen.positions])


def one_a_group(groups: npt.NDArray[np.int64], order: Positions) -> Positions:
    """One position of every group: the one that stands first in `order`.

    Examples
    --------
    >>> one_a_group(np.array([7, 5, 7]), np.array([2, 1, 0])).tolist()
    [1, 2]
    """
    _, first = np.unique(groups[order], return_index=True)
    return np.asarray(order[first], np.int64)


def ranked(positions: Positions, reason: str) -> Picks:
    """Picks of a strategy that has an order but no number: scores fall evenly from 1.

    Examples
    --------
    >>> ranked(np.array([4, 9]), "drawn").scores.tolist()
    [1.0, 0.5]
    """
    n = len(positions)
    return Picks(np.asarray(positions, np.int64), 1 - np.arange(n) / max(n, 1), (reason,) * n)


def checked_picks(picks: Picks, view: View, n: int, name: str) -> Picks:
    """The picks, if they keep to the contract.

    Raises
    ------
    Invalid
        When a position is no image of the view or is picked twice, when two are of one group, when there are more
        than n, when a score is not finite, or when a pick has no reason.
    """
    at = np.asarray(picks.positions)
    whole = at.ndim == 1 and (np.issubdtype(at.dtype, np.integer) or not len(at))
    if not whole or len(at) > max(n, 0) or ((at < 0) | (at >= len(view.groups))).any():
        raise Invalid(f"The strategy {name!r} must pick at most {n} positions of {len(view.groups)} images.")
    positions = at.astype(np.int64)
    if len(np.unique(view.groups[positions])) < len(positions):
        raise Invalid(f"The strategy {name!r} picked two images of one group of near-duplicates; pick one a group.")
    reasons = tuple(picks.reasons)[: len(positions)]
    if len(reasons) < len(positions) or not all(isinstance(reason, str) for reason in reasons):
        raise Invalid(f"The strategy {name!r} must give a reason for each of its {len(positions)} picks, as text.")
    return Picks(positions, checked_scores(picks.scores, len(positions), name), reasons, picks.by_doubt)


def checked_scores(scores: Scores, n: int, name: str) -> Scores:
    """The scores as an array, if they are n finite numbers.

    Raises
    ------
    Invalid
        When they are something else.
    """
    found = np.asarray(scores)
    if found.shape != (n,) or not np.isfinite(found).all():
        raise Invalid(f"The strategy {name!r} must give one finite number an image; it gave an array {found.shape}.")
    return found
