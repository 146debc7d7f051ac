"""Measures of how good answers are: arrays of classes in, estimates with intervals out.

Classes are positions in the label set; a truth of `MISSING` is "none of these", which no classifier can say, so it
counts as an error. One image per group is the caller's care; where groups repeat, resample groups (`bootstrap`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, ndtri

from labeling.answers import MISSING
from labeling.estimates import Estimate

__all__ = [
    "BINS_OF_ERROR",
    "Bin",
    "accuracy",
    "bootstrap",
    "clopper_pearson",
    "confusion",
    "expected_calibration_error",
    "macro_f1",
    "padded_interval",
    "reliability",
    "share",
]

BINS = 10
"""Of a reliability diagram, over (0, 1]."""
BINS_OF_ERROR = 15
"""Of the calibration error, over (0, 1]."""
Classes = npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Bin:
    """A bin of images with similar confidence: the mean confidence, and the share of correct answers."""

    confidence: float
    right: Estimate


def clopper_pearson(successes: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval of a share: two-sided, in [0, 1], covers at least as often as it says; (0, 1) when n is 0.

    Notes
    -----
    Source: Clopper and Pearson (1934), "The use of confidence or fiducial limits illustrated in the case of the
    binomial". Wilson's interval is at most a tenth narrower, and near 0 and 1 it covers .84.

    Examples
    --------
    >>> [round(bound, 3) for bound in clopper_pearson(8, 10)]
    [0.444, 0.975]
    """
    tail = (1 - confidence) / 2
    lower = float(betaincinv(successes, n - successes + 1, tail)) if successes else 0.0
    return lower, float(betaincinv(successes + 1, n - successes, 1 - tail)) if successes < n else 1.0


def share(successes: int, n: int) -> Estimate:
    """A share with its exact interval; of nothing it is 0 in (0, 1).

    Examples
    --------
    >>> share(3, 4).value
    0.75
    """
    return Estimate(successes / n if n else 0.0, *clopper_pearson(successes, n), n)


def accuracy(predicted: Classes, truth: Classes) -> Estimate:
    """The share of images whose predicted class is the true one, with its exact interval.

    `MISSING` is never right: an abstention on an image without a class is an error too.

    Examples
    --------
    >>> accuracy(np.array([0, 1, 1, 0]), np.array([0, 1, 0, MISSING])).value
    0.5
    """
    return share(int(((predicted == truth) & (truth != MISSING)).sum()), len(truth))


def bootstrap(
    statistic: Callable[[npt.NDArray[np.int64]], float],
    groups: npt.NDArray[np.integer],
    rng: np.random.Generator,
    *,
    draws: int = 1_000,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """The percentile interval of any statistic, drawing whole groups with replacement.

    Parameters
    ----------
    statistic : callable
        From positions (with repeats) to a number.
    groups : (N,) array
        The group of each position; N >= 1.
    rng : numpy.random.Generator
        The only source of chance.
    draws : int
        How many resamples.
    confidence : float
        Two-sided.

    Examples
    --------
    >>> right = np.array([1, 1, 1, 1])
    >>> bootstrap(lambda at: right[at].mean(), np.arange(4), np.random.default_rng(0))
    (1.0, 1.0)
    """
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=groups[order[0]] - 1))
    sizes = np.diff(starts, append=len(order))  # (G,)

    def drawn() -> npt.NDArray[np.int64]:
        """The positions of G groups that were drawn, group after group."""
        chosen = rng.integers(len(starts), size=len(starts))
        before = np.cumsum(sizes[chosen]) - sizes[chosen]  # positions of the groups drawn before
        shift = np.repeat(starts[chosen] - before, sizes[chosen])
        return np.asarray(order[np.arange(len(shift)) + shift], np.int64)

    values = [statistic(drawn()) for _ in range(draws)]
    lower, upper = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(lower), float(upper)


