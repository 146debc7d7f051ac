"""Doubt times weight: the images about which a wrong label costs most, by a number that came with each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labeling.select.strategies.by_score import Scored
from labeling.select.strategies.strategy import Scores, View
from labeling.select.strategies.uncertainty import known_rows, margin, raised

__all__ = ["Weighted"]


@dataclass(frozen=True, slots=True)
class Weighted(Scored):
    """Asks for images by their margin, times what a label of each is worth (`policy.weigh_by`).

    Notes
    -----
    Source: cost-sensitive learning in its simplest form, Elkan (2001), "The Foundations of Cost-Sensitive Learning":
    the expected cost of a wrong label is its probability times what it costs.
    """

    name: str = "weighted"

    def scores(self, view: View) -> Scores | None:
        """Margin times weight, (N,) and not negative; margin alone without weights; None while nothing is predicted.

        Weights are no part of a prediction, so open reviews stay as they were picked.
        """
        if view.predicted is None:
            return None
        doubts: Scores = margin(known_rows(view.predicted.probs))
        if view.predicted.conflicts is not None:
            doubts = raised(doubts, view.predicted.conflicts)
        return doubts if view.weights is None else np.asarray(doubts * view.weights, np.float64)
