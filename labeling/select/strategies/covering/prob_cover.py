"""ProbCover: images with the most others near them that nothing near is labelled of."""

from __future__ import annotations

import numpy as np

from labeling.one_thread import one_thread
from labeling.select.strategies.clusters import MOST_CLUSTERS, clusters
from labeling.select.strategies.covering.greedy import MOST_POINTS, Numbers, covering, side_by_side, squares_between
from labeling.select.strategies.strategy import Picks, Strategy, View, one_a_group, ranked
from labeling.slices import slices

__all__ = ["ProbCover", "pure_radius"]

_PURE = 0.95
_BLOCK = 256


class ProbCover(Strategy):
    """Asks for the images that cover most of the pool by balls in which there is hardly more than one class.

    No probability is used. Clusters stand for the classes: as many as there are, or as images are wanted while nothing
    is predicted.

    Notes
    -----
    Source: Yehuda, Dekel, Hacohen, Weinshall (2022), "Active Learning Through a Covering Lens", arXiv:2205.11320.
    """

    def choose(self, view: View, n: int, rng: np.random.Generator) -> Picks:
        """Each pick has the most images around it that are near no label and no pick before it; then chance decides."""
        one_each = one_a_group(view.groups, np.arange(len(view.groups)))
        n = min(n, len(one_each))
        if n <= 0:
            return ranked(one_each[:0], "")
        at = rng.permutation(one_each)[: max(n, MOST_POINTS)]
        points, covered = side_by_side(view, at, rng)
        square = pure_radius(points, n if view.probs is None else view.probs.shape[1], rng)
        picked = covering(points, n, lambda squares: (squares < square).astype(np.float32), covered=covered)
        return ranked(at[picked], "stands for the images around it")


def pure_radius(points: Numbers, n_classes: int, rng: np.random.Generator) -> float:
    """The square of the largest radius within which 95 of 100 points have points of their own cluster only.

    Parameters
    ----------
    points : (N, D) float32 array
        N at least 1.
    n_classes : int
        How many clusters there are, at least 1.
    rng : numpy.random.Generator
        Seeds the clustering.

    Returns
    -------
    Points nearer than its root count as near; infinite where there is one cluster only.
    """
    which = clusters(points, min(n_classes, len(points), MOST_CLUSTERS), rng)
    nearest = np.empty(len(points), np.float32)
    with one_thread():
        for block in slices(len(points), _BLOCK):  # (256, N) distances at a time
            squares = squares_between(points[block], points)
            squares[which[block, None] == which] = np.inf
            nearest[block] = squares.min(axis=1)
    return float(np.sort(nearest)[int((1 - _PURE) * len(points))])
