"""Probabilities from one letter: the options get letters, and the log-probabilities of the next token are read.

In: options, and what a chat endpoint answered. Out: (N,) probabilities and how much of all mass they had. Invariant:
each option stands at two places in turn, so that a preference for the first letter cancels in the mean.
"""

from __future__ import annotations

import json
import math
import string
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeling.errors import Invalid

__all__ = ["candidates", "lettered", "orders", "over_classes", "read_letters"]

MOST = 20
"""Letters in one question: hosted endpoints list 20 alternatives of a token at most."""
BESIDE = 2
"""None of these, and unsure: they have letters too."""
SHORTLIST = 15
LEAST = 1e-6
Probs = NDArray[np.float64]


def candidates(classes: int, prediction: Sequence[float] | None, answer: int) -> list[int]:
    """The classes that get a letter: all, or where they are too many the likeliest of the prediction; else none.

    `answer` is among them in any case.

    >>> candidates(3, None, 0), candidates(30, None, 0), candidates(30, [0.0] * 29 + [1.0], 7)[:3]
    ([0, 1, 2], [], [29, 7, 0])
    """
    if classes <= MOST - BESIDE:
        return list(range(classes))
    if prediction is None:
        return []
    ranked = sorted(range(classes), key=lambda k: (-prediction[k], k != answer))
    shortlist = ranked[:SHORTLIST]
    return shortlist if answer in shortlist else [*shortlist[:-1], answer]


def orders(options: int) -> list[list[int]]:
    """Two orders in which the options are lettered: as they are, and backwards."""
    return [list(range(options)), list(range(options))[::-1]]


def lettered(options: Sequence[str]) -> str:
    """The question's last lines.

    >>> print(lettered(["cat", "dog"]))
    A: cat
    B: dog
    Answer with the letter of the label that fits best, and nothing else.
    """
    lines = [f"{letter}: {option}" for letter, option in zip(string.ascii_uppercase, options, strict=False)]
    return "\n".join([*lines, "Answer with the letter of the label that fits best, and nothing else."])


def read_letters(body: str, options: int) -> Probs:
    """(N,) the mass of each option's letter in the first token of an answer; what is not listed has none.

    Raises
    ------
    Invalid
        When the answer holds no log-probabilities.
    """
    try:
        first: Mapping[str, Any] = json.loads(body)["choices"][0]["logprobs"]["content"][0]
        listed = [(str(one["token"]), float(one["logprob"])) for one in first["top_logprobs"]]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise Invalid("The endpoint gave no log-probabilities. Probe it again: hardcase engines probe.") from error
    mass = np.zeros(options)
    for token, logprob in listed:
        place = string.ascii_uppercase.find(token.strip()) if len(token.strip()) == 1 else -1
        if 0 <= place < options and math.isfinite(logprob):
            mass[place] += math.exp(min(logprob, 0.0))
    return mass


def over_classes(mass: Probs, chosen: Sequence[int], prediction: Sequence[float] | None, classes: int) -> Probs:
    """(K,) probabilities of all classes from the mass of those that had a letter.

    Those that had none keep their prediction; the others share the rest.

    >>> over_classes(np.array([0.6, 0.2]), [0, 2], [0.5, 0.1, 0.4], 3).round(3).tolist()
    [0.675, 0.1, 0.225]
    """
    share = np.maximum(mass, LEAST) / np.maximum(mass, LEAST).sum()
    probs = np.zeros(classes) if prediction is None else np.array(prediction, dtype=np.float64)
    left = 1.0 - float(np.delete(probs, list(chosen)).sum())
    probs[list(chosen)] = share * left
    whole: Probs = probs / probs.sum()
    return whole
