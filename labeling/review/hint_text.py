"""The hint beside an image about an engine's prediction: its likeliest classes and its reason, as plain text.

In: class probabilities or a named answer, and the engine's own words, which are untrusted. Out: one short line each,
empty where there is nothing to show. Invariant: no markup, no control character, no field of the task in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labeling.ingest.text import clean_text
from labeling.review.config import literal

__all__ = ["Hint", "reason_line", "top_line"]

TOP = 3
LONGEST = 400


@dataclass(frozen=True, slots=True)
class Hint:
    """The two lines of one task; both empty where it is blind, or nothing may be shown."""

    top: str = ""
    reason: str = ""


def top_line(engine: str, classes: Sequence[str], probs: Sequence[float], answer: str | None) -> str:
    """The three likeliest classes with their shares, or the answer alone where the engine gave no probabilities.

    Parameters
    ----------
    engine : str
        Its name, as people know it.
    classes, probs : (K,)
        The label set, and what the engine gave each; `probs` may be empty.
    answer : str or None
        What it named, where it named something.

    Examples
    --------
    >>> top_line("bundled", ["cat", "dog", "bird", "fish"], [0.005, 0.62, 0.3, 0.075], None)
    'When asked, bundled said: dog 62 %, bird 30 %, fish 8 %'
    >>> top_line("agent", ["cat", "dog"], [], "none of these")
    'When asked, agent said: none of these'
    """
    named = [answer] if answer else []
    if len(probs) == len(classes) and np.isfinite(probs).all():
        best = np.argsort(-np.asarray(probs), kind="stable")[:TOP]
        named = [f"{classes[k]} {_percent(float(probs[k]))}" for k in best]
    return f"When asked, {_plain(engine)} said: {_plain(', '.join(named))}" if named else ""


def reason_line(reason: str) -> str:
    """The engine's own reason, cut short; empty where it gave none.

    Examples
    --------
    >>> reason_line(" whiskers \\n and <b>ears</b> ")
    'Its reason: whiskers and <b>ears</b>'
    """
    said = _plain(reason)
    if len(said) > LONGEST:
        said = f"{said[: LONGEST - 1]}…"
    return f"Its reason: {said}" if said else ""


def _percent(share: float) -> str:
    return "under 1 %" if share < 0.01 else f"{round(100 * share)} %"


def _plain(text: str) -> str:
    return literal(" ".join((clean_text(text) or "").split()))
