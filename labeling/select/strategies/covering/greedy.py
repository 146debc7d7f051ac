"""Points that cover the others: (N, D) points and a kernel in, n positions out, each covering most of what is left.

Every point that is taken covers each point by the kernel of their distance, from 0 to 1; a point is covered as well as
by the best of those taken. Gains only fall as more is covered, so an old gain is a bound, and only those that may be
the largest are counted again: the greedy choice at a part of its cost, and never N x N numbers at once.

Source: Minoux (1978), "Accelerated greedy algorithms for maximizing submodular set functions".
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from labeling.one_thread import one_thread
from labeling.select.strategies.batch import most_doubtful
from labeling.select.strategies.clusters import narrowed
from labeling.select.strategies.k_center import to_nearest
from labeling.select.strategies.strategy import Positions, View
from labeling.slices import slices
from labeling.vectors import finite

__all__ = ["MOST_POINTS", "Kernel", "covering", "side_by_side", "squares_between"]

Numbers = npt.NDArray[np.float32]
Kernel = Callable[[Numbers], Numbers]
"""Squared distances in, how well so near a point covers out, in [0, 1]; it falls with the distance."""
MOST_POINTS = 10_000
"""Of more images, and of more labelled ones, so many are sampled: the time grows with their product."""
_BLOCK = 256
_AGAIN = 32
"""So many gains are counted again at a time: one alone would not use the machine's arithmetic."""


def covering(
    points: npt.NDArray[np.floating],
    n: int,
    kernel: Kernel,
    *,
    weights: npt.NDArray[np.floating] | None = None,
    covered: npt.NDArray[np.floating] | None = None,
) -> npt.NDArray[np.int64]:
    """Take again and again the point that adds most to how well all points are covered.

    Parameters
    ----------
    points : (N, D) array
        The time grows with N squared: the caller samples.
    n : int
        How many to take.
    kernel : callable
        What one point covers.
    weights : (N,) array, optional
        How much it matters that each is covered, not negative; all the same if not given.
    covered : (L, D) array, optional
        Points that count as taken beforehand.

    Returns
    -------
    (min(n, N),) int64 array of distinct positions in the order taken; of equal gains the earlier point. Those that
    would add nothing come last, in their order.

    Examples
    --------
    >>> points = np.array([[0.0], [0.1], [0.2], [5.0], [5.1]])
    >>> covering(points, 2, lambda squares: (squares < 0.02).astype(np.float32)).tolist()
    [1, 3]
    """
    points = np.asarray(points, np.float32)
    weights = np.ones(len(points), np.float32) if weights is None else np.asarray(weights, np.float32)
    with one_thread():
        return _taken(points, min(n, len(points)), kernel, weights, covered)


def squares_between(some: Numbers, others: Numbers) -> Numbers:
    """Squared distances (A, B) of points (A, D) and (B, D).

    >>> squares_between(np.array([[0.0], [1.0]]), np.array([[3.0]])).tolist()
    [[9.0], [4.0]]
    """
    lengths = np.einsum("ad,ad->a", some, some)[:, None] + np.einsum("bd,bd->b", others, others)
    return np.asarray(np.maximum(lengths - 2 * (some @ others.T), 0), np.float32)


def side_by_side(view: View, at: Positions, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
    """The vectors of these images (n, D') and of what is labelled (L, D'), along their first principal directions.

    Of more than 10,000 labelled images so many are drawn.
    """
    labelled, points = view.labelled(), view.vectors(at)
    some = np.sort(rng.permutation(len(labelled.labels))[:MOST_POINTS])
    covered = finite(labelled.gather(some)) if len(some) else points[:0]
    everything = narrowed(np.concatenate([covered, points]), rng)
    return everything[len(covered) :], everything[: len(covered)]


def _taken(
    points: Numbers, n: int, kernel: Kernel, weights: Numbers, covered: npt.NDArray[np.floating] | None
) -> npt.NDArray[np.int64]:
    reach: Numbers = np.zeros(len(points), np.float32)  # how well each is covered
    if covered is not None and len(covered):
        reach = kernel(to_nearest(points, np.einsum("nd,nd->n", points, points), covered))

    def gains_of(at: npt.NDArray[np.int64]) -> Numbers:
        added = kernel(squares_between(points[at], points)) - reach  # (B, N)
        return np.asarray(np.maximum(added, 0, out=added) @ weights, np.float32)

    parts = [gains_of(np.arange(len(points))[block]) for block in slices(len(points), _BLOCK)]
    gains = np.concatenate([np.empty(0, np.float32), *parts])
    taken: list[int] = []
    while len(taken) < n and (best := _best(gains, gains_of)) is not None:
        taken.append(best)
        reach = np.maximum(reach, kernel(squares_between(points[[best]], points)[0]))
        gains[best] = -1
    rest = np.setdiff1d(np.arange(len(points)), taken)
    return np.asarray(np.concatenate([taken, rest])[:n], np.int64)


def _best(gains: Numbers, gains_of: Callable[[npt.NDArray[np.int64]], Numbers]) -> int | None:
    """The position of the largest gain, counted anew where it may be it; None where no gain is left."""
    known = np.zeros(len(gains), bool)
    while gains[best := int(gains.argmax())] > 0:
        if known[best]:
            return best
        bound = np.where(known, -1, gains)
        again = most_doubtful(bound, min(_AGAIN, len(bound)))
        again = again[bound[again] > 0]
        gains[again], known[again] = gains_of(again), True
    return None
