"""Is what a certificate accepted still as right as promised? A uniform draw each day, tested whenever somebody asks.

In: of `size` accepted images, how many were audited, in an order by chance, and how many of those were wrong. Out:
evidence against the promise, a lower bound of the precision and what the audit could have detected. Invariant: while
the promise holds, the evidence ever reaches 1 / delta with a chance of at most delta, however often it is computed.

The evidence is what a gambler would own who starts with 1 and bets on each answer, at odds that are fair when just as
many are wrong as the promise allows: the likelihood ratio of two numbers of wrong images, without replacement. With
fewer wrong ones every bet loses on average. The money is spread evenly over several numbers to bet on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from labeling.certify.band import errors_allowed
from labeling.certify.hypergeometric import Counts
from labeling.errors import Invalid

__all__ = ["Audited", "audited", "detectable", "evidence", "suspension_chance", "wrong_at_most"]

WORSE = np.array([1.5, 2.0, 3.0, 5.0])
"""Bets against the promise: so many times as many are wrong as it allows."""
BETTER = np.array([0.0, 0.25, 0.5, 0.75])
"""Bets against a number of wrong images, for the lower bound: that only this share of them is."""
OFTEN = 0.8
"""A precision could have been detected if so many of all audits would have suspended the certificate."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Audited:
    """What `images` audited ones of a certificate say.

    `evidence` against the promise; the certificate is `suspended` from 1 / delta on. The precision of all accepted
    images is at least `lower`, at any time and however often this is read. A precision of `detectable` or less would
    have been noticed in 80 of 100 such audits; None where none would.
    """

    images: int
    wrong: int
    evidence: float
    suspended: bool
    lower: float
    detectable: float | None


def audited(
    images: int, wrong: int, size: int, precision: float, delta: float, before: Audited | None = None
) -> Audited:
    """What an audit so far comes to.

    Parameters
    ----------
    images, wrong : int
        Audited since the certificate was issued, drawn uniformly from what was not yet audited; of those wrong ones,
        "none of these" and answers that are missing included.
    size : int
        Accepted images in all.
    precision, delta : float
        What was promised, in (0, 1]; and the audit's own delta, in (0, .5].
    before : Audited, optional
        The last result: what was suspended stays so, and a bound that held once holds.

    Raises
    ------
    Invalid
        Where the counts contradict each other, or a term is out of range.

    Notes
    -----
    Source: Waudby-Smith and Ramdas (2020), "Confidence sequences for sampling without replacement"; (2024), "Estimating
    means of bounded random variables by betting".

    Examples
    --------
    >>> found = audited(100, 1, 2_000, 0.95, 0.05)
    >>> found.suspended, round(found.lower, 2), round(audited(30, 8, 2_000, 0.95, 0.05).evidence)
    (False, 0.93, 853)
    """
    if not 0 <= wrong <= images <= size or not size:
        raise Invalid(f"{wrong} wrong of {images} audited of {size} accepted images cannot be: count each image once.")
    if not 0 < precision <= 1 or not 0 < delta <= 0.5:
        raise Invalid(f"An audit tests a precision in (0, 1] at a delta in (0, 0.5]; got {precision} and {delta}.")
    found = evidence(images, wrong, size, int(errors_allowed(size, precision)))
    lower = 1 - wrong_at_most(images, wrong, size, delta) / size
    suspended = found >= 1 / delta or (before is not None and before.suspended)
    lower = lower if before is None else max(lower, before.lower)
    return Audited(images, wrong, found, suspended, lower, detectable(images, size, precision, delta))


def evidence(images: int, wrong: int, size: int, allowed: int) -> float:
    """What the gambler owns who bets that more than `allowed` of `size` images are wrong; infinite where it is certain.

    Examples
    --------
    >>> evidence(0, 0, 100, 5), evidence(10, 6, 100, 5)
    (1.0, inf)
    """
    return float(_evidence(np.array([images]), np.array([wrong]), size, allowed)[0])


