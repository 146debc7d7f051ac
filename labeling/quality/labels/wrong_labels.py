"""The share of labels that are wrong, from blind re-reviews; and which labels to re-review for it.

In: how suspicious each of N labels is, then what blind re-reviews said of m of them. Out: a share with an exact
interval, or None: not yet known. Invariant: a classifier's disagreement is a ranking and never the rate, and neither is
the error of one re-reviewer: a label counts as wrong only where a third answer or a lead does not uphold it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from labeling.errors import Invalid
from labeling.estimates import MIN_LABELS, Estimate
from labeling.quality.finite_samples import finite_interval

__all__ = [
    "MORE",
    "Outcome",
    "Plan",
    "Prospect",
    "WrongLabels",
    "at_least",
    "plan_re_reviews",
    "prospect",
    "re_reviews_for_width",
    "wrong_labels",
]

SUSPICIOUS_SHARE = 1 / 3
"""Of the re-reviews; with a half the estimate errs less and its interval is wider."""
MORE = 30
"""So many further re-reviews are offered at a time."""


class Outcome(StrEnum):
    """What the re-review of a label came to."""

    UPHELD = "upheld"
    """The blind answer is the label, or differs and a third answer or a lead upholds the label."""
    WRONG = "wrong"
    """The blind answer differs, and a third answer or a lead does not uphold the label."""
    OPEN = "open"
    """The blind answer differs and no third answer is there yet, or it decides nothing: it counts half."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Positions of the labels to re-review: the most suspicious, and a uniform draw from all others, each in order."""

    suspicious: NDArray[np.int64]
    uniform: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class WrongLabels:
    """The share of all labels that are wrong, `share.n` labels re-reviewed, `open` of which count half."""

    share: Estimate
    wrong: int
    open: int


@dataclass(frozen=True, slots=True)
class Prospect:
    """What `more` further re-reviews would tell: the width of the interval now (None: none yet) and after them."""

    more: int
    width_now: float | None
    width_then: float


