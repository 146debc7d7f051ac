"""Cluster margin: of the images of the smallest margins, as many of each cluster, the small clusters first."""

from __future__ import annotations

import numpy as np

from labeling.select.strategies.batch import most_doubtful
from labeling.select.strategies.by_score import by_doubt
from labeling.select.strategies.clusters import MOST_CLUSTERS, clusters, in_turn, narrowed
from labeling.select.strategies.strategy import Picks, Strategy, View, ranked
from labeling.select.strategies.typical import Typical

__all__ = ["ClusterMargin"]

_SHORTLIST = 10
"""So many times the query are considered, as in the paper."""
_LONGEST_SHORTLIST = 20_000


class ClusterMargin(Strategy):
    """Asks for doubtful images, and takes them in turn from clusters, so that no one kind fills the query.

    Notes
    -----
    Source: Citovsky and others (2021), "Batch Active Learning at Scale", arXiv:2107.14263. There the whole pool is
    clustered by average linkage, once, and chance picks within a cluster; here k-means makes as many clusters of the
    shortlist as images are wanted, and the most doubtful of each is picked.
    """

    def choose(self, view: View, n: int, rng: np.random.Generator) -> Picks:
        """The smallest margins of each cluster in turn, of ten times n images; typical ones without predictions."""
        predicted = view.predicted
        if predicted is None:
            return Typical().choose(view, n, rng)
        doubts, each = by_doubt(view, predicted)
        n = min(n, len(each))
        if n <= 0:
            return ranked(each[:0], "")
        most = max(n, min(_SHORTLIST * n, _LONGEST_SHORTLIST))
        at = each[most_doubtful(doubts[each], min(most, len(each)))]  # the most doubtful first
        which = clusters(narrowed(view.vectors(at), rng), min(n, MOST_CLUSTERS), rng)
        members = [(np.flatnonzero(which == c), 0) for c in np.unique(which)]
        return ranked(at[in_turn(members, n, smallest_first=True)], "doubtful in its cluster")
