"""Numbers with an interval: estimates of what was measured, forecasts of what is to come.

In and out: plain numbers. An estimate under `MIN_LABELS` images is not yet known, and is never shown as a number.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MIN_LABELS", "Estimate", "Forecast"]

MIN_LABELS = 30
"""An estimate from fewer images is shown as "not yet known"."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval and the number of images that it is computed from."""

    value: float
    lower: float
    upper: float
    n: int

    @property
    def known(self) -> bool:
        """Whether it has enough images to be shown as a number."""
        return self.n >= MIN_LABELS


@dataclass(frozen=True, slots=True)
class Forecast:
    """A number that is not known yet; `likely` is None where there is no likely value."""

    lower: float
    likely: float | None
    upper: float
