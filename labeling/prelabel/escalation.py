"""Which images go on to a more expensive engine: predictions and named classes of N images in, positions out.

An image is in doubt if its two best classes have similar probabilities, or if the engines named different classes. Both
are measured as 1 minus the lead of the best, in [0, 1]; higher is more doubtful.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labeling.answers import MISSING
from labeling.select.strategies.uncertainty import margin

__all__ = ["affordable", "disagreement", "doubt", "named", "who_goes_on"]

Votes = NDArray[np.integer]


def disagreement(votes: Votes) -> NDArray[np.float32]:
    """How far the engines that named a class disagree.

    Parameters
    ----------
    votes : (N, E) int array
        The code of the class that each of E engines named; `MISSING` where it named none. "None of these" counts as a
        class.

    Returns
    -------
    (N,) float32 array in [0, 1]: 1 minus the lead of the class named most, as a share of the engines that named
    one. 0 where all agree or fewer than two named one; 1 at a tie.

    Examples
    --------
    >>> disagreement(np.array([[0, 0], [0, 1], [0, -1]])).tolist()
    [0.0, 1.0, 0.0]
    >>> disagreement(np.array([[2, 2, 1, 0]])).tolist()
    [0.75]
    """
    if votes.shape[1] < 2:
        return np.zeros(len(votes), np.float32)
    same = (votes[:, :, None] == votes[:, None, :]) & (votes[:, :, None] != MISSING)  # (N, E, E)
    counts = same.sum(axis=2)  # (N, E) how many named the same class as this one
    most = counts.max(axis=1)
    leader = np.take_along_axis(votes, counts.argmax(axis=1)[:, None], axis=1)  # (N, 1)
    second = np.where(votes == leader, 0, counts).max(axis=1)
    voters = (votes != MISSING).sum(axis=1)
    lead = np.where(voters >= 2, (most - second) / np.maximum(voters, 1), 1)
    return np.asarray(1 - lead, np.float32)


def doubt(probs: NDArray[np.floating], votes: Votes) -> NDArray[np.float32]:
    """The larger of the two doubts.

    Parameters
    ----------
    probs : (N, K) array
        The current prediction; a row with NaN counts as uniform.
    votes : (N, E) int array
        As in `disagreement`.

    Examples
    --------
    >>> doubt(np.array([[0.75, 0.25], [0.75, 0.25]]), np.array([[0, 0], [0, 1]])).tolist()
    [0.5, 1.0]
    """
    return np.maximum(margin(probs), disagreement(votes))


def who_goes_on(
    probs: NDArray[np.floating], votes: Votes, below_margin: float, most: int | None = None
) -> NDArray[np.int64]:
    """Positions of the images for the next engine, the most doubtful first.

    Parameters
    ----------
    probs : (N, K) array
        The current prediction; NaN where there is none.
    votes : (N, E) int array
        The classes that earlier engines named, as in `disagreement`.
    below_margin : float
        In [0, 1]. An image goes on if the lead of its best class is smaller than this, or if the engines disagree.
    most : int, optional
        How many the budget allows; None: no limit.

    Examples
    --------
    >>> probs = np.array([[0.9, 0.1], [0.55, 0.45], [0.9, 0.1], [0.5, 0.5]])
    >>> who_goes_on(probs, np.array([[0, 0], [0, 0], [0, 1], [0, 0]]), 0.3).tolist()
    [2, 3, 1]
    """
    scores = doubt(probs, votes)
    going = np.flatnonzero((margin(probs) > np.float32(1 - below_margin)) | (disagreement(votes) > 0))
    ordered = np.asarray(going[np.lexsort((going, -scores[going]))], np.int64)
    return ordered if most is None else ordered[: max(most, 0)]


def named(
    probs: NDArray[np.floating], answers: NDArray[np.integer] | None = None, known: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """The class that an engine named for each of N images: its answer, else the likeliest class, else `MISSING`.

    Parameters
    ----------
    probs : (N, K) array
        NaN rows: no probabilities.
    answers : (N,) int array, optional
        The code of the named class, `MISSING` where there is none.
    known : (N,) bool array, optional
        Where it gave any output; elsewhere it named nothing.

    Examples
    --------
    >>> named(np.array([[0.2, 0.8], [0.2, 0.8], [np.nan, np.nan]]), np.array([0, -1, -1])).tolist()
    [0, 1, -1]
    """
    has_probs = np.isfinite(probs).all(axis=1)
    likeliest = np.where(has_probs, np.nan_to_num(probs).argmax(axis=1), MISSING)
    said = likeliest if answers is None else np.where(answers != MISSING, answers, likeliest)
    return np.asarray(said if known is None else np.where(known, said, MISSING), np.int64)


def affordable(price_micro: float, left_micro: int) -> int | None:
    """How many images the rest of the budget allows; None where an image costs nothing.

    >>> affordable(300.0, 1_000), affordable(0.0, 0)
    (3, None)
    """
    return None if price_micro <= 0 else int(left_micro // price_micro)
