"""Figures that compare engines on the same images: their answers, or probabilities and the truth in, figures out.

Answers are codes of `labeling.answers`. The caller gives one image a group.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labeling.estimates import Estimate
from labeling.quality.metrics import bootstrap, expected_calibration_error

__all__ = ["calibration_error", "kappa"]

DRAWS = 400

Classes = npt.NDArray[np.integer]


def calibration_error(
    probs: npt.NDArray[np.floating], truth: Classes, groups: npt.NDArray[np.integer], rng: np.random.Generator
) -> Estimate:
    """The expected calibration error with a 95 % interval by bootstrap over groups; 0 is best.

    Resampling adds noise of its own to a figure that cannot fall under 0, so the interval lies rather high.

    Examples
    --------
    >>> sure = np.tile([0.9, 0.1], (50, 1))
    >>> estimate = calibration_error(sure, np.zeros(50, int), np.arange(50), np.random.default_rng(0))
    >>> round(estimate.value, 3), estimate.n
    (0.1, 50)
    """
    if not len(truth):
        return Estimate(0.0, 0.0, 1.0, 0)
    value = expected_calibration_error(probs, truth)
    lower, upper = bootstrap(lambda at: expected_calibration_error(probs[at], truth[at]), groups, rng, draws=DRAWS)
    return Estimate(value, min(lower, value), max(upper, value), len(truth))


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
