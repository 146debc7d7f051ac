"""DropQuery: images whose class changes when features are left out, one from each of n clusters of them.

In: a view whose members are thinned: the classifier with part of its features left out, another part in each.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from labeling.select.strategies.by_score import hardest
from labeling.select.strategies.clusters import MOST_CLUSTERS, clusters, in_turn, narrowed
from labeling.select.strategies.disagreement.members import votes
from labeling.select.strategies.strategy import (
    Ensemble,
    Picks,
    Positions,
    Predicted,
    Scores,
    Strategy,
    View,
    ranked,
)
from labeling.select.strategies.typical import Typical
from labeling.select.strategies.uncertainty import known_rows
from labeling.slices import slices

__all__ = ["DropQuery", "changed_share", "unstable"]

_CHANGES = 0.5
_MOST_POINTS = 10_000
"""Of more images that change so many are sampled before they are clustered."""
_BLOCK = 4_096


class DropQuery(Strategy):
    """Asks for images that more than half of the thinned classifiers name otherwise, the most central of each cluster.

    Notes
    -----
    Source: Gupte, Aklilu, Nirschl, Yeung-Levy (2024), "Revisiting Active Learning in the Era of Vision Foundation
    Models", arXiv:2401.14555. There each image has features of its own left out; here a member leaves the same ones out
    of every image, so that an image's votes do not depend on which others are asked about.
    """

    ensemble: ClassVar[Ensemble | None] = Ensemble.THINNED

    def choose(self, view: View, n: int, rng: np.random.Generator) -> Picks:
        """Typical images where there are no members; those of the largest shares where fewer than n change."""
        predicted = view.predicted
        if predicted is None or predicted.members is None:
            return Typical().choose(view, n, rng)
        n = min(n, len(np.unique(view.groups)))
        if n <= 0:
            return ranked(np.empty(0, np.int64), "")
        shares = changed_share(predicted)
        each = hardest(view, shares, np.arange(len(shares)))
        at = each[unstable(shares[each], n, rng)]
        picked = at[_central(view.vectors(at), n, rng)]
        reasons = tuple(f"named otherwise by {share:.0%} of thinned classifiers" for share in shares[picked])
        return Picks(picked, ranked(picked, "").scores, reasons)


def changed_share(predicted: Predicted) -> Scores:
    """The share of the members that name another class than the classifier does, (N,) in [0, 1].

    >>> members = np.array([[[0.9, 0.1]], [[0.2, 0.8]]])
    >>> changed_share(Predicted(np.array([[0.7, 0.3]]), members=members)).tolist()
    [0.5]
    """
    n = len(predicted.probs)
    shares = np.empty(n)
    for some in slices(n, _BLOCK):
        named = known_rows(predicted.probs[some]).argmax(axis=1)  # (B,)
        of_members = votes(predicted.members_at(np.arange(n)[some]))  # (M, B)
        shares[some] = (of_members != named).mean(axis=0)
    return shares


def unstable(shares: Scores, n: int, rng: np.random.Generator) -> Positions:
    """Positions of shares over a half, at most 10,000 of them drawn by chance; the n largest where fewer are.

    >>> unstable(np.array([0.6, 0.2, 0.4]), 2, np.random.default_rng(0)).tolist()
    [0, 2]
    """
    changing = np.flatnonzero(shares > _CHANGES)
    if len(changing) < n:
        return np.sort(np.argsort(-shares, kind="stable")[:n])
    return np.sort(rng.permutation(changing)[: max(n, _MOST_POINTS)])


def _central(vectors: npt.NDArray[np.float32], n: int, rng: np.random.Generator) -> Positions:
    """Of n clusters of points the nearest to each centre, the largest clusters first."""
    points = narrowed(vectors, rng)
    which = clusters(points, min(n, MOST_CLUSTERS), rng)
    members = [np.flatnonzero(which == c) for c in np.unique(which)]
    away = [np.square(points[at] - points[at].mean(axis=0)).sum(axis=1) for at in members]
    return in_turn([(at[np.argsort(far, kind="stable")], 0) for at, far in zip(members, away, strict=True)], n)
