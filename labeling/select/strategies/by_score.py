"""Strategies that give each image a score: those of the highest scores are picked, spread so that they differ.

While there is nothing to score by, typical images are picked. What would have been picked of the reserve is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labeling.select.strategies.batch import choose, would_choose
from labeling.select.strategies.strategy import (
    Picks,
    Positions,
    Predicted,
    Scores,
    Strategy,
    View,
    Would,
    checked_scores,
    one_a_group,
)
from labeling.select.strategies.typical import Typical
from labeling.select.strategies.uncertainty import known_rows, margin, raised

__all__ = ["ByScore", "Score", "Scored", "by_doubt", "hardest"]

Score = Callable[[npt.NDArray[np.floating]], npt.NDArray[np.floating]]
"""Probabilities (N, K) in, N finite numbers out; higher is asked sooner. Rows without a prediction are uniform."""


class Scored(Strategy):
    """Asks for the images of the highest scores, by what a subclass says of each image on its own."""

    name: str

    def scores(self, view: View) -> Scores | None:
        """The score of each image, (N,) and finite; None while there is nothing to score by."""
        return None if view.predicted is None else self.score(view.predicted)

    def choose(self, view: View, n: int, rng: np.random.Generator) -> Picks:
        """The most doubtful image of every group, and n of those of the highest scores that cover the rest."""
        if n <= 0 and view.predicted is not None:  # what scores rest on may take minutes
            return Picks(np.empty(0, np.int64), np.empty(0), ())
        scores = self.scores(view)
        if scores is None:
            return Typical().choose(view, n, rng)
        candidates = hardest(view, scores, np.arange(len(scores)))
        at = candidates[choose(scores[candidates], lambda some: view.vectors(candidates[some]), n)]
        return Picks(at, scores[at], tuple(f"{self.name} {score:.3f}" for score in scores[at]))

    def would_pick(self, view: View, picks: Picks, reserve: Positions, rng: np.random.Generator) -> Would:
        """Those that `choose` would have picked, had each group alone been among the others: exact.

        Marking all that score as high as the lowest pick would be too many, for of the highest scores only those are
        picked that differ: the reserve without them would then be easier than what was not picked.
        """
        nothing = not len(picks.positions) or not len(reserve)
        scores = None if nothing else self.scores(view)
        if scores is None:
            return Strategy.would_pick(self, view, picks, reserve, rng)
        others = np.setdiff1d(np.arange(len(scores)), reserve)
        mine, theirs = (hardest(view, scores, at) for at in (others, np.asarray(reserve)))
        if len(picks.positions) >= len(mine):  # all were wanted
            return np.ones(len(reserve), bool)
        would = would_choose(
            scores[mine],
            lambda some: view.vectors(mine[some]),
            len(picks.positions),
            scores[theirs],
            lambda some: view.vectors(theirs[some]),
        )
        return np.isin(view.groups[reserve], view.groups[theirs[would]])


@dataclass(frozen=True, slots=True)
class ByScore(Scored):
    """Asks for the images of the highest scores.

    Examples
    --------
    >>> from labeling.select.strategies.uncertainty import margin
    >>> strategy = ByScore("margin", margin)
    >>> strategy.score(Predicted(np.array([[0.75, 0.25], [0.5, 0.5]]))).tolist()
    [0.5, 1.0]
    """

    name: str
    of: Score

    def score(self, predicted: Predicted) -> Scores:
        """The score of each image's probabilities, raised where engines contradict them.

        Raises
        ------
        Invalid
            When the function gives something else than one finite number an image.
        """
        scores = checked_scores(self.of(known_rows(predicted.probs)), len(predicted.probs), self.name)
        return scores if predicted.conflicts is None else raised(scores, predicted.conflicts)


def by_doubt(view: View, predicted: Predicted) -> tuple[Scores, Positions]:
    """How doubtful each image is by margin and conflicts, (N,), and the most doubtful image of every group."""
    doubts: Scores = margin(predicted.probs)
    if predicted.conflicts is not None:
        doubts = raised(doubts, predicted.conflicts)
    return doubts, hardest(view, doubts, np.arange(len(doubts)))


def hardest(view: View, scores: Scores, at: Positions) -> Positions:
    """Of these positions the one of the highest score in every group."""
    return one_a_group(view.groups, at[np.lexsort((at, -scores[at]))])
