"""Which points cover the others: (N, D) vectors in, n positions out, each far from those before it.

Greedy k-center: within a factor two of the best radius, deterministic, one pass over the vectors a pick.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["k_center"]


def k_center(vectors: npt.NDArray[np.floating], n: int) -> npt.NDArray[np.int64]:
    """Take the first point, then again and again the one farthest from all taken.

    Parameters
    ----------
    vectors : (N, D) array
        Points, the most wanted first: it is the start, and equal distances go to the earlier point.
    n : int
        How many to take.

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
    points = np.asarray(vectors, dtype=np.float32)
    n = min(n, len(points))
    taken = np.empty(n, dtype=np.int64)
    squares = np.einsum("nd,nd->n", points, points)  # (N,)
    distance = np.full(len(points), np.inf, dtype=np.float32)
    for i in range(n):
        new = taken[i] = int(np.argmax(distance))
        to_new = squares - 2 * (points @ points[new]) + squares[new]
        distance = np.minimum(distance, np.maximum(to_new, 0))
        distance[taken[: i + 1]] = -1  # never twice, not even among duplicates
    return taken
