"""The random arm: what as many random labels would have given, from the random stream by cross-validation.

In: a recipe, and the truth of N images of the random stream in their order, near-duplicates sharing a group. Out: the
accuracy that random labels reach, how many answers the project's own choice saves, and whether that choice pays.
Invariant: no image is predicted by a classifier that was fitted on its group, and nothing is fitted again for an
interval: a bootstrap that fits again knows each drawn image twice (it gave .769 for .850).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from labeling.errors import Invalid
from labeling.estimates import Estimate
from labeling.loading import loading
from labeling.quality.labels.label_errors import folds_of
from labeling.quality.metrics import padded_interval, share

__all__ = [
    "LEAST_IMAGES",
    "Arm",
    "Fit",
    "Needed",
    "Payoff",
    "Savings",
    "at_labels",
    "monotone",
    "pays",
    "random_arm",
    "random_labels_for",
    "savings",
]

LEAST_IMAGES = 40
"""Under so many images of the stream nothing is said of the arm."""
FOLDS, DRAWS = 10, 400
MOST_PARTITIONS, LEAST_PARTITIONS, PREDICTIONS = 20, 5, 6_000
"""Images are dealt to folds 20 times, more than 300 of them less often: their share varies less from deal to deal."""
MOST_DIGITS = 7
"""A fitted curve that asks for more than ten million labels says nothing."""

Rows = NDArray[np.int64]
Fit = Callable[[Rows], Callable[[Rows], NDArray[np.integer]]]
"""Fits the project's recipe on these images of the stream, and gives what names a class for others: (M,)."""


@dataclass(frozen=True, slots=True)
class Arm:
    """What `labels` random labels give: `right` (N,) is how often each image was right over all partitions, 0 to 1.

    `accuracy` is None under 40 images: not yet known.
    """

    labels: int
    right: NDArray[np.float64]
    accuracy: Estimate | None


@dataclass(frozen=True, slots=True)
class Savings:
    """Random labels for each chosen one at the same accuracy: 2 means half as many answers. `upper` may be infinite,
    where the project's smallest version is already as good."""

    ratio: float
    lower: float
    upper: float
    n: int


@dataclass(frozen=True, slots=True)
class Needed:
    """How many random labels reach an accuracy; `extrapolated` beyond those that there are: a dashed line."""

    labels: float
    extrapolated: bool


class Payoff(StrEnum):
    """Whether the strategy is better than random at as many labels."""

    PAYS = "pays"
    DOES_NOT = "does not pay"
    UNKNOWN = "not yet known"


