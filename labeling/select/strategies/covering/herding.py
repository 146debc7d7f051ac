"""Uncertainty herding: images that cover the doubtful ones, each as far as labels are from one another.

While labels are few and far apart one image stands for many and the choice is representative; the more there are, the
narrower it becomes and the more the doubt of the image itself decides.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labeling.select.strategies.by_score import by_doubt
from labeling.select.strategies.covering.greedy import MOST_POINTS, Kernel, Numbers, covering, side_by_side
from labeling.select.strategies.k_center import to_nearest
from labeling.select.strategies.strategy import Picks, Positions, Scores, Strategy, View, ranked
from labeling.select.strategies.typical import Typical

__all__ = ["Herding", "gaussian", "median_reach"]

_LEAST = 1e-6


class Herding(Strategy):
    """Asks for the images that cover most doubt.

    Notes
    -----
    Source: Bae, Oliveira, Sutherland (2025), "Uncertainty Herding: One Active Learning Method for All Label Budgets",
    arXiv:2412.20644. Doubt is the margin at the head's fixed temperature, so none is fitted on a part of the labels as
    there; the width of the kernel is the median distance of an image to its nearest label.
    """

    def choose(self, view: View, n: int, rng: np.random.Generator) -> Picks:
        """Each pick adds most to how well doubt is covered; typical images while nothing is predicted.

        Of more than 10,000 groups so many are drawn with a chance as their doubt, and count the same.
        """
        predicted = view.predicted
        if predicted is None:
            return Typical().choose(view, n, rng)
        doubts, each = by_doubt(view, predicted)
        n = min(n, len(each))
        if n <= 0:
            return ranked(each[:0], "")
        at, weights = _sample(each, doubts, max(n, MOST_POINTS), rng)
        points, covered = side_by_side(view, at, rng)
        around = covered if len(covered) else points[rng.permutation(len(points))[:n]]
        kernel = gaussian(median_reach(points, around))
        return ranked(at[covering(points, n, kernel, weights=weights, covered=covered)], "covers doubtful images")


def gaussian(square: float) -> Kernel:
    """The kernel that falls to e^(-1/2) at the root of this squared distance.

    >>> gaussian(1.0)(np.array([0.0, 1.0], np.float32)).round(2).tolist()
    [1.0, 0.6100000143051147]
    """
    return lambda squares: np.exp(squares / np.float32(-2 * square))


def median_reach(points: Numbers, covered: Numbers) -> float:
    """The median squared distance of points (N, D) to the nearest of others (L, D); above zero."""
    squares = to_nearest(points, np.einsum("nd,nd->n", points, points), covered)
    return max(float(np.median(squares)), _LEAST)


def _sample(
    each: Positions, scores: Scores, most: int, rng: np.random.Generator
) -> tuple[Positions, npt.NDArray[np.floating]]:
    """At most so many positions in an order drawn by chance, and how much each matters."""
    if len(each) <= most:
        at = rng.permutation(each)
        return at, scores[at]
    waits = rng.exponential(size=len(each)) / np.maximum(scores[each], _LEAST)  # the doubtful come early
    return each[np.argsort(waits, kind="stable")[:most]], np.ones(most)
