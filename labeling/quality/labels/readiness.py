"""Whether a data set can be shipped: named criteria with their figures in, one verdict with its reasons out.

A criterion is met when its whole interval lies on the right side of its target, and missed when the whole interval lies
on the wrong side. In between, or on fewer than 30 images, it is not yet known. Counts are exact. Without a target a
criterion is shown for information and never judged. The verdict compares labels with
adjudicated people: it is no certificate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from labeling.estimates import Estimate

__all__ = ["Criterion", "State", "Verdict", "count", "judge", "measured", "verdict_on"]


class State(StrEnum):
    """The state of a criterion; INFORMATION: shown for information, without a target."""

    MET = "met"
    MISSED = "missed"
    OPEN = "not yet known"
    INFORMATION = "for information"


class Verdict(StrEnum):
    """Whether the data set can be shipped."""

    YES = "yes"
    NOT_YET = "not yet"
    UNKNOWN = "not yet known"


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion: its figure (None: there is none), its target (None: for information only), which side is good."""

    name: str
    figure: Estimate | None
    target: float | None
    at_least: bool
    exact: bool

    @property
    def state(self) -> State:
        if self.target is None:
            return State.INFORMATION
        if self.figure is None or not (self.exact or self.figure.known):
            return State.OPEN
        low, high = self.figure.lower, self.figure.upper  # an exact figure has its value as both
        met = low >= self.target if self.at_least else high <= self.target
        missed = high < self.target if self.at_least else low > self.target
        return State.MET if met else State.MISSED if missed else State.OPEN


def measured(name: str, figure: Estimate | None, target: float | None, *, at_least: bool) -> Criterion:
    """A criterion that rests on a sample, against its target; without a target it is for information.

    Examples
    --------
    >>> measured("gold", Estimate(0.97, 0.93, 0.99, 120), 0.9, at_least=True).state.value
    'met'
    >>> measured("gold", Estimate(0.92, 0.85, 0.96, 80), 0.9, at_least=True).state.value
    'not yet known'
    """
    return Criterion(name, figure, target, at_least, exact=False)


def count(name: str, value: float, n: int, target: float, *, at_least: bool) -> Criterion:
    """A criterion that is counted, not estimated.

    Examples
    --------
    >>> count("disputes", 3, 500, 0, at_least=False).state.value
    'missed'
    """
    return Criterion(name, Estimate(value, value, value, n), target, at_least, exact=True)


def verdict_on(states: Sequence[State]) -> Verdict:
    """Yes where every criterion that is judged is met; not yet where one is missed; else not yet known.

    Examples
    --------
    >>> verdict_on([State.MET, State.INFORMATION]).value, verdict_on([State.MET, State.OPEN]).value
    ('yes', 'not yet known')
    """
    if State.MISSED in states:
        return Verdict.NOT_YET
    judged = [state for state in states if state is not State.INFORMATION]
    return Verdict.YES if judged and all(state is State.MET for state in judged) else Verdict.UNKNOWN


def judge(criteria: Sequence[Criterion]) -> tuple[Verdict, list[Criterion]]:
    """The verdict, and the criteria that prevent a yes: those that are missed, then those not yet known.

    Examples
    --------
    >>> verdict, why = judge([count("disputes", 3, 500, 0, at_least=False), count("alarms", 0, 0, 0, at_least=False)])
    >>> verdict.value, [one.name for one in why]
    ('not yet', ['disputes'])
    """
    missed = [one for one in criteria if one.state is State.MISSED]
    unknown = [one for one in criteria if one.state is State.OPEN]
    return verdict_on([one.state for one in criteria]), missed + unknown
