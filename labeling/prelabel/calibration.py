"""Calibration of one engine: terms fitted on a random labelled sample, and probabilities corrected by them.

In: an engine's output for N images that people labelled blind and at random, and the labels. Out: `Terms`, which
calibrate any later answer of that revision. Invariant: below 20 labels nothing is fitted, and an engine that only names
classes has no probabilities until then; the class that an engine names never changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from labeling.conversion import convert
from labeling.learn.calibration import LABELS_TO_FIT, LABELS_TO_SHOW, fit_calibration, shown_probs

__all__ = ["Terms", "calibrated", "calibrated_answers", "fit_stated", "fit_terms", "read_terms"]

SMALLEST = 1e-6
SHRINKAGE = 5.0
"""A level of stated confidence counts as if it had this many more answers, right as often as all answers are."""


@dataclass(frozen=True, slots=True)
class Terms:
    """softmax(log p / `temperature` + `bias`) where the engine gives probabilities; else `levels`.

    `bias` (K,) is empty where none was fitted. `levels` holds the probability that a named class is
    right, by the confidence that the engine stated; "" stands for any other. `labels` is the size of the sample.
    """

    temperature: float = 1.0
    bias: tuple[float, ...] = ()
    levels: Mapping[str, float] = field(default_factory=dict)
    labels: int = 0

    @property
    def shown(self) -> bool:
        """Whether they rest on enough labels for the engine to be called calibrated."""
        return self.labels >= LABELS_TO_SHOW

    def as_json(self) -> dict[str, Any]:
        """What is stored; `read_terms` reads it."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def read_terms(stored: Mapping[str, Any]) -> Terms:
    """The terms that were stored.

    >>> read_terms(Terms(2.0, (0.1, -0.1), {}, 40).as_json())
    Terms(temperature=2.0, bias=(0.1, -0.1), levels={}, labels=40)
    """
    return convert(stored, Terms)


def fit_terms(probs: NDArray[np.floating], labels: NDArray[np.integer], default: float = 1.0) -> Terms | None:
    """A temperature, and from 300 labels on perhaps a bias a class; None where there are fewer than 20 labels.

    Parameters
    ----------
    probs : (N, K) array
        The engine's output, uncalibrated.
    labels : (N,) int array
        The true classes of a random sample; what is not 0 to K - 1 is left out.
    default : float
        The temperature that the engine is shipped with, relative to `probs`: the fitted one is drawn to it.

    Notes
    -----
    Source: Guo et al. (2017), "On Calibration of Modern Neural Networks": temperature and vector scaling; both are
    kept near their defaults by a normal prior (`labeling/learn/calibration.py`).

    Examples
    --------
    >>> sure = np.tile([[0.99, 0.01]], (40, 1))
    >>> terms = fit_terms(sure, np.array([0] * 30 + [1] * 10))
    >>> calibrated(sure[:1], terms).round(2).tolist()
    [[0.86, 0.14]]
    >>> fit_terms(sure[:19], np.zeros(19, int)) is None
    True
    """
    every_class = np.ones(probs.shape[1], bool)
    found = fit_calibration(_logits(probs), labels, every_class, default, np.random.default_rng(0))
    return None if found is None else Terms(found.temperature, found.bias, labels=found.labels)


def fit_stated(levels: Sequence[str], right: NDArray[np.bool_] | Sequence[bool]) -> Terms | None:
    """How often an answer is right, by the confidence that the engine stated; None where there are fewer than 20.

    Each level is drawn towards the rate of all, the more the fewer answers it has.

    Examples
    --------
    >>> terms = fit_stated(["high"] * 15 + ["low"] * 5, [True] * 15 + [False] * 5)
    >>> {level: round(chance, 2) for level, chance in terms.levels.items()}
    {'high': 0.93, 'low': 0.36, '': 0.73}
    """
    hits = np.asarray(right, bool)
    if len(hits) < LABELS_TO_FIT:
        return None
    overall = (hits.sum() + 1) / (len(hits) + 2)
    said = np.array(levels)
    chances = {
        level: float((hits[said == level].sum() + SHRINKAGE * overall) / ((said == level).sum() + SHRINKAGE))
        for level in sorted(set(levels) - {""})
    }
    return Terms(levels={**chances, "": float(overall)}, labels=len(hits))


def calibrated(probs: NDArray[np.floating], terms: Terms | None) -> NDArray[np.float64]:
    """The calibrated probabilities (N, K); unchanged where there are no terms. NaN rows stay NaN.

    The class that comes first never changes, whatever the biases.

    >>> calibrated(np.array([[0.8, 0.2]]), Terms(temperature=2.0)).round(3).tolist()
    [[0.667, 0.333]]
    """
    if terms is None:
        return np.asarray(probs, np.float64)
    return shown_probs(_logits(probs), terms.temperature, terms.bias if len(terms.bias) == probs.shape[1] else ())


def calibrated_answers(
    answers: NDArray[np.integer], levels: Sequence[str], terms: Terms | None, classes: int
) -> NDArray[np.float64]:
    """Probabilities (N, K) of an engine that only names a class: its chance of being right, the rest spread evenly.

    Parameters
    ----------
    answers : (N,) int array
        The class named; anything outside 0 to K - 1 gives a row of NaN: absent.
    levels : sequence of str
        The confidence that it stated, one an answer.
    terms : Terms or None
        None, or terms without levels: all rows are NaN.

    Examples
    --------
    >>> calibrated_answers(np.array([1, -1]), ["high", ""], Terms(levels={"high": 0.8, "": 0.5}), 3).round(1).tolist()
    [[0.1, 0.8, 0.1], [nan, nan, nan]]
    """
    probs = np.full((len(answers), classes), np.nan)
    if terms is None or not terms.levels:
        return probs
    for row, (answer, level) in enumerate(zip(answers, levels, strict=True)):
        if 0 <= answer < classes:
            chance = terms.levels.get(level, terms.levels[""])
            probs[row] = (1 - chance) / (classes - 1)
            probs[row, answer] = chance
    return probs


def _logits(probs: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(np.log(np.maximum(np.asarray(probs, np.float64), SMALLEST)), np.float64)
