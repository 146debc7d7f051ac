"""Which images people should see next: doubts and vectors in, n distinct positions out.

The most doubtful three times n are taken, and n of them that cover the rest: doubt alone asks for the same hard
thing again and again, and of a longer list too many are easy. Memory is bounded by the batch: vectors are
gathered for those few rows only.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labeling.select.strategies.k_center import k_center
from labeling.select.strategies.strategy import Gather
from labeling.vectors import unit

__all__ = ["choose", "joined"]

_SHORTLIST = 3
"""Of 1, 3 and 10 times n, 3 did best on digits (six seeds): accuracy .930 against .925 and .912 after 100 of 400
labels in batches of 20, .945 against .935 and .927 after 150 of 1,000 in batches of 50."""
_LONGEST_SHORTLIST = 20_000


def choose(doubts: npt.NDArray[np.floating], gather: Gather, n: int) -> npt.NDArray[np.int64]:
    """Choose n of the most doubtful candidates that differ from each other.

    Parameters
    ----------
    doubts : (N,) array
        Finite; higher is more doubtful.
    gather : Gather
        Gives the vectors of candidates.
    n : int
        How many to choose.

    Returns
    -------
    (min(n, N),) int64 array of distinct positions, most doubtful first; the same input gives the same output.

    Examples
    --------
    >>> vectors = np.array([[0.0], [0.0], [1.0]])
    >>> choose(np.array([0.9, 0.8, 0.1]), lambda at: vectors[at], 2).tolist()
    [0, 2]
    """
    n = min(max(n, 0), len(doubts))
    if n == 0:
        return np.empty(0, dtype=np.int64)
    length = max(n, min(_SHORTLIST * n, _LONGEST_SHORTLIST))
    shortlist = _most_doubtful(doubts, min(length, len(doubts)))
    chosen = shortlist[k_center(gather(shortlist), n)] if n < len(shortlist) else shortlist
    return _hardest_first(chosen, doubts)


def joined(image_vectors: npt.NDArray[np.floating], text_vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Image and text vectors side by side, each of length one; no text (NaN) is zeros: it adds no distance.

    Examples
    --------
    >>> joined(np.array([[3.0, 4.0]]), np.array([[np.nan]])).tolist()[0][2]
    0.0
    """
    blocks = [np.nan_to_num(np.asarray(vectors, np.float32)) for vectors in (image_vectors, text_vectors)]
    return np.concatenate([unit(block) for block in blocks], axis=1)


def _most_doubtful(doubts: npt.NDArray[np.floating], n: int) -> npt.NDArray[np.int64]:
    """The n highest, highest first, earlier positions before later ones: stable even when all are equal."""
    cut = np.partition(doubts, len(doubts) - n)[len(doubts) - n]
    above = np.flatnonzero(doubts > cut)
    level = np.flatnonzero(doubts == cut)[: n - len(above)]
    best = np.concatenate([above, level])
    return _hardest_first(best, doubts)


def _hardest_first(positions: npt.NDArray[np.int64], doubts: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    return np.asarray(positions[np.lexsort((positions, -doubts[positions]))])
