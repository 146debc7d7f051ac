"""The shares, indices and forecasts that figures hold: rounded, null where they are not known, never infinite."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from labeling.estimates import Estimate, Forecast

__all__ = [
    "Accuracy",
    "Interval",
    "Json",
    "Known",
    "Range",
    "Share",
    "estimate",
    "estimate_of",
    "exactly",
    "forecast",
    "known",
    "rounded",
]

Json = dict[str, Any]


class Interval(msgspec.Struct, kw_only=True):
    """How well a number is known. Its numbers are null while it rests on too few images."""

    known: bool
    """False while it rests on fewer than 30 images, or answers."""
    n: int
    """The number of images, or answers, that it rests on."""
    lower: float | None
    """The lower bound at 95 %; null also where the number was counted exactly."""
    upper: float | None
    """The upper bound."""


class Known(Interval, kw_only=True):
    """A share, a difference of shares or an index, with its interval; its numbers are null while not yet known."""

    value: float | None


class Accuracy(Interval, kw_only=True):
    """The share of images that a classifier gets right, with its interval."""

    accuracy: float | None


class Share(Interval, kw_only=True):
    """A share with its interval."""

    share: float | None


class Range(msgspec.Struct):
    """A number that is not known yet; where `likely` or `upper` is null, nothing speaks for one."""

    lower: float
    likely: float | None
    upper: float | None


def known(found: Estimate | None) -> Known:
    """Its numbers are null while they are not yet known. None is an estimate of nothing.

    >>> known(Estimate(0.5, 0.2, 0.8, 10))
    Known(known=False, n=10, lower=None, upper=None, value=None)
    """
    return Known(**estimate(found))


def exactly(value: float, n: int) -> Known:
    """A number that was counted, not estimated: it has no interval."""
    return Known(known=True, n=n, value=value, lower=None, upper=None)


def estimate(found: Estimate | None, value: str = "value") -> Json:
    """As JSON, or as the keys of a struct; `value` names the key of the estimate itself.

    >>> estimate(Estimate(0.5, 0.2, 0.8, 10), "share")
    {'known': False, 'n': 10, 'share': None, 'lower': None, 'upper': None}
    """
    if found is None or not found.known:
        return {"known": False, "n": found.n if found else 0, value: None, "lower": None, "upper": None}
    numbers = {value: found.value, "lower": found.lower, "upper": found.upper}
    return {"known": True, "n": found.n, **{name: round(float(number), 4) for name, number in numbers.items()}}


def estimate_of(value: float | None, kept: Interval) -> Estimate | None:
    """What was estimated, from what was kept: `value` with the interval of `kept`; None where it rests on nothing.

    >>> estimate_of(None, Interval(known=False, n=10, lower=None, upper=None))
    Estimate(value=0.0, lower=0.0, upper=1.0, n=10)
    """
    if value is None or kept.lower is None or kept.upper is None:
        return Estimate(0.0, 0.0, 1.0, kept.n) if kept.n else None
    return Estimate(value, kept.lower, kept.upper, kept.n)


def forecast(found: Forecast, digits: int = 0) -> Range:
    """What is infinite is not known.

    >>> forecast(Forecast(0.0, None, math.inf))
    Range(lower=0.0, likely=None, upper=None)
    """
    return Range(round(float(found.lower), digits), rounded(found.likely, digits), rounded(found.upper, digits))


def rounded(value: float | None, digits: int) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), digits)
