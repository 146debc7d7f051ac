"""Reports on engines, as stored: comparisons and plans."""

from __future__ import annotations

import msgspec

__all__ = [
    "Comparison",
    "Plan",
]


class Known(msgspec.Struct, kw_only=True):
    """A figure with its interval; its numbers are null while it rests on too few images."""

    known: bool
    n: int
    value: float | None
    lower: float | None
    upper: float | None


class Row(msgspec.Struct, kw_only=True):
    """One engine in a comparison; with an `error` it could not be used, and has no figures."""

    engine: str
    error: str
    revision: str = ""
    note: str = ""
    seconds: float | None = None
    cost_micro: int = 0
    abstained: int = 0
    macro_f1: float | None = None
    accuracy: Known | None = None
    calibration_error: Known | None = None
    calibrated_error: Known | None = None


class Agreement(msgspec.Struct):
    """How often two give the same answer."""

    first: str
    second: str
    same: Known
    kappa: float | None


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
    """A whole comparison."""

    images: int
    currency: str
    engines: list[Row]
    agreement: list[Agreement]
    differences: list[Difference]


class Range(msgspec.Struct):
    """A number that is not known yet; null is not known at all."""

    lower: float
    likely: float | None
    upper: float | None


class Planned(msgspec.Struct, kw_only=True):
    """One engine in a plan."""

    engine: str
    error: str
    images: Range | None = None
    measured: int = 0
    note: str = ""
    money_micro: Range | None = None
    hours: Range | None = None


class Left(msgspec.Struct):
    """What is left of the budget, and whether it is enough."""

    left_micro: int
    enough: str


class Plan(msgspec.Struct):
    """A whole plan."""

    currency: str
    engines: list[Planned]
    money_micro: Range
    hours: Range
    budget: Left | None
