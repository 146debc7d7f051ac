"""Which points cover the others: (N, D) vectors in, n positions out, each far from those before it.

As a strategy: images that are far from every labelled one and from each other, whatever is predicted of them.

Greedy k-center: within a factor two of the best radius, deterministic, one pass over the vectors a pick.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labeling.select.strategies.strategy import Picks, Strategy, View, one_a_group, ranked
from labeling.slices import slices
from labeling.vectors import finite

__all__ = ["KCenter", "k_center", "to_nearest", "would_take"]

_MOST_POINTS = 10_000
"""Of more images, and of more labelled ones, so many are sampled: the time grows with their product."""


class KCenter(Strategy):
    """Asks for the images that are farthest from what is labelled, so that the labels cover the pool.

    Notes
    -----
    Source: Sener, Savarese (2018), "Active Learning for Convolutional Neural Networks: A Core-Set Approach",
    arXiv:1708.00489; the greedy form.
    """

    def choose(self, view: View, n: int, rng: np.random.Generator) -> Picks:
        """Each pick is the farthest from the labelled images and the picks before it; without labels one is drawn."""
        one_each = one_a_group(view.groups, np.arange(len(view.groups)))
        n = min(max(n, 0), len(one_each))
        sample = rng.permutation(one_each)[: max(n, _MOST_POINTS)]
        labelled = view.labelled()
        covered = np.sort(rng.permutation(len(labelled.labels))[:_MOST_POINTS])
        vectors = finite(labelled.gather(covered)) if len(covered) else None
        return ranked(sample[k_center(view.vectors(sample), n, vectors)], "far from what is labelled")


def k_center(
    vectors: npt.NDArray[np.floating], n: int, covered: npt.NDArray[np.floating] | None = None
) -> npt.NDArray[np.int64]:
    """Take the first point, then again and again the one farthest from all taken.

    Parameters
    ----------
    vectors : (N, D) array
        Points, the best first: the first is the start, and of equal distances the earlier point is taken.
    n : int
        How many to take.
    covered : (L, D) array, optional
        Points that count as taken beforehand. With them the first one taken is the farthest from them.

    Returns
    -------
    (min(n, N),) int64 array of distinct positions in the order taken; duplicates are taken last.

    Notes
    -----
    Source: Gonzalez (1985), "Clustering to minimize the maximum intercluster distance".

    Examples
    --------
    >>> k_center(np.array([[0.0], [0.1], [9.0], [5.0]]), 3).tolist()
    [0, 2, 3]
    """
    return _taken(np.asarray(vectors, dtype=np.float32), n, covered)[0]


def would_take(
    vectors: npt.NDArray[np.floating], n: int, others: npt.NDArray[np.floating], places: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Which other points would be among the n taken, had each alone stood among the vectors.

    Parameters
    ----------
    vectors : (N, D) array
        Points, the best first.
    n : int
        How many are taken.
    others : (R, D) array
        Points that are not among them.
    places : (R,) int64 array
        In [0, N]: each of the others would stand before the vector at this position.

    Returns
    -------
    (R,) bool array. Exact: until another point is taken it changes nothing about which is farthest.

    Examples
    --------
    >>> vectors, others = np.array([[0.0], [0.1], [9.0], [5.0]]), np.array([[4.0], [9.5], [0.1]])
    >>> would_take(vectors, 2, others, np.array([3, 3, 0])).tolist()
    [False, True, True]
    """
    points, theirs = np.asarray(vectors, dtype=np.float32), np.asarray(others, dtype=np.float32)
    would = np.full(len(theirs), n > len(points))
    squares = np.einsum("rd,rd->r", theirs, theirs)  # (R,)
    distance = np.full(len(theirs), np.inf, dtype=np.float32)
    for new, reach in zip(*_taken(points, n, None), strict=True):
        would |= (distance > reach) | ((distance == reach) & (places <= new))
        to_new = squares - 2 * (theirs @ points[new]) + points[new] @ points[new]
        distance = np.minimum(distance, np.maximum(to_new, 0))
    return would


def to_nearest(
    points: npt.NDArray[np.float32], squares: npt.NDArray[np.float32], covered: npt.NDArray[np.floating] | None
) -> npt.NDArray[np.float32]:
    """The squared distance of each point (N, D), of these squared lengths (N,), to the nearest covered one (L, D).

    (N,), infinite where there is no covered one.

    >>> points = np.array([[0.0], [4.0]], np.float32)
    >>> to_nearest(points, points[:, 0] ** 2, np.array([[1.0], [9.0]])).tolist()
    [1.0, 9.0]
    """
    distance = np.full(len(points), np.inf, dtype=np.float32)
    if covered is None:
        return distance
    others = np.asarray(covered, dtype=np.float32)
    for block in slices(len(others), 512):  # (N, 512) distances at a time: bounded memory
        to_some = squares[:, None] - 2 * (points @ others[block].T)
        to_some += np.einsum("ld,ld->l", others[block], others[block])
        distance = np.minimum(distance, np.maximum(to_some.min(axis=1), 0))
    return distance


def _taken(
    points: npt.NDArray[np.float32], n: int, covered: npt.NDArray[np.floating] | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Positions of the points taken, (n,), and how far each was from all taken before it, squared, (n,)."""
    n = min(n, len(points))
    taken, reach = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.float32)
    squares = np.einsum("nd,nd->n", points, points)  # (N,)
    distance = to_nearest(points, squares, covered)
    for i in range(n):
        new = taken[i] = int(np.argmax(distance))
        reach[i] = distance[new]
        to_new = squares - 2 * (points @ points[new]) + squares[new]
        distance = np.minimum(distance, np.maximum(to_new, 0))
        distance[taken[: i + 1]] = -1  # never twice, not even among duplicates
    return taken, reach
