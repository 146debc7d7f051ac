"""A strategy made of a score over probabilities: the images of the highest scores, spread so that they differ.

While there is no prediction there is nothing to score: then typical images are picked.
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
from labeling.select.strategies.uncertainty import known_rows, raised

__all__ = ["ByScore", "Score"]

Score = Callable[[npt.NDArray[np.floating]], npt.NDArray[np.floating]]
"""Probabilities (N, K) in, N finite numbers out; higher is asked sooner. Rows without a prediction are uniform."""


@dataclass(frozen=True, slots=True)
class ByScore(Strategy):
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

    def choose(self, view: View, n: int, rng: np.random.Generator) -> Picks:
        """The most doubtful image of every group, and n of those of the highest scores that cover the rest."""
        if view.predicted is None:
            return Typical().choose(view, n, rng)
        scores = self.score(view.predicted)
        hardest = _hardest(view, scores, np.arange(len(scores)))
        at = hardest[choose(scores[hardest], lambda some: view.gather(hardest[some]), n)]
        return Picks(at, scores[at], tuple(f"{self.name} {score:.3f}" for score in scores[at]))

    def score(self, predicted: Predicted) -> Scores:
        """The score of each image's probabilities, raised where engines contradict them.

        Raises
        ------
        Invalid
            When the function gives something else than one finite number an image.
        """
        scores = checked_scores(self.of(known_rows(predicted.probs)), len(predicted.probs), self.name)
        return scores if predicted.conflicts is None else raised(scores, predicted.conflicts)

    def would_pick(self, view: View, picks: Picks, reserve: Positions, rng: np.random.Generator) -> Would:
        """Those that `choose` would have picked, had each group alone been among the others: exact.

        Marking all that score as high as the lowest pick would be too many, for of the highest scores only those are
        picked that differ: the reserve without them would then be easier than what was not picked.
        """
        if view.predicted is None or not len(picks.positions) or not len(reserve):
            return Strategy.would_pick(self, view, picks, reserve, rng)
        scores = self.score(view.predicted)
        others = np.setdiff1d(np.arange(len(scores)), reserve)
        mine, theirs = (_hardest(view, scores, at) for at in (others, np.asarray(reserve)))
        if len(picks.positions) >= len(mine):  # all were wanted
            return np.ones(len(reserve), bool)
        would = would_choose(
            scores[mine],
            lambda some: view.gather(mine[some]),
            len(picks.positions),
            scores[theirs],
            lambda some: view.gather(theirs[some]),
        )
        return np.isin(view.groups[reserve], view.groups[theirs[would]])


def _hardest(view: View, scores: Scores, at: Positions) -> Positions:
    """Of these positions the one of the highest score in every group."""
    return one_a_group(view.groups, at[np.lexsort((at, -scores[at]))])
