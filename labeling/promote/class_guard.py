"""Whether a candidate is worse than the champion on some class, tested on all classes together at a stated error rate.

In: the pair, and how often a candidate that is worse on no class may be refused. Out: the classes on which it is worse,
and those that have too few images to be tested. Which classes are tested follows from the truth alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from labeling.promote.pair import Pair

__all__ = ["ClassGuard", "Worse", "guard_classes", "groups_needed"]


@dataclass(frozen=True, slots=True)
class Worse:
    """A class on which the candidate is worse: in how many groups it is better and worse, and the one-sided p-value."""

    position: int
    better: int
    worse: int
    p_value: float


@dataclass(frozen=True, slots=True)
class ClassGuard:
    """`guarded` and `unguarded` are positions of classes; of the second no result could have refused a candidate."""

    guarded: tuple[int, ...]
    unguarded: tuple[int, ...]
    worse: tuple[Worse, ...]


def groups_needed(rate: float, classes: int) -> int:
    """With how many groups a class can be guarded, where `classes` share the error rate in (0, 1).

    >>> groups_needed(0.05, 1), groups_needed(0.05, 10)
    (5, 8)
    """
    return math.ceil(math.log2(classes / rate) - 1e-9)


def guard_classes(pair: Pair, classes: int, rate: float) -> ClassGuard:
    """Test each class with images enough; a candidate that is worse on none is refused in at most `rate` of samples.

    The exact sign test of the groups of a class in which one of the two is right on more images (McNemar), one-sided,
    each at `rate` divided by the number of guarded classes (Bonferroni).

    Parameters
    ----------
    pair : Pair
        The candidate is `ours`. Images whose truth is no class are of none.
    classes : int
        K, how many there are.
    rate : float
        In (0, 1).

    Examples
    --------
    >>> truth = np.repeat([0, 1, 2], [20, 20, 3])
    >>> ours = np.where(np.arange(43) < 12, 2, truth)  # wrong on 12 of the first 20
    >>> from labeling.promote.pair import Measure
    >>> found = guard_classes(Pair(ours, truth.copy(), truth, np.arange(43), Measure.ACCURACY, 3), 3, 0.05)
    >>> found.guarded, found.unguarded, [(one.position, one.worse, round(one.p_value, 4)) for one in found.worse]
    ((0, 1), (2,), [(0, 12, 0.0002)])
    """
    net = [_net(pair, pair.truth == position) for position in range(classes)]
    sizes = np.array([len(one) for one in net], np.int64)
    guarded = _guarded(sizes, rate)
    counts = [(at, int((net[at] > 0).sum()), int((net[at] < 0).sum())) for at in guarded]
    tested = [Worse(at, better, worse, _p_value(better, worse)) for at, better, worse in counts]
    return ClassGuard(
        guarded,
        tuple(at for at in range(classes) if at not in guarded),
        tuple(one for one in tested if one.p_value <= rate / len(guarded)),
    )


def _net(pair: Pair, of_class: NDArray[np.bool_]) -> NDArray[np.float64]:
    """For each group with images of the class, on how many more of these ours is right."""
    _, of = np.unique(pair.groups[of_class], return_inverse=True)
    gained = (pair.ours == pair.truth).astype(float) - (pair.theirs == pair.truth)
    return np.bincount(of, weights=gained[of_class]).astype(np.float64)


def _guarded(sizes: NDArray[np.int64], rate: float) -> tuple[int, ...]:
    """As many classes as can be tested together, those with the most groups."""
    order = np.argsort(-sizes, kind="stable")
    for many in range(len(sizes), 0, -1):
        if sizes[order[many - 1]] >= groups_needed(rate, many):
            return tuple(sorted(order[:many].tolist()))
    return ()


def _p_value(better: int, worse: int) -> float:
    """The chance that of so many groups that differ as many or more are worse, if each is as likely to be better."""
    return float(bdtr(better, better + worse, 0.5)) if better + worse else 1.0
