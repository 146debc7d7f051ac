"""Reports on engines that somebody asked for: comparisons, plans and trials. They are kept as they were, by number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from labeling.conversion import convert
from service.figures.estimates import Known, Range

__all__ = [
    "REPORTS",
    "Agreement",
    "Comparison",
    "Difference",
    "Left",
    "Likely",
    "Plan",
    "Planned",
    "Row",
    "Said",
    "Trial",
    "Trials",
    "read_report",
]


class Row(msgspec.Struct, kw_only=True):
    """One engine, or the champion; with an `error` it could not be used, and has said nothing."""

    engine: str
    error: str
    """Why it could not be used; empty where it could."""
    revision: str = ""
    looked: int = 0
    """Images that it was run on for this report."""
    reused: int = 0
    """Images about which it had said something before."""
    note: str = ""
    """Why it said nothing of some images; empty where it said something of all."""
    seconds: float | None = None
    """The median an image."""
    cost_micro: int = 0
    """What all its answers cost."""
    spent_now_micro: int = 0
    """What was paid for this report."""
    accuracy: Known | None = None
    """An abstention counts as an error."""
    answered: Known | None = None
    """How often it answered at all."""
    abstained: int = 0
    none_of_these: int = 0
    macro_f1: float | None = None
    """The mean F1 over the classes; null while not yet known."""
    calibration_error: Known | None = None
    """How far confidence is from accuracy on average; 0 is best."""
    calibrated_error: Known | None = None
    """The same after calibration; null where it is not calibrated."""


class Agreement(msgspec.Struct):
    """How often two give the same answer."""

    first: str
    second: str
    same: Known
    kappa: float | None
    """The same beyond chance; null while not yet known."""


class Said(msgspec.Struct):
    """What one engine said of an image."""

    engine: str
    label: str
    probability: float | None


class Difference(msgspec.Struct):
    """An image about which engines differ."""

    image_id: int
    content_hash: str
    truth: str
    answers: list[Said]


class Comparison(msgspec.Struct):
    """Engines beside each other on images whose labels people gave blind, or that are gold."""

    images: int
    currency: str
    engines: list[Row]
    agreement: list[Agreement]
    differences: list[Difference]
    """At most 24, those first where fewest are right."""
    classes: list[str] = []
    """The label set in order."""


class Planned(msgspec.Struct, kw_only=True):
    """One engine in a plan; with an `error` nothing is known of it."""

    engine: str
    error: str
    """Why it cannot be used; empty where it can."""
    revision: str = ""
    images: Range | None = None
    """So many it will look at."""
    measured: int = 0
    """So many answers the plan rests on."""
    piloted: int = 0
    """Of these, so many were given for this plan."""
    pilot_cost_micro: int = 0
    """What those cost."""
    note: str = ""
    """Why it said nothing of some images of the pilot."""
    seconds: float | None = None
    """The median an image."""
    most_micro: float | None = None
    """What one image costs at most."""
    money_micro: Range | None = None
    hours: Range | None = None


class Left(msgspec.Struct):
    """The budget."""

    left_micro: int
    """What is left of it."""
    enough: str
    """Yes, no, not certain or not known."""


class Plan(msgspec.Struct):
    """What a run of engines over the project will cost, before anything is spent."""

    currency: str
    engines: list[Planned]
    money_micro: Range
    """Of all engines together; the lower ends are added, and so are the upper ones."""
    hours: Range
    budget: Left | None
    """Null: the project has none."""
    pilot: int = 0
    """So many images may be paid for to know better."""


class Likely(msgspec.Struct):
    """A class and its probability."""

    label: str
    probability: float | None


class Trial(msgspec.Struct):
    """What one engine said of one image."""

    engine: str
    revision: str
    outcome: str
    answer: str | None
    """The class that it named, else its likeliest."""
    classes: list[Likely]
    """The likeliest first; empty where it gave no probabilities."""
    description: str
    reason: str
    question: str
    raw: str
    """The answer as it came."""
    confidence_from: str
    prompt: str
    config_version: int
    examples: list[int]
    """The images that it was shown with their labels."""
    flags: list[str]
    seconds: float | None
    cost_micro: int
    currency: str
    tokens_in: int
    tokens_out: int
    cached: bool


class Trials(msgspec.Struct):
    """What engines said of one image of the project."""

    image_id: int
    content_hash: str
    text: str | None
    answers: list[Trial]


REPORTS: Mapping[str, type[msgspec.Struct]] = {"compare": Comparison, "plan": Plan, "try": Trials}
"""By the kind of the report."""

T = TypeVar("T", bound=msgspec.Struct)


def read_report(result: Mapping[str, Any], kind: type[T]) -> T | None:
    """The report as it was kept; None where another release of hardcase kept it in another form."""
    try:
        return convert(result, kind)
    except msgspec.ValidationError:
        return None
