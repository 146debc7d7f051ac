"""The accept rule beside the score: which images of a set are not accepted, however sure the version is.

In: facts that an image has whether or not the random stream asked about it: vectors, what an engine said, what the
version says of near-duplicates. Out: for each image whether a reason excludes it. Invariant: no certifying answer is
read, nor whether an image was sampled, so an excluded image may be put last in the order of the set.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from labeling.certify.dry_run import LEAST_LABELS, right_chances
from labeling.slices import slices
from labeling.vectors import Rows, unit

__all__ = [
    "COMMON",
    "Exclusion",
    "conflicts",
    "farthest_usual",
    "in_contradiction",
    "nearest_training",
    "outliers",
    "rare_issues",
]

COMMON = 0.1
"""Checks that more than so many images fail speak of the kind of pictures, and of none of them alone."""
NUMBERS_AT_ONCE = 2**22
Flags = NDArray[np.bool_]
Values = NDArray[np.float64]
Ids = NDArray[np.int64]


class Exclusion(StrEnum):
    """Why an image is not accepted, as it is stored and shown."""

    UNKNOWN = "it has no vector or no prediction"
    OUTLIER = "it is unlike all training images"
    CONFLICT = "the engine is sure of another class"
    PICTURE = "its picture may be broken"
    FLAG = "an engine's answer about it has a flag"
    TWIN = "a near-duplicate has another class"


def nearest_training(
    vectors: Rows, training: NDArray[np.floating], groups: Ids, own: Ids | None = None
) -> tuple[Values, Ids]:
    """The distance of each image to the nearest training image, and which that is.

    Parameters
    ----------
    vectors : (N, D)
        Some are read at a time.
    training : (T, D) array
        Rows that are not finite are nobody's nearest.
    groups : (T,) int array
        Near-duplicate groups of the training images.
    own : (N,) int array, optional
        Groups of the images themselves: a training image of the own group does not count.

    Returns
    -------
    distances : (N,) array
        1 - cos, in [0, 2]; lower is nearer. NaN where a vector is not finite, or no training image counts.
    which : (N,) int array
        Rows of `training`; -1 where the distance is NaN.

    Examples
    --------
    >>> training = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> distances, which = nearest_training(np.array([[2.0, 0.0], [1.0, 1.0]]), training, np.array([1, 2]))
    >>> distances.round(3).tolist(), which.tolist()
    ([0.0, 0.293], [0, 0])
    """
    known = np.flatnonzero(np.isfinite(training).all(axis=1))
    near = unit(np.asarray(training[known], np.float32))
    distances, which = np.full(len(vectors), np.nan), np.full(len(vectors), -1, np.int64)
    if not len(known):
        return distances, which
    for rows in slices(len(vectors), max(1, NUMBERS_AT_ONCE // len(known))):
        cosines = unit(np.asarray(vectors[rows], np.float32)) @ near.T  # (B, T)
        if own is not None:
            cosines[own[rows][:, None] == groups[known][None, :]] = np.nan
        cosines = np.where(np.isfinite(cosines), cosines, -np.inf)
        best = cosines.argmax(axis=1)
        top = cosines[np.arange(len(best)), best].astype(np.float64)
        counts = np.isfinite(top)
        distances[rows] = np.where(counts, np.clip(1 - top, 0, 2), np.nan)
        which[rows] = np.where(counts, known[best], -1)
    return distances, which


def farthest_usual(distances: Values, rate: float) -> float:
    """The distance above which a share of at most `rate` of images like the training images lies.

    Parameters
    ----------
    distances : (T,) array
        Of each training image to the nearest one of another group; NaN counts as absent.
    rate : float
        In (0, 1).

    Returns
    -------
    float
        Infinite without any distance: nothing is known to be unlike. Of n < 1 / rate - 1 distances the largest one,
        above which a share of at most 1 / (n + 1) lies.

    Notes
    -----
    The rank of a conformal prediction: one more image that is drawn like these is above the k-th smallest of n with a
    chance of at most 1 - k / (n + 1). Source: Vovk, Gammerman and Shafer (2005), "Algorithmic learning in a random
    world"; the distance to the nearest neighbour: Sun and others (2022), "Out-of-distribution detection with deep
    nearest neighbors".

    Examples
    --------
    >>> farthest_usual(np.arange(1.0, 200.0), 0.01)
    198.0
    >>> farthest_usual(np.empty(0), 0.01)
    inf
    """
    known = np.sort(distances[np.isfinite(distances)])
    if not len(known):
        return float("inf")
    rank = min(len(known), int(np.ceil((1 - rate) * (len(known) + 1) - 1e-9)))
    return float(known[rank - 1])


def outliers(distances: Values, usual: float) -> Flags:
    """Which images (N,) lie farther from all training images than is usual; False where the distance is not known.

    >>> outliers(np.array([0.1, 0.3, np.nan]), 0.2).tolist()
    [False, True, False]
    """
    return np.asarray(np.greater(distances, usual, where=np.isfinite(distances), out=np.zeros(len(distances), bool)))


def conflicts(
    said: NDArray[np.floating],
    predicted: Ids,
    training: NDArray[np.floating],
    labels: Ids,
    least: float,
) -> Flags:
    """Of which images an engine is sure that they are of another class than the version predicts, (N,).

    Sure is what training labels say: among training images on which the engine gave its likeliest class so much
    probability it was right with a chance of at least `least`. An engine that is often wrong is never sure.

    Parameters
    ----------
    said, training : (N, K) and (T, K) arrays
        Its probabilities for the images, and for training images; NaN where it gave none.
    predicted, labels : (N,) and (T,) int arrays
        The version's classes, and the labels of the training images.
    least : float
        In (0, 1].

    Returns
    -------
    array
        All False with fewer than 30 training images that it gave probabilities for.

    Examples
    --------
    >>> training, labels = np.tile([[0.9, 0.1]], (40, 1)), np.zeros(40, int)
    >>> said = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]])
    >>> conflicts(said, np.array([0, 1, 1]), training, labels, 0.9).tolist()
    [False, True, False]
    """
    gave, known = np.isfinite(said).all(axis=1), np.isfinite(training).all(axis=1)
    found = np.zeros(len(said), bool)
    if np.count_nonzero(known) < LEAST_LABELS or not gave.any():
        return found
    right = training[known].argmax(axis=1) == labels[known]
    chances = right_chances(said[gave].max(axis=1), np.asarray(training[known].max(axis=1), np.float64), right)
    found[gave] = (chances >= least) & (said[gave].argmax(axis=1) != predicted[gave])
    return found


def in_contradiction(groups: Ids, predicted: Ids) -> Flags:
    """Which images (N,) are of a near-duplicate group of which the version says different classes.

    >>> in_contradiction(np.array([1, 1, 2, 2]), np.array([0, 1, 1, 1])).tolist()
    [True, True, False, False]
    """
    if not len(groups):
        return np.zeros(0, bool)
    _, at = np.unique(groups, return_inverse=True)
    lowest, highest = np.full(at.max() + 1, np.iinfo(np.int64).max), np.full(at.max() + 1, -1)
    np.minimum.at(lowest, at, predicted)
    np.maximum.at(highest, at, predicted)
    return np.asarray((lowest < highest)[at])


def rare_issues(failed: Flags) -> Flags:
    """Which images (N,) fail a check of their picture that few fail, from (N, C): whether each fails each check.

    The rarest checks count first, as long as all that count find no more than `COMMON` of the images between them: five
    that each find a fifteenth speak of the kind of pictures too.

    >>> rare_issues(np.array([[True, True]] + [[True, False]] * 19)).tolist()[:2]
    [True, False]
    """
    found: Flags = np.zeros(len(failed), bool)
    for check in np.argsort(failed.sum(axis=0), kind="stable").tolist():
        wider = found | failed[:, check]
        if np.count_nonzero(wider) > COMMON * len(failed):
            break
        found = wider
    return found
