"""Class-balanced: the class with the fewest labels in turn, and of the images predicted as it the most doubtful."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labeling.select.strategies.by_score import by_doubt
from labeling.select.strategies.classes.counts import labels_of_each
from labeling.select.strategies.strategy import Picks, Positions, Strategy, View, ranked
from labeling.select.strategies.typical import Typical
from labeling.select.strategies.uncertainty import known_rows

__all__ = ["ClassBalanced", "balancing"]


class ClassBalanced(Strategy):
    """Asks so that labels of all classes become as many, as far as the classifier can tell classes.

    Notes
    -----
    Source: Bengar, van de Weijer, Lopez Fuentes, Raducanu (2022), "Class-Balanced Active Learning for Image
    Classification", arXiv:2110.04543. There the expected counts are balanced by an integer programme over the pool;
    here one by one, which costs one pass.
    """

    def choose(self, view: View, n: int, rng: np.random.Generator) -> Picks:
        """Each pick is of the class with the fewest labels and picks so far; typical images without predictions."""
        predicted = view.predicted
        if predicted is None:
            return Typical().choose(view, n, rng)
        doubts, each = by_doubt(view, predicted)
        order = each[np.lexsort((each, -doubts[each]))]  # the most doubtful first
        picked = balancing(predicted.probs, order, n, labels_of_each(view.labelled(), predicted))
        return ranked(picked, "its class has few labels")


def balancing(probs: npt.NDArray[np.floating], order: Positions, n: int, counts: npt.NDArray[np.floating]) -> Positions:
    """Take n times the first image that is left of the class with the lowest count.

    Parameters
    ----------
    probs : (N, K) array
        Each image stands in the line of its likeliest class.
    order : (M,) int64 array
        The positions that may be taken, the best first.
    n : int
        How many to take; none where it is not above 0.
    counts : (K,) array
        What there is of each class. What is taken adds its probabilities, for its class is not known yet.

    Returns
    -------
    (min(n, M),) int64 array of distinct positions, in the order taken.

    Examples
    --------
    >>> probs = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    >>> balancing(probs, np.array([0, 1, 2]), 2, np.array([3.0, 0.0])).tolist()
    [2, 0]
    """
    named, counts = probs.argmax(axis=1)[order], np.array(counts, np.float64)
    lines = order[np.argsort(named, kind="stable")]  # one class after the other
    ends = np.searchsorted(np.sort(named), np.arange(len(counts)), side="right")
    at = np.concatenate([[0], ends[:-1]])
    taken: list[int] = []
    while len(taken) < min(n, len(order)):
        one = int(np.where(at < ends, counts, np.inf).argmin())
        taken.append(int(lines[at[one]]))
        at[one] += 1
        counts += known_rows(probs[taken[-1:]])[0]
    return np.array(taken, np.int64)