def padded_interval(
    values: npt.NDArray[np.floating], groups: npt.NDArray[np.integer], pads: Sequence[float]
) -> tuple[float, float]:
    """The 95 % interval of a mean over images (N,), as if there were some groups more: the pads.

    A bootstrap has no width where all values are alike, and covers .6 to .9 where few differ.

    Parameters
    ----------
    values : (N,) float
        In the range of the pads: outcomes in [0, 1], or paired differences in [-1, 1].
    groups : (N,) int
        Near-duplicates share a group and count as one.
    pads : sequence of float
        (1, 1, 0, 0) for a share, after Agresti and Coull (1998); (1, -1) for a difference of pairs, after Bonett and
        Price (2012).

    Examples
    --------
    >>> [round(end, 3) for end in padded_interval(np.ones(40), np.arange(40), (1, 1, 0, 0))]
    [0.893, 1.0]
    """
    _, of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    sums = np.bincount(of, weights=values) / sizes.mean()  # (G,) what each group adds to G times the mean
    padded = np.concatenate([sums, pads])
    half, mean = float(ndtri(0.975)) * padded.std() / math.sqrt(len(padded)), float(np.mean(values))
    lower, upper = padded.mean() - half, padded.mean() + half
    return max(float(min(pads)), min(mean, float(lower))), min(float(max(pads)), max(mean, float(upper)))


def macro_f1(answers: Classes, truth: Classes, classes: int) -> float:
    """The mean F1 over the classes that occur, in the truth or among the answers; 0 when none does.

    "None of these" (the code `classes`) and abstentions (`MISSING`) are no classes: as an answer they cost recall where
    a class was true, and nothing else.

    Examples
    --------
    >>> macro_f1(np.array([0, 0, 1]), np.array([0, 0, 1]), 3)
    1.0
    >>> macro_f1(np.array([0, 0, MISSING]), np.array([0, 0, 1]), 2)
    0.5
    """
    matrix = confusion(np.where(answers == MISSING, classes, answers), truth, classes + 1)  # (K + 2, K + 1)
    right = np.diag(matrix)[:classes].astype(float)
    occurring = matrix[:classes].sum(axis=1) + matrix[:, :classes].sum(axis=0)  # (K,) 2 TP + FP + FN
    present = occurring > 0
    return float(np.mean(2 * right[present] / occurring[present])) if present.any() else 0.0


def confusion(predicted: Classes, truth: Classes, classes: int) -> npt.NDArray[np.int64]:
    """Count (truth, prediction) pairs: (K + 1, K), rows are the truth, the last row is "none of these".

    Examples
    --------
    >>> confusion(np.array([0, 1, 1]), np.array([0, 0, MISSING]), 2).tolist()
    [[1, 1], [0, 0], [0, 1]]
    """
    matrix = np.zeros((classes + 1, classes), dtype=np.int64)
    np.add.at(matrix, (np.where(truth == MISSING, classes, truth), predicted), 1)
    return matrix


def expected_calibration_error(probs: npt.NDArray[np.floating], truth: Classes, bins: int = BINS_OF_ERROR) -> float:
    """The difference between confidence and accuracy, on average over bins of equal width; 0 is best.

    Parameters
    ----------
    probs : (N, K) array
        Probabilities that sum to 1.
    truth : (N,) array
        True classes, `MISSING` for "none of these".
    bins : int
        Bins of the best class's probability over (0, 1].

    Notes
    -----
    Source: Guo et al. (2017), "On Calibration of Modern Neural Networks", arXiv:1706.04599.

    Examples
    --------
    >>> expected_calibration_error(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1])).__round__(3)
    0.4
    """
    if len(probs) == 0:
        return 0.0
    confidence = np.asarray(probs.max(axis=1), dtype=float)
    right = probs.argmax(axis=1) == truth
    which = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(which, weights=confidence - right, minlength=bins)  # (bins,) sum of the differences
    return float(np.abs(gaps).sum() / len(probs))


def reliability(confidence: npt.NDArray[np.floating], right: npt.NDArray[np.bool_]) -> list[Bin]:
    """Confidence against how often it was right, over ten bins of equal width; empty bins are left out.

    Parameters
    ----------
    confidence : (N,) array
        The probability of the class that was named, in [0, 1].
    right : (N,) array
        Whether that class was true.

    Examples
    --------
    >>> [(one.confidence, one.right.value) for one in reliability(np.array([0.2, 0.95, 0.95]), np.array([0, 1, 0]))]
    [(0.2, 0.0), (0.95, 0.5)]
    """
    which = np.clip(np.ceil(np.asarray(confidence) * BINS).astype(int) - 1, 0, BINS - 1)
    inside = [which == one for one in np.unique(which)]
    return [Bin(float(np.mean(confidence[at])), share(int(np.sum(right[at])), int(at.sum()))) for at in inside]
