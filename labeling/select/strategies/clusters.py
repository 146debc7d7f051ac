"""Clusters of vectors, and taking of them in turn: (N, D) vectors in, the cluster of each, or n positions, out.

The same vectors and the same `rng` give the same clusters.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labeling.loading import loading
from labeling.one_thread import one_thread

__all__ = ["MOST_CLUSTERS", "clusters", "in_turn", "narrowed"]

_DIMENSIONS = 64
"""Wider vectors are turned onto their principal directions first: 500 clusters of 11,000 vectors of 1,664 numbers took
32 s of processor time, narrowed 2.4 s."""
_BATCH = 2_048
"""So many points give the first centres too: at least four for each cluster."""

MOST_CLUSTERS = 500
"""Of more the time grows without end; a cluster then gives more than one."""


def narrowed(points: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """The points (N, D) along their first principal directions, (N, 64); as they are where they are not wider."""
    if min(points.shape) <= _DIMENSIONS:
        return points
    with loading:
        from sklearn.utils.extmath import randomized_svd  # a second to load

    with one_thread():
        turned, lengths, _ = randomized_svd(
            points - points.mean(axis=0), _DIMENSIONS, n_iter=1, random_state=int(rng.integers(2**31))
        )
    return np.asarray(turned * lengths, np.float32)


def clusters(points: npt.NDArray[np.float32], k: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """The cluster of each point, (N,) in [0, k)."""
    with loading:
        from sklearn.cluster import MiniBatchKMeans  # a second to load

    means = MiniBatchKMeans(
        n_clusters=k,
        random_state=int(rng.integers(2**31)),
        n_init=3,
        batch_size=_BATCH,
        init_size=_BATCH,
        reassignment_ratio=0,
    )
    with one_thread():  # the same sums on any machine, and no threads that spin where cores are shared
        return np.asarray(means.fit_predict(points), np.int64)


def in_turn(
    members: list[tuple[npt.NDArray[np.int64], int]], n: int, *, smallest_first: bool = False
) -> npt.NDArray[np.int64]:
    """The n best of clusters, each with its members, the best first, and how many were taken of it before.

    One with fewer taken comes before one with more, of these the larger before the smaller, or the other way round.

    >>> in_turn([(np.array([4, 2, 0]), 0), (np.array([1, 3]), 0)], 3).tolist()
    [4, 1, 2]
    """
    at = np.concatenate([some for some, _ in members])
    turn = np.concatenate([before + np.arange(len(some)) for some, before in members])
    size = np.concatenate([np.full(len(some), len(some)) for some, _ in members])
    return np.asarray(at[np.lexsort((size if smallest_first else -size, turn))][:n], np.int64)
