"""How far a shown pre-label pulls answers: by which share it makes the answers rarer that contradict it.

In: of each annotator how many answers contradict the pre-label where it was shown, and where chance kept it from them.
Out: the pull of the team and of each person, with intervals. Whether a review is blind is drawn by chance, so the two
differ in nothing but the sight of the pre-label, and no truth of any image is needed: every first answer counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labeling.estimates import Estimate
from labeling.quality.metrics import clopper_pearson

__all__ = ["USUAL_PULL", "Anchoring", "Contradicted", "anchoring"]

USUAL_PULL = 0.3
"""Before anything is measured: three in ten answers that would contradict a pre-label are turned to it."""
_PRIOR = math.log(1 - USUAL_PULL), 1.0
"""Mean and standard deviation of the team's mean, as the logarithm of a ratio: a weak belief."""
_SPREADS = np.linspace(0.02, 2.0, 40)
_SPREAD = 1.5
"""How unlike people may be on that scale: half-normal."""
_FEW = 5
"""With fewer contradictions the logarithm is not normal: the upper end of the interval is then 1."""
_Z = 1.96


@dataclass(frozen=True, slots=True)
class Contradicted:
    """One annotator's answers to reviews that chance made blind or not, and how many contradict the pre-label."""

    shown: int
    shown_against: int
    blind: int
    blind_against: int


@dataclass(frozen=True, slots=True)
class Anchoring:
    """The pull, as a share: 0 where a pre-label changes nothing, 1 where nobody contradicts a shown one.

    Below 0 people contradict what they see more. `n` of the team is its blind answers; of a person at most those, and
    at most all their own.
    """

    team: Estimate
    people: Mapping[int, Estimate]


def anchoring(found: Mapping[int, Contradicted]) -> Anchoring:
    """The pull of the team, and of each person: the less is known of somebody, the nearer to the team's.

    Notes
    -----
    Source, for the team: Donner and Zou (2012), "Closed-form confidence intervals for functions of the normal mean and
    standard deviation" (a ratio by MOVER), from the exact intervals of both shares. For a person: Gelman et al.,
    "Bayesian Data Analysis", 5.4, the normal hierarchical model of logarithms of ratios, its spread integrated out.

    Examples
    --------
    >>> found = anchoring({1: Contradicted(200, 40, 40, 16), 2: Contradicted(200, 60, 40, 16)})
    >>> found.team.value, found.people[1].value > found.team.value > found.people[2].value
    (0.375, True)
    """
    every = found.values()
    everyone = Contradicted(
        sum(one.shown for one in every),
        sum(one.shown_against for one in every),
        sum(one.blind for one in every),
        sum(one.blind_against for one in every),
    )
    return Anchoring(_of_team(everyone), _of_people(found, everyone.blind))


def _of_team(everyone: Contradicted) -> Estimate:
    """One minus the share that contradicts a shown pre-label, over the share that contradicts one kept from people."""
    if not everyone.blind_against or not everyone.shown:
        return Estimate(USUAL_PULL, -1.0, 1.0, 0)
    shown, blind = everyone.shown_against / everyone.shown, everyone.blind_against / everyone.blind
    l1, u1 = clopper_pearson(everyone.shown_against, everyone.shown)
    l2, u2 = clopper_pearson(everyone.blind_against, everyone.blind)
    both = shown * blind
    least = both - math.sqrt(max(0.0, both**2 - l1 * u2 * (2 * shown - l1) * (2 * blind - u2)))
    most = both + math.sqrt(max(0.0, both**2 - u1 * l2 * (2 * shown - u1) * (2 * blind - l2)))
    lower, upper = 1 - most / (l2 * (2 * blind - l2)), 1 - least / (u2 * (2 * blind - u2))
    return _share(1 - shown / blind, lower, upper, everyone.blind)


def _of_people(found: Mapping[int, Contradicted], blind: int) -> dict[int, Estimate]:
    if not found:
        return {}
    ratios, variances = np.array([_log_ratio(one) for one in found.values()]).T  # (A,) each
    means, deviations = _shrunk(ratios, variances)
    people = {}
    for who, own, mean, deviation in zip(found, found.values(), means, deviations, strict=True):
        lower, upper = 1 - math.exp(mean + _Z * deviation), 1 - math.exp(mean - _Z * deviation)
        upper = 1.0 if own.shown_against < _FEW else upper
        n = min(blind, own.shown + own.blind)
        people[who] = _share(1 - math.exp(mean), lower, upper, n)
    return people


def _share(value: float, lower: float, upper: float, n: int) -> Estimate:
    """Nothing is under -1: there contradictions double."""
    return Estimate(max(-1.0, value), max(-1.0, lower), max(-1.0, upper), n)


def _log_ratio(one: Contradicted) -> tuple[float, float]:
    """The logarithm of the ratio of both shares, with its variance; half an answer is added to each count."""
    shown, blind = (one.shown_against + 0.5, one.shown + 1), (one.blind_against + 0.5, one.blind + 1)
    ratio = math.log(shown[0] / shown[1]) - math.log(blind[0] / blind[1])
    return ratio, 1 / shown[0] - 1 / shown[1] + 1 / blind[0] - 1 / blind[1]


def _shrunk(values: NDArray[np.float64], variances: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """(A,) posterior means and standard deviations of what the values measure, with the given variances."""
    weights = 1 / (variances + _SPREADS[:, None] ** 2)  # (S, A)
    belief, precision = 1 / _PRIOR[1] ** 2, weights.sum(axis=1) + 1 / _PRIOR[1] ** 2
    centres = ((weights * values).sum(axis=1) + _PRIOR[0] * belief) / precision
    squares = (weights * values**2).sum(axis=1) + _PRIOR[0] ** 2 * belief - precision * centres**2
    evidence = (np.log(weights).sum(axis=1) - np.log(precision) - squares - (_SPREADS / _SPREAD) ** 2) / 2
    likely = np.exp(evidence - evidence.max())
    likely /= likely.sum()
    own = _SPREADS[:, None] ** 2 * weights  # (S, A): the weight of a person's own answers
    means = own * values + (1 - own) * centres[:, None]
    spreads = own * variances + (1 - own) ** 2 / precision[:, None]
    mean = likely @ means
    return mean, np.sqrt(likely @ (spreads + means**2) - mean**2)
