"""A strategy made of a score over probabilities: the images of the highest scores, spread so that they differ.

While there is no prediction there is nothing to score: then typical images are picked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labeling.select.strategies.batch import choose
from labeling.select.strategies.strategy import Picks, Predicted, Scores, Strategy, View, checked_scores, one_a_group
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
        hardest = one_a_group(view.groups, np.lexsort((np.arange(len(scores)), -scores)))
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
