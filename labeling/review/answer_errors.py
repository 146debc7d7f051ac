"""How often people err, from images that two of them answered because one answer was doubtful.

In: pairs of answers to the same image, and what was predicted of it before. Out: one rate for all people, with an
interval. The second answers were asked for where the first was doubtful, so how often the two differ says too much:
what is weighed is how likely the second answer was *given* the first and the prediction, from which it was chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labeling.estimates import Estimate
from labeling.review.overlap import prior_of

__all__ = ["Pair", "levelled", "usual_error"]

RATES = np.geomspace(0.001, 0.7, 200)
"""The rates that are weighed, evenly by their logarithm."""
PRIOR = 1.0, 9.0
"""Beforehand as much as one error in ten answers says, as for a single annotator (`overlap.error_rates`)."""
LOW, HIGH = 0.025, 0.975


@dataclass(frozen=True, slots=True)
class Pair:
    """Two people's answers to one image, `first` and `second` as positions among C, and the prediction before.

    `predicted` (C,) is empty where there was none.
    """

    first: int
    second: int
    predicted: tuple[float, ...]


def usual_error(pairs: Sequence[Pair], answers: int) -> Estimate:
    """How often an answer is wrong, in (0, 1): the mean and the 95 % interval of the posterior; lower is better.

    Parameters
    ----------
    pairs : sequence of Pair
        Images that a second person answered, because the first answer was doubtful or for no reason.
    answers : int
        How many answers can be given (C >= 2); all wrong ones are held as likely.

    Returns
    -------
    Estimate
        `n` is the number of pairs. Without any: what is assumed, one error in ten answers.

    Notes
    -----
    With q and r what was held of the first and of the second answer beforehand, e the rate and o = e / (C - 1), the
    second answer b after the first answer a has the chance ((1 - e)^2 q + o^2 (1 - q)) / D if it repeats it, and
    ((1 - e) o (q + r) + o^2 (1 - q - r)) / D if it does not; D = (1 - e) q + o (1 - q).

    Examples
    --------
    >>> round(usual_error([], 10).value, 2)
    0.1
    >>> agreed = usual_error([Pair(0, 0, ())] * 60, 10)
    >>> agreed.value < 0.03, agreed.lower < agreed.value < agreed.upper
    (True, True)
    """
    a, b = PRIOR
    log_weight = a * np.log(RATES) + (b - 1) * np.log1p(-RATES)  # a, not a - 1: the rates are even in logarithm
    if pairs:
        log_weight += _log_likelihood(pairs, answers).sum(axis=0)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    lower, upper = np.interp((LOW, HIGH), np.cumsum(weight), RATES)
    return Estimate(float(weight @ RATES), float(lower), float(upper), len(pairs))


def levelled(rates: Mapping[int, float], usual: float) -> dict[int, float]:
    """The annotators' rates as they stand to each other, moved so that their mean is the usual one; below .9.

    Examples
    --------
    >>> levelled({1: 0.1, 2: 0.3}, 0.1)
    {1: 0.05, 2: 0.15}
    """
    mean = sum(rates.values()) / len(rates) if rates else 1.0
    return {who: round(min(rate / mean * usual, 0.9), 6) for who, rate in rates.items()}


def _log_likelihood(pairs: Sequence[Pair], answers: int) -> NDArray[np.float64]:
    """Of each second answer at each rate (M, R), given the first and the prediction."""
    at = np.arange(len(pairs))
    held = np.stack([prior_of(one.predicted, answers) for one in pairs])  # (M, C)
    first, second = (np.array([getattr(one, name) for one in pairs]) for name in ("first", "second"))
    q, r = held[at, first][:, None], held[at, second][:, None]  # (M, 1)
    right, other = 1 - RATES[None], RATES[None] / (answers - 1)  # (1, R)
    repeated = right**2 * q + other**2 * (1 - q)
    differs = right * other * (q + r) + other**2 * np.clip(1 - q - r, 0, 1)
    likely = np.where((first == second)[:, None], repeated, differs) / (right * q + other * (1 - q))
    return np.asarray(np.log(likely), np.float64)
