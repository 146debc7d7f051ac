"""Estimates and forecasts as JSON: rounded, null where they are not known, never infinite."""

from __future__ import annotations

import math
from typing import Any

from labeling.estimates import Estimate, Forecast

__all__ = ["Json", "estimate", "forecast", "rounded"]

Json = dict[str, Any]


def estimate(found: Estimate | None, value: str = "value") -> Json:
    """Its numbers are null while they are not yet known; `n` says on how many it rests. None is an estimate of nothing.

    `value` names the key of the estimate itself.

    >>> estimate(Estimate(0.5, 0.2, 0.8, 10))
    {'known': False, 'n': 10, 'value': None, 'lower': None, 'upper': None}
    """
    if found is None or not found.known:
        return {"known": False, "n": found.n if found else 0, value: None, "lower": None, "upper": None}
    numbers = {value: found.value, "lower": found.lower, "upper": found.upper}
    return {"known": True, "n": found.n, **{name: round(number, 4) for name, number in numbers.items()}}


def forecast(found: Forecast, digits: int = 0) -> Json:
    """A null `likely` or `upper` is not known.

    >>> forecast(Forecast(0.0, None, math.inf))
    {'lower': 0.0, 'likely': None, 'upper': None}
    """
    numbers = {"lower": found.lower, "likely": found.likely, "upper": found.upper}
    return {name: rounded(value, digits) for name, value in numbers.items()}


def rounded(value: float | None, digits: int) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, digits)
