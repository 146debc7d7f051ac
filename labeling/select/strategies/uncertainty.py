"""How unsure a distribution is: (N, K) probabilities in, (N,) scores out. Higher is more doubtful.

Rows without a prediction (NaN) count as uniform. Works on blocks of rows, so that
a memory-mapped float16 array of a million rows costs one block of float32 and the (N,) scores. `by_score` makes a
strategy of each.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from labeling.slices import slices

__all__ = ["by_block", "entropy", "known_rows", "least_confidence", "margin", "raised"]

_BLOCK = 65_536


def margin(probs: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """How close the two best classes are: 1 minus their difference.

    Parameters
    ----------
    probs : (N, K) array
        Probabilities, K >= 2; a row with NaN counts as uniform.

    Returns
    -------
    (N,) float32 array in [0, 1]; 0 at one-hot, 1 where the two best classes are equal.

    Examples
    --------
    >>> margin(np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])).tolist()
    [0.0, 1.0]
    """
    return by_block(probs, _margin)


def entropy(probs: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Shannon entropy in nats.

    Parameters
    ----------
    probs : (N, K) array
        Probabilities, K >= 2; a row with NaN counts as uniform.

    Returns
    -------
    (N,) float32 array in [0, ln K]; 0 at one-hot, ln K at uniform.

    Examples
    --------
    >>> entropy(np.array([[1.0, 0.0]])).tolist()
    [0.0]
    """
    return by_block(probs, _entropy)


def least_confidence(probs: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """One minus the probability of the best class.

    Parameters
    ----------
    probs : (N, K) array
        Probabilities, K >= 2; a row with NaN counts as uniform.

    Returns
    -------
    (N,) float32 array in [0, 1 - 1/K].

    Examples
    --------
    >>> least_confidence(np.array([[0.75, 0.25]])).tolist()
    [0.25]
    """
    return by_block(probs, lambda block: 1 - block.max(axis=1))


def raised(doubts: npt.NDArray[np.floating], conflicts: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Doubts (N,) on any scale, moved towards the largest among them by their conflicts (N,) in [0, 1].

    Where there is no conflict a doubt stays as it is; at a conflict of 1 it is as large as the largest.

    >>> raised(np.array([0.2, 0.4, 0.8]), np.array([0.0, 0.5, 1.0])).round(2).tolist()
    [0.2, 0.6, 0.8]
    """
    if not len(doubts):
        return np.asarray(doubts, np.float64)
    return np.asarray(doubts + conflicts * (np.max(doubts) - doubts), np.float64)


def by_block(
    probs: npt.NDArray[np.floating], score: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
) -> npt.NDArray[np.float32]:
    """A score of probabilities (N, K), counted over some thousand rows at a time: (N,). Rows of NaN come as uniform.

    >>> by_block(np.array([[0.75, 0.25], [np.nan, np.nan]]), lambda block: block.max(axis=1)).tolist()
    [0.75, 0.5]
    """
    scores = np.empty(len(probs), dtype=np.float32)
    for some in slices(len(probs), _BLOCK):
        scores[some] = score(np.asarray(known_rows(probs[some]), np.float32))  # (B, K)
    return scores


def known_rows(probs: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Probabilities (N, K) with a uniform row in place of every row that has NaN.

    >>> known_rows(np.array([[np.nan, 1.0]])).tolist()
    [[0.5, 0.5]]
    """
    unknown = np.isnan(probs).any(axis=1)
    if not unknown.any():
        return probs
    known = np.array(probs, np.float32)
    known[unknown] = 1 / known.shape[1]
    return known


def _margin(block: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    best = np.partition(block, -2, axis=1)[:, -2:]  # (B, 2), second best first
    return 1 - (best[:, 1] - best[:, 0])


def _entropy(block: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    logs = np.log(block, out=np.zeros_like(block), where=block > 0)  # 0 log 0 = 0
    return np.asarray(np.abs((block * logs).sum(axis=1)))
