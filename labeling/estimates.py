"""Numbers with an interval: estimates of what was measured, forecasts of what is to come.

In and out: plain numbers. An estimate under `MIN_LABELS` images is not yet known, and is never shown as a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

__all__ = ["MIN_LABELS", "Estimate", "Forecast", "images_for_certificate"]

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


def images_for_certificate(precision: float, confidence: float, wrong: int) -> int:
    """The least number of random images of which `wrong` may be wrong if the rest is to certify this precision.

    Where the precision is missed, no more than so many errors are found with a chance of at most 1 - `confidence`.

    >>> images_for_certificate(0.95, 0.9, 1), images_for_certificate(0.98, 0.9, 2)
    (77, 265)
    """
    error, n = 1 - precision, wrong + 1
    while sum(comb(n, k) * error**k * precision ** (n - k) for k in range(wrong + 1)) > 1 - confidence:
        n += 1
    return n
