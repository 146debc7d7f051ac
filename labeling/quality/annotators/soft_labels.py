"""What a consensus is made of, and what it gives: answers in, a soft label an image and the quality of annotators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Aggregation", "RaterAnswer", "SoftLabel"]

Probs = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RaterAnswer:
    """One annotator's answer about one image: a class, or "none of these"."""

    image: int
    annotator: str
    label: str


@dataclass(frozen=True, slots=True)
class SoftLabel:
    """The result of a method for one image: `probs` sum to 1; `value` is the likeliest, None at a tie for it."""

    value: str | None
    confidence: float
    probs: dict[str, float]


@dataclass(frozen=True, slots=True)
class Aggregation:
    """The result of a method for a table.

    `quality` in [0, 1] per annotator: how often, by this method, their answer is true; higher is better. `confusion`
    per annotator (C, C), C classes with "none of these" last: rows are the truth, columns the answers, a row sums to
    1 (to 0 where the method finds no image of that class). Only Dawid-Skene has one.
    """

    labels: dict[int, SoftLabel]
    quality: dict[str, float]
    confusion: dict[str, Probs]
