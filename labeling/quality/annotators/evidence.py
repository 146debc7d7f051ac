"""How likely answers are with harm rather than without: an e-process, which may be read after every answer.

In: whether each answer was bad, and the rate that was tolerated then. Out: the highest evidence that there ever was, a
logarithm. While answers are bad at no more than their tolerated rates it reaches log(1 / a) with a chance of at most a.

Source: Shafer et al. (2011), "Test martingales, Bayes factors and p-values"; Ville's inequality.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest

import numpy as np

__all__ = ["STEPS", "WEIGHTS", "log_evidence"]

STEPS = (0.1, 0.25, 0.5, 0.9)
WEIGHTS = (0.15, 0.5, 0.2, 0.15)
"""How far the alternatives lie from the tolerated rate towards 1; the evidence is their weighted mean."""


def log_evidence(events: Iterable[tuple[bool, float]], shared: Iterable[tuple[bool, float] | None] = ()) -> float:
    """The highest logarithm that the e-process reached.

    Parameters
    ----------
    events : iterable of (bad, tolerated rate)
        In the order in which they became known. Under the hypothesis each is bad with at most its tolerated rate,
        whatever came before.
    shared : iterable of (bad, tolerated rate) or None
        A second question about each event, given its result; None: no question. The two are multiplied.

    Examples
    --------
    >>> log_evidence([(True, 0.1)] * 3) > 4.09 > log_evidence([(False, 0.1)] * 99)
    True
    """
    steps, highest = np.array(STEPS), 0.0
    sums = np.tile(np.log(WEIGHTS), (2, 1))  # (questions, alternatives)
    for together in zip_longest(events, shared):
        for question, event in enumerate(together):
            if event is not None:
                bad, tolerated = event
                sums[question] += np.log1p(steps * (1 - tolerated) / tolerated) if bad else np.log1p(-steps)
        highest = max(highest, float(np.logaddexp.reduce(sums, axis=1).sum()))
    return highest
