"""Rare classes: the images that are likeliest of the classes with the fewest labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labeling.select.strategies.by_score import Scored
from labeling.select.strategies.classes.counts import labels_of_each
from labeling.select.strategies.strategy import Scores, View
from labeling.select.strategies.uncertainty import by_block, margin

__all__ = ["RareClass", "rarity"]


@dataclass(frozen=True, slots=True)
class RareClass(Scored):
    """Asks for images that are likely of a class with few labels; by margin where all classes have as many.

    Notes
    -----
    Source: Coleman and others (2022), "Similarity Search for Efficient Active Learning and Search of Rare Concepts",
    arXiv:2007.00077: the likeliest images of a rare concept. Here all classes count, each the more the rarer it is.
    """

    name: str = "rare_class"

    def scores(self, view: View) -> Scores | None:
        """The expected rarity of each image's class, (N,) in (0, 1]; None while nothing is predicted.

        It rests on the labels, so open reviews stay as they were picked.
        """
        if view.predicted is None:
            return None
        probs, weights = view.predicted.probs, rarity(labels_of_each(view.labelled(), view.predicted))
        return margin(probs) if np.ptp(weights) == 0 else by_block(probs, lambda block: block @ weights)


def rarity(counts: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """What each class counts, (K,): the least count over its own, each plus one.

    >>> rarity(np.array([0.0, 1.0, 3.0])).tolist()
    [1.0, 0.5, 0.25]
    """
    return np.asarray((counts.min() + 1) / (counts + 1), np.float32)
