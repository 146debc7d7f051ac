"""The order in which images are accepted: how sure the classifier is, and how much its neighbours agree.

In: logits before any calibration, vectors of the pool and of training images. Out: scores (N,), higher is surer.
Nothing is fitted and no certifying label is read; a neighbour is always a training image. Invariant: an image without a
finite vector or logit comes last, as -inf.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from labeling.slices import slices
from labeling.vectors import Rows, unit

__all__ = ["Scale", "neighbour_support", "scale_of", "scores", "surest_first", "top_logits"]

NEIGHBOURS = 10
SHARPNESS = 8.0
"""exp(8 cos): with the ten nearest, certified coverage went from .43 to .79 on MNIST with 300 labels."""
NUMBERS_AT_ONCE = 2**22
"""Similarities in memory at a time: 16 MB, whatever the pool or the training set."""
EQUAL = 1e-6
"""Similarities, and spreads, that differ by rounding only."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and spread of both parts over the pool: kept with a certificate, so a later image gets the same score."""

    logit: float
    logit_spread: float
    support: float
    support_spread: float


def top_logits(logits: NDArray[np.floating]) -> Values:
    """ln(p / (1 - p)) of the likeliest class, (N,), from logits (N, K), K >= 2: exact where p is 1 in floating point.

    Examples
    --------
    >>> top_logits(np.array([[0.0, 0.0], [100.0, 0.0]])).tolist()
    [0.0, 100.0]
    """
    top = np.empty(len(logits))
    for rows in slices(len(logits), max(1, NUMBERS_AT_ONCE // logits.shape[1])):
        some = np.sort(np.asarray(logits[rows], np.float64), axis=1)
        with np.errstate(invalid="ignore"):
            top[rows] = some[:, -1] - logsumexp(some[:, :-1], axis=1)
    return top


def neighbour_support(
    vectors: Rows, predicted: NDArray[np.integer], training: NDArray[np.floating], labels: NDArray[np.integer]
) -> Values:
    """How much of the weight of the ten nearest training images has the predicted class, (N,) in [0, 1].

    An image at cosine c weighs exp(8 c). Those as near as the tenth share the places that are left, so neither their
    order nor rounding decides.

    Parameters
    ----------
    vectors : (N, D)
        Of the pool; some are read at a time.
    predicted : (N,) int array
        The class of the largest logit.
    training, labels : (T, D) and (T,) arrays
        Training images only; rows that are not finite are left out.

    Returns
    -------
    array
        NaN for a vector that is not finite, and for all where there is no training image.

    Examples
    --------
    >>> training, labels = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 1])
    >>> neighbour_support(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([0, 0]), training, labels).round(3).tolist()
    [1.0, 0.5]
    """
    finite = np.isfinite(training).all(axis=1)
    near, classes = unit(np.asarray(training[finite], np.float32)), np.asarray(labels)[finite]
    support = np.full(len(vectors), np.nan)
    if not len(near):
        return support
    for rows in slices(len(vectors), max(1, NUMBERS_AT_ONCE // len(near))):
        some = unit(np.asarray(vectors[rows], np.float32))  # (B, D)
        usable = np.isfinite(some).all(axis=1)
        part = np.full(len(some), np.nan)
        part[usable] = _support(some[usable] @ near.T, predicted[rows][usable], classes)
        support[rows] = part
    return support


def scale_of(logits: Values, support: Values) -> Scale:
    """The scale of a pool, from the rows in which both parts (N,) are finite; of nothing it is that of no spread."""
    usable = np.isfinite(logits) & np.isfinite(support)
    if not usable.any():
        return Scale(0.0, 0.0, 0.0, 0.0)
    first, second = logits[usable], support[usable]
    return Scale(float(first.mean()), float(first.std()), float(second.mean()), float(second.std()))


def scores(logits: Values, support: Values, scale: Scale) -> Values:
    """z(logit) + z(support), (N,): higher is surer, -inf where one is not finite. A part without spread adds nothing.

    Examples
    --------
    >>> logits, support = np.array([0.0, 2.0, np.nan]), np.array([0.5, 0.5, 0.5])
    >>> scores(logits, support, scale_of(logits, support)).tolist()
    [-1.0, 1.0, -inf]
    """
    total = _z(logits, scale.logit, scale.logit_spread) + _z(support, scale.support, scale.support_spread)
    return np.where(np.isfinite(logits) & np.isfinite(support), total, -np.inf)


def surest_first(values: Values) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The order (N,) of scores, and the ranks at which the set may be cut: only where the score falls.

    Images with a score of -inf come last and lie below every such rank: they are never accepted.

    Examples
    --------
    >>> order, ends = surest_first(np.array([0.5, -np.inf, 0.9, 0.5]))
    >>> order.tolist(), ends.tolist()
    ([2, 0, 3, 1], [1, 3])
    """
    order = np.argsort(-values, kind="stable")
    ranked = values[order]
    falls = np.append(ranked[1:] < ranked[:-1], True) if len(ranked) else np.empty(0, bool)
    return order, np.flatnonzero(falls & (ranked > -np.inf)) + 1


def _support(similarity: NDArray[np.float32], predicted: NDArray[np.integer], labels: NDArray[np.integer]) -> Values:
    """(B, T) cosines in, (B,) out."""
    if not len(similarity):
        return np.empty(0)
    places = min(NEIGHBOURS, similarity.shape[1])
    last = np.partition(similarity, -places, axis=1)[:, -places]  # (B,) the tenth nearest
    row, column = np.nonzero(similarity >= last[:, None] - EQUAL)
    cosines = similarity[row, column].astype(np.float64)
    nearer = cosines > last[row] + EQUAL
    surely = np.bincount(row[nearer], minlength=len(last))
    tied = np.bincount(row[~nearer], minlength=len(last))
    shared = (places - surely) / tied
    weight = np.exp(SHARPNESS * cosines) * np.where(nearer, 1.0, shared[row])
    agree = np.where(labels[column] == predicted[row], weight, 0.0)
    return np.asarray(
        np.bincount(row, agree, minlength=len(last)) / np.bincount(row, weight, minlength=len(last)), np.float64
    )


def _z(values: Values, mean: float, spread: float) -> Values:
    if spread <= EQUAL * max(1.0, abs(mean)):
        return np.zeros(len(values))
    with np.errstate(invalid="ignore"):
        return np.asarray((values - mean) / spread, np.float64)
