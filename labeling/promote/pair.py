"""The answers of two classifiers for the same images, compared: how much better the first is, and how sure that is.

In: answers (N,) of both, the truth (N,), and the group of each image; near-duplicates are drawn together. Out: scores,
their difference, its 95 % interval, and the resamples by which a gate decides. An answer K, of K classes, is absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from labeling.errors import Invalid
from labeling.project import Gate
from labeling.quality.metrics import bootstrap, macro_f1, padded_interval

__all__ = ["Measure", "Pair", "answers_of", "pair_of"]


class Measure(StrEnum):
    """What a gate compares."""

    ACCURACY = "accuracy"
    MACRO_F1 = "macro_f1"


@dataclass(frozen=True, slots=True)
class Pair:
    """The answers of both for the same images, (N,) each, beside the truth and the group of each image."""

    ours: NDArray[np.int64]
    theirs: NDArray[np.int64]
    truth: NDArray[np.integer]
    groups: NDArray[np.integer]
    measure: Measure
    classes: int

    @property
    def flips(self) -> int:
        """On how many images exactly one is right."""
        return int(self._differ().sum())

    @property
    def groups_that_differ(self) -> int:
        """In how many groups exactly one is right on some image."""
        return len(np.unique(self.groups[self._differ()]))

    @property
    def groups_better_and_worse(self) -> tuple[int, int]:
        """In how many groups ours is right on more images than theirs, and in how many on fewer."""
        _, of = np.unique(self.groups, return_inverse=True)
        net = np.bincount(of, weights=(self.ours == self.truth).astype(float) - (self.theirs == self.truth))
        return int((net > 0).sum()), int((net < 0).sum())

    @property
    def independent(self) -> tuple[int, int]:
        """So many images of groups of their own would say as much, and on so many exactly one would be right.

        Near-duplicates are counted as if both were right on all of a group or on none.

        Source: Kish, Survey Sampling (1965): the effective size of a sample of clusters.
        """
        n, sizes = len(self.truth), np.unique(self.groups, return_counts=True)[1]
        images = round(n**2 / int((sizes**2).sum())) if n else 0
        return images, round(self.flips * images / n) if n else 0

    @property
    def gain(self) -> float:
        """Ours minus theirs, in [-1, 1]."""
        return self._gain(np.arange(len(self.truth)))

    def interval(self, rng: np.random.Generator) -> tuple[float, float]:
        """The two-sided 95 % interval of the gain; of accuracy as if one group more were better and one more worse."""
        if self.measure is not Measure.ACCURACY:
            return self.resampled(rng)
        gained = (self.ours == self.truth).astype(float) - (self.theirs == self.truth)
        return padded_interval(gained, self.groups, (1, -1))

    def resampled(self, rng: np.random.Generator, confidence: float = 0.95) -> tuple[float, float]:
        """The ends between which this share of 1,000 resamples of whole groups lies, half of the rest on each side."""
        return bootstrap(self._gain, self.groups, rng, confidence=confidence)

    def score(self, answers: NDArray[np.int64]) -> float:
        """The measure of one of the two."""
        return _score(self.measure, answers, self.truth, self.classes)

    def _differ(self) -> NDArray[np.bool_]:
        return np.asarray((self.ours == self.truth) != (self.theirs == self.truth))

    def _gain(self, at: NDArray[np.int64]) -> float:
        scores = (_score(self.measure, some[at], self.truth[at], self.classes) for some in (self.ours, self.theirs))
        return next(scores) - next(scores)


def pair_of(
    ours: NDArray[np.floating],
    theirs: NDArray[np.floating],
    truth: NDArray[np.integer],
    gate: Gate,
    groups: NDArray[np.integer] | None = None,
) -> Pair:
    """The pair of two classifiers' probabilities (N, K) for the same images, by the gate's measure.

    Without groups every image is its own.

    Raises
    ------
    Invalid
        When they are not of the same images and classes.
    """
    if ours.shape != theirs.shape or len(ours) != len(truth):
        raise Invalid(f"Shapes {ours.shape} and {theirs.shape} for {len(truth)} truths cannot be compared.")
    of = np.arange(len(truth)) if groups is None else groups
    return Pair(answers_of(ours), answers_of(theirs), truth, of, Measure(gate.measure), ours.shape[1])


def answers_of(probs: NDArray[np.floating]) -> NDArray[np.int64]:
    """The likeliest class (N,) of probabilities (N, K); K, which is never true, where there is no answer (NaN).

    Examples
    --------
    >>> answers_of(np.array([[0.2, 0.8], [np.nan, 0.5]])).tolist()
    [1, 2]
    """
    absent = ~np.isfinite(probs).all(axis=1)
    return np.where(absent, probs.shape[1], np.where(np.isfinite(probs), probs, 0).argmax(axis=1)).astype(np.int64)


def _score(measure: Measure, answers: NDArray[np.int64], truth: NDArray[np.integer], classes: int) -> float:
    if measure is Measure.ACCURACY:
        return float((answers == truth).mean())
    return macro_f1(answers, truth, classes + 1)  # one column more for "no answer"
