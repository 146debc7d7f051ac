"""How much of a query follows doubt: what training labels alone say of it in, a strategy made of two out.

Doubt pays where the classifier is right about most images; where vectors are weak it asks for what cannot be learnt. So
a query is shared between the policy's strategy and representative images. No label of the random stream is part of the
evidence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from labeling.select.strategies.strategy import (
    Labelled,
    Picks,
    Positions,
    Predicted,
    Scores,
    Strategy,
    View,
    Would,
    checked_picks,
    ranked,
)
from labeling.select.strategies.typical import Typical

__all__ = [
    "LEAST_LABELS",
    "MOST_LABELS",
    "Evidence",
    "Hedged",
    "evidence_of",
    "hedged",
    "said",
    "sampled_groups",
    "share_by_doubt",
]

LEAST_LABELS = 40
"""Under so many labels nothing is said: out-of-fold accuracy would be wrong by more than .1 in one case of five."""
MOST_LABELS = 1_000
_SURE = 0.8
_NO_DOUBT_UNDER, _ALL_DOUBT_FROM, _UNKNOWN = 0.25, 0.75, 0.5
"""Found on mixtures, made pictures and a table, on no set of real images: docs/decisions/0020-hedged-selection.md."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the labels that are learnt from say of the classifier and of themselves, out of fold."""

    accuracy: float
    """Share of the labels that a classifier fitted without them predicts. Images picked by doubt are harder than the
    collection, so this is no estimate of the accuracy on it."""
    contradicted: float
    """Share of the labels for which it is sure (p > .8) of another class, less what such a sure one may be wrong by: at
    most so many are wrong, if the classifier errs as seldom as it says. No estimate of how many are."""
    most_frequent: float
    """Share of the labels that are of the most frequent class."""
    labels: int
    """How many that were counted over."""


def evidence_of(labels: npt.NDArray[np.int64], probs: npt.NDArray[np.floating]) -> Evidence | None:
    """What out-of-fold probabilities say.

    Parameters
    ----------
    labels : (N,) int
        Class positions of labels that are learnt from.
    probs : (N, K) array
        Of each image at the temperature that images are ranked by, by a classifier that knew neither the image nor its
        group (`labeling.quality.labels.label_errors.cross_validated`). A row of NaN counts as a wrong prediction.

    Returns
    -------
    Evidence, or None: not yet known, under 40 labels.

    Examples
    --------
    >>> probs = np.array([[0.9, 0.1]] * 39 + [[0.1, 0.9]])
    >>> found = evidence_of(np.zeros(40, int), probs)
    >>> found.accuracy, found.contradicted
    (0.975, 0.0)
    """
    n = len(labels)
    if n < LEAST_LABELS:
        return None
    known = np.isfinite(probs).all(axis=1)
    theirs, of = np.asarray(probs[known], np.float64), labels[known]
    top, sure = theirs.argmax(axis=1), theirs.max(axis=1) > _SURE
    explained = (1 - theirs.max(axis=1))[sure].sum()
    contradicted = max(0.0, float((sure & (top != of)).sum() - explained)) / n
    most_frequent = np.unique(labels, return_counts=True)[1].max() / n
    return Evidence(float((top == of).sum() / n), contradicted, float(most_frequent), n)


