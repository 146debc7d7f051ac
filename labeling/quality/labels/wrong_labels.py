"""The share of labels that are wrong, from blind re-reviews.

In: what blind re-reviews said of m of N labels (`re_review_plan` says which). Out: a share with an exact interval, or
None: not yet known. Invariant: a classifier's disagreement is a ranking and never the rate, and neither is
the error of one re-reviewer: a label counts as wrong only where a third answer or a lead does not uphold it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import betaincinv

from labeling.errors import Invalid
from labeling.estimates import MIN_LABELS, Estimate
from labeling.quality.finite_samples import finite_interval
from labeling.quality.labels.re_review_plan import SUSPICIOUS_SHARE
from labeling.review.re_reviews import Outcome

__all__ = [
    "MORE",
    "Outcome",
    "Prospect",
    "WrongLabels",
    "at_least",
    "prospect",
    "re_reviews_for_width",
    "wrong_labels",
]

MORE = 30
"""So many further re-reviews are offered at a time."""


@dataclass(frozen=True, slots=True)
class WrongLabels:
    """The share of all labels that are wrong still, `share.n` labels re-reviewed, `open` of which count half.

    `given` is the share that was wrong before the labels that were found `wrong` were corrected.
    """

    share: Estimate
    given: Estimate
    wrong: int
    open: int


@dataclass(frozen=True, slots=True)
class Prospect:
    """What `more` further re-reviews would tell: the width of the interval now (None: none yet) and after them."""

    more: int
    width_now: float | None
    width_then: float


def wrong_labels(
    suspicious: Sequence[Outcome], uniform: Sequence[Outcome], labels: int, corrected: int = 0
) -> WrongLabels | None:
    """The share of wrong labels with its exact interval; None, not yet known, under 30 re-reviews.

    Parameters
    ----------
    suspicious, uniform : sequence of Outcome
        Of the plan's most suspicious labels, all of them: one that is not answered yet is open. And of its uniform
        draw, in the order of the plan up to the first that is not answered.
    labels : int
        N, all labels, those of the plan included.
    corrected : int
        How many of those that were found wrong have another label now, or none.

    Returns
    -------
    WrongLabels or None
        (k_top + k_rest (N - h) / (m - h)) / N, and the hypergeometric interval of the rest. Open ones count half in
        the value; the lower end counts none of them and the upper end all. `share` is that less corrected / N.

    Raises
    ------
    Invalid
        Where more labels were re-reviewed than there are, or more corrected than found wrong.

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
    if not 0 <= corrected <= top.least + rest.least:
        raise Invalid(f"{corrected} labels were corrected of {top.least + rest.least} that were found wrong.")
    value = (top.likely + rest.likely * (labels - h) / drawn) / labels
    lower = (top.least + finite_interval(rest.least, drawn, labels - h)[0]) / labels
    upper = (top.most + finite_interval(rest.most, drawn, labels - h)[1]) / labels
    given = Estimate(value, min(lower, value), max(upper, value), h + drawn)
    return WrongLabels(_less(given, corrected / labels), given, top.least + rest.least, top.open + rest.open)


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
    lower = float(betaincinv(differing, doubled - differing + 1, 0.025)) if differing else 0.0
    return Estimate(differing / doubled / 2, lower / 2, 1.0, doubled)


def re_reviews_for_width(labels: int, width: float, share: float = 0.05) -> int | None:
    """About how many re-reviews give an interval at most so wide, if a `share` of the labels is wrong.

    None where there are under 30 labels: then nothing is shown.

    Examples
    --------
    >>> re_reviews_for_width(300, 0.1), re_reviews_for_width(300, 0.0)
    (82, 300)
    """
    if labels < MIN_LABELS:
        return None
    return MIN_LABELS + bisect_left(range(MIN_LABELS, labels), True, key=lambda m: _width(labels, m, share) <= width)


def prospect(labels: int, now: WrongLabels | None, more: int = MORE) -> Prospect:
    """What further re-reviews would tell, if as many of them are wrong as until now, or one in twenty.

    Examples
    --------
    >>> prospect(300, None)
    Prospect(more=30, width_now=None, width_then=0.217)
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


def _less(share: Estimate, less: float) -> Estimate:
    value, lower, upper = (max(end - less, 0.0) for end in (share.value, share.lower, share.upper))
    return Estimate(value, lower, upper, share.n)


def _counted(outcomes: Sequence[Outcome]) -> _Count:
    return _Count(outcomes.count(Outcome.WRONG), outcomes.count(Outcome.OPEN))


def _width(labels: int, m: int, share: float) -> float:
    """The width that m re-reviews give where the most suspicious labels are no worse than the rest."""
    h = int(m * SUSPICIOUS_SHARE)
    drawn = m - h
    lower, upper = finite_interval(math.ceil(share * drawn), drawn, labels - h)
    return (upper - lower) / labels