def wrong_at_most(images: int, wrong: int, size: int, delta: float) -> int:
    """The largest number of wrong ones among all accepted images that an audit has not refused: anytime-valid.

    Examples
    --------
    >>> wrong_at_most(0, 0, 100, 0.05), wrong_at_most(100, 3, 100, 0.05)
    (100, 3)
    """
    low, high = wrong, size - (images - wrong)
    while low < high:  # the evidence against a number rises with it
        middle = (low + high + 1) // 2
        ratios = _log_ratios(images, wrong, size, middle, BETTER * middle)
        refused = logsumexp(ratios) - np.log(len(BETTER)) >= -np.log(delta)
        low, high = (low, middle - 1) if refused else (middle, high)
    return low


def detectable(images: int, size: int, precision: float, delta: float) -> float | None:
    """The highest precision under the promised one at which an audit of so many images suspends in 80 of 100.

    Examples
    --------
    >>> detectable(1, 2_000, 0.95, 0.05), round(detectable(200, 2_000, 0.95, 0.05), 2)
    (None, 0.89)
    """
    allowed = int(errors_allowed(size, precision))
    limits = _limits(images, size, allowed, delta)
    low, high = allowed, size  # suspends too rarely at low, often enough at high
    if _chance(limits, high, size) < OFTEN:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _chance(limits, middle, size) >= OFTEN else (middle, high)
    return 1 - high / size


def suspension_chance(images: int, wrong: int, size: int, allowed: int, delta: float) -> float:
    """The chance that the evidence reaches 1 / delta within so many images if `wrong` of `size` are wrong: exact.

    Examples
    --------
    >>> suspension_chance(200, 50, 1_000, 50, 0.05) <= 0.05 <= suspension_chance(200, 200, 1_000, 50, 0.05)
    True
    """
    return _chance(_limits(images, size, allowed, delta), wrong, size)


def _chance(limits: Counts, wrong: int, size: int) -> float:
    """The chance that the wrong ones found reach the limit of that time at any time."""
    chances: Floats = np.zeros(
        int(limits.max(initial=0)) + 1
    )  # by wrong ones so far, of audits that have not suspended
    chances[0], suspended = 1.0, 0.0
    found = np.arange(len(chances))
    for done, limit in enumerate(limits):
        error = np.clip((wrong - found) / (size - done), 0, 1)
        after = chances * (1 - error)
        after[1:] += (chances * error)[:-1]
        suspended += float(after[limit:].sum())
        after[limit:] = 0.0
        chances = after
    return suspended


def _limits(images: int, size: int, allowed: int, delta: float) -> Counts:
    """After 1, 2, ... images: from how many wrong ones on the evidence reaches 1 / delta, (images,)."""
    done: Counts = np.arange(1, images + 1)
    low: Counts = np.zeros(images, np.int64)
    high: Counts = done + 1  # more than all of them: never
    while (low < high).any():  # the evidence rises with the wrong ones
        middle = np.minimum((low + high) // 2, done)
        reaches = _evidence(done, middle, size, allowed) >= 1 / delta
        low, high = np.where(reaches, low, middle + 1), np.where(reaches, middle, high)
    return low


def _evidence(images: Counts, wrong: Counts, size: int, allowed: int) -> Floats:
    """(T,) counts in, (T,) out."""
    worse = np.minimum(np.maximum(WORSE * allowed, allowed + 1), size)[:, None]
    with np.errstate(over="ignore"):
        mean = np.exp(_log_ratios(images, wrong, size, allowed, worse)).mean(axis=0)
    return np.where(wrong > allowed, np.inf, mean)


def _log_ratios(images: Counts | int, wrong: Counts | int, size: int, null: int, other: Floats) -> Floats:
    """ln of the chance of an audit if `other` images are wrong, over that if `null` are; -inf where `other` cannot be.

    Numbers to bet on need not be whole. `null` must be possible.
    """
    right = images - np.asarray(wrong)
    possible = (other >= wrong) & (size - other >= right)
    with np.errstate(invalid="ignore"):
        errors = _falling(other, wrong) - _falling(null, wrong)
        found = errors + _falling(size - other, right) - _falling(size - null, right)
    return np.where(possible, found, -np.inf)


def _falling(start: Floats | int, steps: Counts | int) -> Floats:
    """ln of start (start - 1) ... over so many steps."""
    return np.asarray(gammaln(np.asarray(start) + 1) - gammaln(np.asarray(start) - steps + 1), np.float64)
