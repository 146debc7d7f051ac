"""Strategies that ask for what the members of an ensemble disagree about most.

Members are asked some thousand images at a time, so that no (M, N, K) array of a whole pool is ever held.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from labeling.select.strategies.by_score import Scored
from labeling.select.strategies.strategy import Ensemble, Predicted, Scores, checked_scores
from labeling.select.strategies.uncertainty import raised
from labeling.slices import slices

__all__ = ["ByMembers", "Disagreement"]

Disagreement = Callable[[npt.NDArray[np.floating]], npt.NDArray[np.floating]]
"""Probabilities (M, n, K) of members in, n finite numbers out; higher is more disagreement."""
_BLOCK = 4_096


@dataclass(frozen=True, slots=True)
class ByMembers(Scored):
    """Asks for the images that members fitted on parts of the labels disagree about, or engines with the classifier.

    Examples
    --------
    >>> from labeling.select.strategies.disagreement.members import vote_entropy
    >>> members = np.array([[[0.9, 0.1], [0.9, 0.1]], [[0.8, 0.2], [0.2, 0.8]]])
    >>> predicted = Predicted(members.mean(axis=0), members=members)
    >>> ByMembers("votes", vote_entropy).score(predicted).round(2).tolist()
    [0.0, 0.6899999976158142]
    """

    ensemble: ClassVar[Ensemble | None] = Ensemble.BAGGED

    name: str
    of: Disagreement

    def score(self, predicted: Predicted) -> Scores | None:
        """How far the members disagree about each image, raised where engines contradict the classifier.

        None without an ensemble: open reviews then stay as they were picked.

        Raises
        ------
        Invalid
            When the function gives something else than one finite number an image.
        """
        if predicted.members is None:
            return None
        n = len(predicted.probs)
        parts = [self.of(predicted.members_at(np.arange(n)[some])) for some in slices(n, _BLOCK)]
        scores = checked_scores(np.concatenate([np.empty(0, np.float32), *parts]), n, self.name)
        return scores if predicted.conflicts is None else raised(scores, predicted.conflicts)