def random_arm(
    fit: Fit,
    truth: NDArray[np.integer],
    groups: NDArray[np.integer],
    rng: np.random.Generator,
    *,
    labels: int | None = None,
    partitions: int | None = None,
    collection: int | None = None,
) -> Arm:
    """The accuracy of a recipe on stream labels alone, by ten folds of groups in each of several partitions.

    Parameters
    ----------
    fit : callable
        The recipe; it must be the champion's.
    truth, groups : (N,) int
        The stream in its order; `MISSING` is an error of every classifier and is never fitted on.
    rng : numpy.random.Generator
        Deals the groups to the folds.
    labels : int, optional
        Only the first so many images of the stream are fitted on, for a point of a curve; all are predicted.
    partitions : int, optional
        How often the groups are dealt anew; 20 times up to 300 images, fewer for more.
    collection : int, optional
        How many groups the stream is a sample of; the more of them it holds, the narrower the interval.

    Returns
    -------
    Arm
        Of `labels` (1 - 1/10) random labels. Its interval covers the accuracy on the collection: the outcomes of
        groups, at least as wide as the exact one of as many outcomes of right or wrong (outcomes that are means over
        partitions differ less than the sample that all were fitted on), and the spread over the partitions.
    """
    n = len(truth)
    if partitions is None:
        partitions = min(max(PREDICTIONS // max(n, 1), LEAST_PARTITIONS), MOST_PARTITIONS)
    first = n if labels is None else min(labels, n)
    taught = (np.arange(n) < first) & (truth >= 0)
    right = np.array([_partition(fit, truth, groups, taught, rng) for _ in range(partitions)])  # (P, N)
    mean = right.mean(axis=0) if n else np.zeros(0)
    stands_for = round(int(taught.sum()) * (1 - 1 / FOLDS))
    if len(np.unique(groups)) < LEAST_IMAGES:
        return Arm(stands_for, mean, None)
    value, apart = float(mean.mean()), len(np.unique(groups))
    exact = share(round(value * apart), apart)
    lower, upper = padded_interval(mean, groups, (1, 1, 0, 0))
    below, above = max(value - lower, exact.value - exact.lower), max(upper - value, exact.upper - exact.value)
    left_out = 1.0 if collection is None else math.sqrt(max(0.0, 1 - apart / max(collection, 1)))
    spread = 1.96 * float(right.mean(axis=1).std(ddof=1)) if partitions > 1 else 0.0
    ends = max(0.0, value - np.hypot(left_out * below, spread)), min(1.0, value + np.hypot(left_out * above, spread))
    return Arm(stands_for, mean, Estimate(value, float(ends[0]), float(ends[1]), n))


def monotone(accuracies: NDArray[np.floating]) -> NDArray[np.float64]:
    """Accuracies (V,) that never fall from one version to the next larger one, as near to these as can be.

    The first version that crosses a line is the luckiest one, so a curve is fitted before it is read.

    >>> monotone(np.array([0.5, 0.8, 0.7])).round(2).tolist()
    [0.5, 0.75, 0.75]
    """
    with loading:
        from sklearn.isotonic import isotonic_regression  # a second to load, for who has versions

    return np.asarray(isotonic_regression(np.asarray(accuracies, np.float64)), np.float64)


def at_labels(chosen: NDArray[np.integer], right: NDArray[np.floating], labels: float) -> NDArray[np.float64]:
    """The outcomes (N,) that the project's own versions would have at so many chosen labels, between two of them.

    Parameters
    ----------
    chosen : (V,) int
        How many chosen labels each version learnt from, rising.
    right : (V, N)
        Whether each version was right on each image of the stream.
    labels : float
        Beyond the first and the last version theirs hold.

    Examples
    --------
    >>> at_labels(np.array([10, 20]), np.array([[0, 0], [0, 1]]), 15).tolist()
    [0.0, 0.5]
    """
    return np.array([np.interp(labels, chosen, some) for some in np.asarray(right, float).T])


def savings(
    arm: Arm,
    chosen: NDArray[np.integer],
    right: NDArray[np.floating],
    groups: NDArray[np.integer],
    rng: np.random.Generator,
) -> Savings | None:
    """The arm's labels divided by the chosen ones whose version is as accurate on the same images.

    Groups are drawn with replacement, with their outcomes in the arm and in every version; nothing is fitted again but
    the monotone curve.

    Parameters
    ----------
    arm : Arm
        Of the same N images.
    chosen, right : (V,) and (V, N)
        As for `at_labels`.
    groups : (N,) int
        Near-duplicates share a group.
    rng : numpy.random.Generator
        Draws the groups.

    Returns
    -------
    Savings or None
        None, not yet known: under 40 images, without a version, or where no version is as accurate as the arm.

    Raises
    ------
    Invalid
        Where the outcomes are of other images.
    """
    if not len(arm.right) == len(groups) == np.shape(right)[1]:
        raise Invalid(f"Outcomes of {len(arm.right)} and {np.shape(right)[1]} images cannot be compared.")
    if arm.accuracy is None or not len(chosen):
        return None
    outcomes = np.vstack([arm.right, np.asarray(right, float)])  # (1 + V, N)
    ratio = _ratio(arm.labels, chosen, outcomes.mean(axis=1))
    if ratio == 0:
        return None
    _, of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    sums = np.array([np.bincount(of, weights=some) for some in outcomes])  # (1 + V, G)
    times = rng.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=DRAWS)  # (B, G)
    drawn = (times @ sums.T) / (times @ sizes)[:, None]  # (B, 1 + V)
    ratios = np.array([_ratio(arm.labels, chosen, some) for some in drawn])
    lower, upper = np.quantile(ratios, [0.025, 0.975], method="nearest")
    at_first = arm.labels / int(chosen[0])
    upper = np.inf if upper >= at_first else upper
    return Savings(ratio, float(min(lower, ratio)), float(max(upper, ratio)), len(groups))


def random_labels_for(arms: Sequence[Arm], accuracy: float) -> Needed | None:
    """How many random labels reach an accuracy in [0, 1), by the arms of one stream at several sizes.

    Within their sizes the monotone curve is read; beyond them a power law of the error, fitted to them, and flagged.
    None with fewer than two arms that are known, or where the error hardly falls.

    Examples
    --------
    >>> arms = [Arm(m, np.zeros(0), Estimate(1 - m**-0.5, 0, 1, 99)) for m in (25, 100)]
    >>> random_labels_for(arms, 0.9), random_labels_for(arms, 0.95).extrapolated
    (Needed(labels=100.0, extrapolated=False), True)
    """
    known = sorted((one.labels, one.accuracy.value) for one in arms if one.accuracy is not None)
    if len(known) < 2:
        return None
    sizes, values = (np.array(part) for part in zip(*known, strict=True))
    curve = monotone(values)
    if accuracy <= curve[-1]:
        return Needed(_first_at(sizes, curve, accuracy), extrapolated=False)
    if curve[-1] <= curve[0]:
        return None
    slope, start = np.polyfit(np.log(sizes), np.log(np.maximum(1 - curve, 1e-6)), 1)
    digits = (np.log(1 - accuracy) - start) / slope / np.log(10)
    return Needed(float(10**digits), extrapolated=True) if digits <= MOST_DIGITS else None


def pays(ours: NDArray[np.floating], arm: Arm, groups: NDArray[np.integer]) -> tuple[Payoff, Estimate | None]:
    """Whether the project's choice is better than random at as many labels, and the difference with its interval.

    Only a planned comparison may act on it, and what it decides counts as a version that the stream helped to choose.

    Parameters
    ----------
    ours : (N,) float
        `at_labels` at the arm's labels.
    arm : Arm
        Of the same N images.
    groups : (N,) int
        Near-duplicates share a group.
    """
    if arm.accuracy is None:
        return Payoff.UNKNOWN, None
    gained = np.asarray(ours, float) - arm.right
    value, (lower, upper) = float(gained.mean()), padded_interval(gained, groups, (1, -1))
    payoff = Payoff.PAYS if lower > 0 else Payoff.DOES_NOT if upper < 0 else Payoff.UNKNOWN
    return payoff, Estimate(value, lower, upper, len(gained))


def _partition(
    fit: Fit,
    truth: NDArray[np.integer],
    groups: NDArray[np.integer],
    taught: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Whether each image (N,) was right in its fold; nothing is where two classes are not left to learn from."""
    right = np.zeros(len(truth), bool)
    fold = folds_of(np.asarray(groups, np.int64), np.ones(len(truth), bool), rng, FOLDS)
    for one in np.unique(fold):
        inside, outside = np.flatnonzero(fold == one), np.flatnonzero((fold != one) & taught)
        if len(np.unique(truth[outside])) >= 2:
            right[inside] = fit(outside)(inside) == truth[inside]
    return right


def _ratio(labels: int, chosen: NDArray[np.integer], accuracies: NDArray[np.float64]) -> float:
    """The arm's labels over the chosen ones that are as accurate; 0 where none are. `accuracies`: the arm's first."""
    needed = _first_at(chosen, monotone(accuracies[1:]), float(accuracies[0]))
    return labels / needed if np.isfinite(needed) else 0.0


def _first_at(labels: NDArray[np.integer], curve: NDArray[np.float64], accuracy: float) -> float:
    """The number of labels at which a rising curve reaches an accuracy; infinite where it does not."""
    at = int(np.searchsorted(curve, accuracy - 1e-12))
    if at == len(curve):
        return float("inf")
    if at == 0:
        return float(labels[0])
    share = (accuracy - curve[at - 1]) / (curve[at] - curve[at - 1])
    return float(labels[at - 1] + share * (labels[at] - labels[at - 1]))