def plan_re_reviews(suspicion: NDArray[np.floating], m: int, rng: np.random.Generator) -> Plan:
    """Which m of N labels to re-review blind: a third are the most suspicious, the rest uniform among the others.

    With the same suspicion and an `rng` of the same seed a larger m holds all labels of a smaller one, so more can be
    asked for later. A label of the uniform draw may then be one of the most suspicious.

    Parameters
    ----------
    suspicion : (N,) float
        Higher is more suspicious, such as 1 - the out-of-fold probability of the label; NaN is the least. It is kept
        while the re-reviews of one plan are counted: one that has learnt from their outcomes would bias the draw.
    m : int
        How many re-reviews; all labels where there are no more.
    rng : numpy.random.Generator
        Draws the uniform ones, and orders equal suspicions.

    Examples
    --------
    >>> plan = plan_re_reviews(np.array([0.1, 0.9, 0.2, 0.3, 0.8, 0.4]), 3, np.random.default_rng(0))
    >>> plan.suspicious.tolist(), len(plan.uniform)
    ([1], 2)
    """
    n = len(suspicion)
    m = min(m, n)
    shuffled = rng.permutation(n)
    doubt = np.nan_to_num(np.asarray(suspicion, np.float64)[shuffled], nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    h = int(m * SUSPICIOUS_SHARE)
    top = shuffled[np.argsort(-doubt, kind="stable")[:h]]
    return Plan(top, shuffled[~np.isin(shuffled, top)][: m - h])


def wrong_labels(suspicious: Sequence[Outcome], uniform: Sequence[Outcome], labels: int) -> WrongLabels | None:
    """The share of wrong labels with its exact interval; None, not yet known, under 30 re-reviews.

    Parameters
    ----------
    suspicious, uniform : sequence of Outcome
        Of the plan's most suspicious labels, all of them: one that is not answered yet is open. And of its uniform
        draw, in the order of the plan up to the first that is not answered.
    labels : int
        N, all labels, those of the plan included.

    Returns
    -------
    WrongLabels or None
        (k_top + k_rest (N - h) / (m - h)) / N, and the hypergeometric interval of the rest. Open ones count half in
        the value; the lower end counts none of them and the upper end all.

    Raises
    ------
    Invalid
        Where more labels were re-reviewed than there are.

    Examples
    --------
    >>> found = wrong_labels([Outcome.WRONG] * 6 + [Outcome.UPHELD] * 14, [Outcome.UPHELD] * 40, 300)
    >>> round(found.share.value, 3), round(found.share.lower, 3), round(found.share.upper, 3)
    (0.02, 0.02, 0.093)
    """
    h, drawn = len(suspicious), len(uniform)
    if h + drawn > labels:
        raise Invalid(f"{h + drawn} re-reviews of {labels} labels cannot be: count each label once.")
    if h + drawn < MIN_LABELS or not drawn:
        return None
    top, rest = _counted(suspicious), _counted(uniform)
    value = (top.likely + rest.likely * (labels - h) / drawn) / labels
    lower = (top.least + finite_interval(rest.least, drawn, labels - h)[0]) / labels
    upper = (top.most + finite_interval(rest.most, drawn, labels - h)[1]) / labels
    share = Estimate(value, min(lower, value), max(upper, value), h + drawn)
    return WrongLabels(share, top.least + rest.least, top.open + rest.open)


def at_least(differing: int, doubled: int) -> Estimate:
    """The share of wrong answers that pairs of blind answers show at least: half the share of pairs that differ.

    Where people agree on the same wrong class nothing differs (it said .037 where .059 were wrong), so only the lower
    end is a bound and the upper one is 1. Source of the interval: Clopper and Pearson (1934).

    Examples
    --------
    >>> found = at_least(8, 100)
    >>> found.value, round(found.lower, 3), found.upper
    (0.04, 0.018, 1.0)
    """
    if not doubled:
        return Estimate(0.0, 0.0, 1.0, 0)
    lower = float(beta.ppf(0.025, differing, doubled - differing + 1)) if differing else 0.0
    return Estimate(differing / doubled / 2, lower / 2, 1.0, doubled)


def re_reviews_for_width(labels: int, width: float, share: float = 0.05) -> int | None:
    """About how many re-reviews give an interval at most so wide, if a `share` of the labels is wrong.

    None where there are under 30 labels: then nothing is shown.

    Examples
    --------
    >>> re_reviews_for_width(300, 0.1), re_reviews_for_width(300, 0.0)
    (98, 300)
    """
    if labels < MIN_LABELS:
        return None
    return MIN_LABELS + bisect_left(range(MIN_LABELS, labels), True, key=lambda m: _width(labels, m, share) <= width)


def prospect(labels: int, now: WrongLabels | None, more: int = MORE) -> Prospect:
    """What further re-reviews would tell, if as many of them are wrong as until now, or one in twenty.

    Examples
    --------
    >>> prospect(300, None)
    Prospect(more=30, width_now=None, width_then=0.23)
    """
    done, share = (0, 0.05) if now is None else (now.share.n, now.share.value)
    more = min(more, labels - done)
    width = None if now is None else now.share.upper - now.share.lower
    return Prospect(more, width, round(_width(labels, done + more, share), 3))


@dataclass(frozen=True, slots=True)
class _Count:
    """How many are wrong at least, how many are open."""

    least: int
    open: int

    @property
    def likely(self) -> float:
        return self.least + self.open / 2

    @property
    def most(self) -> int:
        return self.least + self.open


def _counted(outcomes: Sequence[Outcome]) -> _Count:
    return _Count(outcomes.count(Outcome.WRONG), outcomes.count(Outcome.OPEN))


def _width(labels: int, m: int, share: float) -> float:
    """The width that m re-reviews give where the most suspicious third finds no more than the rest."""
    h = int(m * SUSPICIOUS_SHARE)
    drawn = m - h
    lower, upper = finite_interval(math.ceil(share * drawn), drawn, labels - h)
    return (upper - lower) / labels
