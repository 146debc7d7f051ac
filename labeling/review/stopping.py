"""When people are asked no more: the rules of a project and how far it has come in, what holds and why out.

Invariant: a rule whose number is not yet known never stops anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from labeling.estimates import Estimate
from labeling.project import Stop

__all__ = ["Progress", "Rule", "rules", "stopped_by"]


@dataclass(frozen=True, slots=True)
class Progress:
    """What people gave so far, and what is known of the champion; None: not yet known."""

    answers: int
    hours: float
    money: float
    """What people and engines cost so far, in units of the project's currency."""
    currency: str
    accuracy: Estimate | None
    """Of the champion on the collection."""
    gain: Estimate | None
    """In accuracy, of the next labels."""
    more: int
    """So many labels `gain` speaks of."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason to stop: its key in the policy, whether it holds, and how far it is, in words."""

    key: str
    holds: bool
    words: str


def rules(stop: Stop, progress: Progress) -> tuple[Rule, ...]:
    """Every rule that the policy sets.

    Examples
    --------
    >>> progress = Progress(120, 1.5, 0.0, "USD", None, None, 100)
    >>> [(one.key, one.holds) for one in rules(Stop(accuracy=0.9, answers=100), progress)]
    [('accuracy', False), ('answers', True)]
    """
    return tuple(_rules(stop, progress))


def stopped_by(found: tuple[Rule, ...]) -> Rule | None:
    """The first rule that holds."""
    return next((rule for rule in found if rule.holds), None)


def _rules(stop: Stop, progress: Progress) -> Iterator[Rule]:
    if stop.accuracy is not None:
        known = progress.accuracy
        reached = known is not None and known.lower >= stop.accuracy
        said = "not yet known" if known is None else f"at least {known.lower:.1%} (estimate {known.value:.1%})"
        yield Rule("accuracy", reached, f"accuracy on the collection: {said}; enough from {stop.accuracy:.1%} on")
    if stop.gain is not None:
        gain = progress.gain
        small = gain is not None and gain.value < stop.gain
        said = "not yet known" if gain is None else f"expected to add {_points(gain)}"
        yield Rule(
            "gain", small, f"the next {progress.more} labels: {said}; too little under {100 * stop.gain:.2g} points"
        )
    if stop.answers is not None:
        yield Rule("answers", progress.answers >= stop.answers, f"{progress.answers:,} of {stop.answers:,} answers")
    if stop.hours is not None:
        yield Rule("hours", progress.hours >= stop.hours, f"{progress.hours:,.1f} of {stop.hours:,g} hours of work")
    if stop.money is not None:
        spent = f"{progress.money:,.2f} of {stop.money:,.2f} {progress.currency} for people and engines"
        yield Rule("money", progress.money >= stop.money, spent)


def _points(gain: Estimate) -> str:
    return f"{100 * gain.value:.1f} points ({100 * gain.lower:.1f} to {100 * gain.upper:.1f})"
