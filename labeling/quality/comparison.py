"""Figures that compare engines on the same images: their answers, or probabilities and the truth in, figures out.

Answers are codes of `labeling.answers`. The caller gives one image a group.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labeling.estimates import Estimate
from labeling.quality.metrics import BINS_OF_ERROR, expected_calibration_error

__all__ = ["calibration_error", "kappa"]

DRAWS = 400
SMALLEST = 1e-9

Classes = npt.NDArray[np.integer]


def calibration_error(
    probs: npt.NDArray[np.floating], truth: Classes, groups: npt.NDArray[np.integer], rng: np.random.Generator
) -> Estimate:
    """The expected calibration error minus its floor, with an interval that covers the true one; 0 is best.

    A perfectly calibrated predictor seems to err by .17 on 30 images and by .10 on 100: that is the floor, the mean
    error of as many images whose answers are drawn as the probabilities say. Chance adds less where the error is real,
    so the floor is taken off in full at the floor and by its square over the error above it. Where mean confidence and
    accuracy differ by more than two standard errors the value is at least that difference, less its own noise: of what
    leans one way in all bins chance adds little (classifiers of 150 labels, unsure and right, were shown .66 of a
    half-width too good). Replayed, the mean is off by a quarter of the half-width, against .5 where the floor is always
    taken off in full. The lower end takes off what chance adds in 39 of 40 draws; the upper end adds a normal
    half-width, for chance takes nothing off on average.

    Parameters
    ----------
    probs : (N, K) array
        Probabilities that sum to 1.
    truth : (N,) array
        True classes, `MISSING` for "none of these".
    groups : (N,) array
        Near-duplicates share a group; the first image of each counts.
    rng : numpy.random.Generator
        The only source of chance.

    Examples
    --------
    >>> sure = np.tile([0.9, 0.1], (50, 1))
    >>> estimate = calibration_error(sure, np.zeros(50, int), np.arange(50), np.random.default_rng(0))
    >>> round(estimate.value, 2), estimate.n
    (0.1, 50)
    """
    if not len(truth):
        return Estimate(0.0, 0.0, 1.0, 0)
    first = np.unique(groups, return_index=True)[1]
    error = expected_calibration_error(probs[first], truth[first])
    confidence = np.asarray(probs[first].max(axis=1), np.float64)
    right = probs[first].argmax(axis=1) == truth[first]
    smoothed = _smoothed(confidence, right)
    as_stated, as_measured = _errors_by_chance(confidence, rng), _errors_by_chance(smoothed, rng, like=confidence)
    value = max(0.0, error - float(as_stated.mean()) ** 2 / max(error, SMALLEST), _leaning(confidence, right, smoothed))
    lower = max(0.0, error - max(float(np.quantile(drawn, 0.975)) for drawn in (as_stated, as_measured)))
    upper = error + 1.96 * float(np.sqrt((smoothed * (1 - smoothed)).sum())) / len(first)
    return Estimate(value, min(lower, value), min(1.0, upper), len(first))


def kappa(first: Classes, second: Classes) -> float | None:
    """Cohen's kappa: agreement beyond chance; 1 is perfect, 0 is chance. None where chance alone would agree always.

    Source: Cohen (1960), "A coefficient of agreement for nominal scales".

    Examples
    --------
    >>> kappa(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0]))
    0.5
    """
    if not len(first):
        return None
    values = np.unique(np.concatenate([first, second]))
    by_chance = float(sum((first == value).mean() * (second == value).mean() for value in values))
    agreed = float((first == second).mean())
    return None if by_chance == 1.0 else (agreed - by_chance) / (1 - by_chance)


def _bins_of(confidence: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return np.clip(np.ceil(confidence * BINS_OF_ERROR).astype(int) - 1, 0, BINS_OF_ERROR - 1)


def _smoothed(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """The share of right answers in the bin of each image (N,), as if one more were as right as is stated."""
    which = _bins_of(confidence)
    n, hits, stated = (np.bincount(which, weights=some, minlength=BINS_OF_ERROR) for some in (None, right, confidence))
    return np.asarray(((hits + stated / np.maximum(n, 1)) / (n + 1))[which], np.float64)


def _leaning(
    confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], smoothed: npt.NDArray[np.float64]
) -> float:
    """Mean confidence minus accuracy without its noise, in absolute terms; 0 where chance may explain it."""
    gap = float((confidence - right).mean()) ** 2
    by_chance, noise = (float((p * (1 - p)).sum()) / len(p) ** 2 for p in (confidence, smoothed))
    return float(np.sqrt(max(0.0, gap - noise))) if gap > 4 * by_chance else 0.0


def _errors_by_chance(
    chances: npt.NDArray[np.float64], rng: np.random.Generator, like: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.float64]:
    """Calibration errors (draws,) of images that are right with these chances, which are what is stated of them.

    `like` (N,) gives the bins where those are not the chances' own.
    """
    which = _bins_of(chances if like is None else like)
    errors = np.empty(DRAWS)
    for draw in range(DRAWS):
        gaps = chances - (rng.random(len(chances)) < chances)
        errors[draw] = np.abs(np.bincount(which, weights=gaps, minlength=BINS_OF_ERROR)).sum() / len(chances)
    return errors
