"""Which labels are re-reviewed blind: the most suspicious ones, and a uniform draw from all others.

In: how suspicious each of N labels is, an order by chance, and which of them were re-reviewed already. Out: positions.
A larger plan holds every smaller one of the same order, so more can be asked for at any time; and labels that came
later find their places in the same order, so that what was asked before goes on counting.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

__all__ = ["SUSPICIOUS_SHARE", "Plan", "asked_plan", "chance_order", "next_plan", "plan_re_reviews"]

SUSPICIOUS_SHARE = 1 / 8
"""Of the re-reviews. They say nothing of the other labels: where none is wrong the interval is 1 / (1 - this) times as
wide as that of a uniform sample. docs/decisions/0035-an-eighth-by-suspicion.md has the simulation."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Positions of the labels to re-review: the most suspicious, and a uniform draw from all others, each in order."""

    suspicious: NDArray[np.int64]
    uniform: NDArray[np.int64]

    @property
    def all(self) -> NDArray[np.int64]:
        return np.concatenate([self.suspicious, self.uniform])


def chance_order(label_ids: Sequence[int], seed: int, salt: str) -> NDArray[np.int64]:
    """The positions (N,) of these labels in an order by chance, in which two labels always stand the same way round.

    Each label has a number of its own, from a hash of its id, the seed and the project's salt: more labels change the
    order of none.

    Examples
    --------
    >>> five, six = chance_order([3, 5, 7, 8, 9], 0, "salt"), chance_order([3, 5, 7, 8, 9, 11], 0, "salt")
    >>> [at for at in six.tolist() if at != 5] == five.tolist()
    True
    """
    own = [sha256(f"{salt}:re-review:{seed}:{label}".encode()).digest() for label in label_ids]
    return np.array(sorted(range(len(own)), key=own.__getitem__), np.int64)


def plan_re_reviews(
    suspicion: NDArray[np.floating], m: int, order: NDArray[np.int64], share: float = SUSPICIOUS_SHARE
) -> Plan:
    """Which m of N labels to re-review blind: a share are the most suspicious, the rest uniform among the others.

    With the same suspicion and order a larger m holds all labels of a smaller one. A label of the uniform draw may then
    be one of the most suspicious.

    Parameters
    ----------
    suspicion : (N,) float
        Higher is more suspicious, such as 1 - the out-of-fold probability of the label; NaN is the least. It is kept
        while the re-reviews of one plan are counted: one that has learnt from their outcomes would bias the draw.
    m : int
        How many re-reviews; all labels where there are no more.
    order : (N,) int
        All positions in an order by chance: that of the uniform draw, and of equal suspicions.
    share : float
        Of the m: so many are the most suspicious; in [0, 1).

    Examples
    --------
    >>> plan = plan_re_reviews(np.array([0.1, 0.9, 0.2, 0.3, 0.8, 0.4, 0.5, 0.6, 0.7]), 8, np.arange(9)[::-1])
    >>> plan.suspicious.tolist(), plan.uniform.tolist()
    ([1], [8, 7, 6, 5, 4, 3, 2])
    """
    m = min(m, len(suspicion))
    doubt = np.nan_to_num(np.asarray(suspicion, np.float64)[order], nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    h = int(m * share)
    top = order[np.argsort(-doubt, kind="stable")[:h]]
    return Plan(top, order[~np.isin(order, top)][: m - h])


def asked_plan(suspicion: NDArray[np.floating], order: NDArray[np.int64], asked: NDArray[np.bool_]) -> Plan:
    """The largest plan all of whose labels were asked about; `asked` (N,) says which were, by this plan or another.

    Examples
    --------
    >>> asked = np.array([True] * 7 + [False, False, True])
    >>> asked_plan(np.arange(10) / 10, np.arange(10), asked).all.tolist()
    [9, 0, 1, 2, 3, 4, 5, 6]
    """
    return next_plan(suspicion, order, asked, 0)


def next_plan(suspicion: NDArray[np.floating], order: NDArray[np.int64], asked: NDArray[np.bool_], more: int) -> Plan:
    """The largest plan that holds at most `more` labels that were not asked about yet.

    Examples
    --------
    >>> next_plan(np.arange(10) / 10, np.arange(10), np.zeros(10, bool), 8).all.tolist()
    [9, 0, 1, 2, 3, 4, 5, 6]
    """

    def lacking(m: int) -> int:
        return int((~asked[plan_re_reviews(suspicion, m, order).all]).sum())

    largest = bisect_right(range(1, len(suspicion) + 1), more, key=lacking)
    return plan_re_reviews(suspicion, largest, order)