def sampled_groups(groups: npt.NDArray[np.int64], rng: np.random.Generator) -> Positions:
    """Positions of at most about 1,000 labelled images, whole groups of them: what evidence is counted over.

    Examples
    --------
    >>> sampled_groups(np.array([4, 4, 2]), np.random.default_rng(0)).tolist()
    [0, 1, 2]
    """
    if len(groups) <= MOST_LABELS:
        return np.arange(len(groups))
    names = rng.permutation(np.unique(groups))
    kept = names[: max(1, MOST_LABELS * len(names) // len(groups))]
    return np.flatnonzero(np.isin(groups, kept))


def share_by_doubt(evidence: Evidence | None) -> float:
    """The part of a query that follows doubt, in [0, 1].

    Of the labels that are not contradicted: none follows it where the classifier is right no more than a quarter of the
    way from always saying the most frequent class to always being right, all from three quarters on, in between evenly
    more; half while nothing is known.

    Examples
    --------
    >>> [round(share_by_doubt(Evidence(accuracy, 0.0, 0.2, 100)), 2) for accuracy in (0.3, 0.6, 0.95)]
    [0.0, 0.5, 1.0]
    """
    if evidence is None:
        return _UNKNOWN
    accuracy = min(evidence.accuracy / max(1 - evidence.contradicted, 1e-9), 1.0)
    above = (accuracy - evidence.most_frequent) / max(1 - evidence.most_frequent, 1e-9)
    return min(max((above - _NO_DOUBT_UNDER) / (_ALL_DOUBT_FROM - _NO_DOUBT_UNDER), 0.0), 1.0)


def hedged(strategy: Strategy, evidence: Evidence | None, *, promoted: bool) -> Strategy:
    """The strategy of one query: the policy's own one, hedged by representative images.

    Parameters
    ----------
    strategy : Strategy
        The policy's. A uniform one, and one that only asks typical images, is not hedged.
    evidence : Evidence, optional
        None: not yet known.
    promoted : bool
        Whether a version has been promoted. Before that the whole query is representative: prelabels are no
        ground to doubt by.
    """
    if strategy.uniform or isinstance(strategy, Typical):
        return strategy
    return Hedged(strategy, share_by_doubt(evidence) if promoted else 0.0)


def said(picks: Picks, evidence: Evidence | None) -> str:
    """What a query did and why, one sentence; empty for a query that was not hedged.

    Examples
    --------
    >>> picks = Picks(np.arange(4), np.ones(4), ("",) * 4, np.array([True, True, True, False]))
    >>> said(picks, Evidence(0.81, 0.05, 0.2, 120))
    '3 of 4 by doubt, 1 representative: out-of-fold accuracy .81 on 120 labels, 5 % of them contradicted'
    >>> said(replace(picks, by_doubt=np.zeros(4, bool)), None)
    '0 of 4 by doubt, 4 representative: whether doubt pays is not yet known'
    """
    if picks.by_doubt is None:
        return ""
    n, doubtful = len(picks.by_doubt), int(picks.by_doubt.sum())
    counted = f"{doubtful} of {n} by doubt, {n - doubtful} representative"
    if evidence is None:
        return f"{counted}: whether doubt pays is not yet known"
    accuracy = f"{evidence.accuracy:.2f}".lstrip("0")
    return (
        f"{counted}: out-of-fold accuracy {accuracy} on {evidence.labels} labels, "
        f"{evidence.contradicted:.0%} of them contradicted".replace("%", " %")
    )


@dataclass(frozen=True, slots=True)
class Hedged(Strategy):
    """A strategy for a share of each query, another for the rest of it; their picks stand in turn."""

    strategy: Strategy
    share: float
    """In [0, 1]: how much of a query the first strategy picks."""
    representative: Strategy = Typical()

    def choose(self, view: View, n: int, rng: np.random.Generator) -> Picks:
        """The first strategy's picks, then of the other groups the second's, which takes the first's as labelled."""
        n = min(max(n, 0), len(np.unique(view.groups)))
        first = _checked(self.strategy, view, round(self.share * n), rng)
        others = np.flatnonzero(~np.isin(view.groups, view.groups[first.positions]))
        rest = replace(_part(view, others), labelled=lambda: _with(view, first.positions))
        second = _checked(self.representative, rest, n - len(first.positions), rng)
        by_doubt = _spread_evenly(len(first.positions), len(second.positions))
        order = np.argsort(np.argsort(~by_doubt, kind="stable"), kind="stable")
        at = np.concatenate([first.positions, others[second.positions]])[order]
        reasons = [*first.reasons, *second.reasons]
        return replace(ranked(at, ""), reasons=tuple(reasons[i] for i in order), by_doubt=by_doubt)

    def score(self, predicted: Predicted) -> Scores | None:
        """None: by doubt alone, representative images would come last."""
        return None

    def would_pick(self, view: View, picks: Picks, reserve: Positions, rng: np.random.Generator) -> Would:
        """What either strategy would have picked; `picks` without `by_doubt` are taken as representative."""
        by_doubt = np.zeros(len(picks.positions), bool) if picks.by_doubt is None else picks.by_doubt
        first, second = _some(picks, by_doubt), _some(picks, ~by_doubt)
        would = self.strategy.would_pick(view, first, reserve, rng)
        others = np.flatnonzero(~np.isin(view.groups, view.groups[first.positions]))
        rest = replace(_part(view, others), labelled=lambda: _with(view, first.positions))
        moved = replace(second, positions=np.searchsorted(others, second.positions))
        return would | self.representative.would_pick(rest, moved, np.searchsorted(others, reserve), rng)


def _checked(strategy: Strategy, view: View, n: int, rng: np.random.Generator) -> Picks:
    return checked_picks(strategy.choose(view, n, rng), view, n, type(strategy).__name__)


def _part(view: View, at: Positions) -> View:
    """The view of some of its images."""
    predicted = None if view.predicted is None else view.predicted.take(at)
    costs = None if view.costs is None else view.costs[at]
    weights = None if view.weights is None else view.weights[at]
    return View(view.groups[at], lambda some: view.gather(at[some]), view.labelled, predicted, costs, weights)


def _with(view: View, picked: Positions) -> Labelled:
    """The labelled images and the picked ones after them, whose labels are not known yet."""
    labelled = view.labelled()
    n = len(labelled.labels)

    def gather(at: Positions) -> npt.NDArray[np.float32]:
        before, after = at < n, at >= n
        theirs = view.gather(picked[at[after] - n])
        vectors = np.empty((len(at), theirs.shape[1]), np.float32)
        if before.any():
            vectors[before] = labelled.gather(at[before])
        vectors[after] = theirs
        return vectors

    return Labelled((*labelled.labels, *[""] * len(picked)), gather)


def _some(picks: Picks, which: npt.NDArray[np.bool_]) -> Picks:
    at = np.flatnonzero(which)
    return Picks(picks.positions[at], picks.scores[at], tuple(picks.reasons[i] for i in at))


def _spread_evenly(first: int, second: int) -> npt.NDArray[np.bool_]:
    """Which places of `first` + `second` are the first's, as evenly between the others as can be."""
    places = np.concatenate([(np.arange(first) + 0.5) / max(first, 1), (np.arange(second) + 0.5) / max(second, 1)])
    return np.asarray(np.argsort(places, kind="stable") < first)
