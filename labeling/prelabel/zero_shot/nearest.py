"""The nearest labelled images of one that is asked about: vectors and groups in, positions and similarities out.

Invariant: no image of the same near-duplicate group is ever returned, so an image never gets its own label.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labeling.vectors import unit

__all__ = ["nearest_others"]


def nearest_others(
    asked: NDArray[np.floating],
    asked_groups: NDArray[np.integer],
    known: NDArray[np.floating],
    known_groups: NDArray[np.integer],
    n: int,
) -> list[list[tuple[int, float]]]:
    """The n nearest known images of each that is asked about, by cosine, the nearest first.

    Parameters
    ----------
    asked : (B, D) array
        Vectors of those that are asked about, of any length.
    asked_groups : (B,) int array
        Their near-duplicate groups.
    known : (M, D) array
        Vectors of the labelled ones. One that is not finite is never returned.
    known_groups : (M,) int array
        Theirs.
    n : int
        How many each gets at most.

    Returns
    -------
    For each that is asked about, positions among the known with their cosine.

    Examples
    --------
    >>> known = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    >>> nearest_others(np.array([[3.0, 0.0]]), np.array([7]), known, np.array([7, 8, 9]), 1)
    [[(2, 0.707)]]
    """
    if n <= 0 or not len(known):
        return [[] for _ in asked]
    cosines = unit(np.asarray(asked, np.float64)) @ unit(np.asarray(known, np.float64)).T  # (B, M)
    cosines[np.asarray(asked_groups)[:, None] == np.asarray(known_groups)[None, :]] = -np.inf
    cosines[~np.isfinite(cosines)] = -np.inf
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :n]
    return [
        [(int(at), round(float(row[at]), 3)) for at in places if np.isfinite(row[at])]
        for row, places in zip(cosines, order, strict=True)
    ]
