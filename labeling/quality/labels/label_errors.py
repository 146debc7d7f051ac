"""Which labels are probably wrong: labels and out-of-fold probabilities in, ranked suspects out.

In: labels (N,) as class positions, and probabilities (N, K) from a fit that knew neither the image nor its group. Out:
positions, the most suspicious first. The method is cleanlab's (confident learning). A row of NaN means no prediction:
such an image is never a suspect. It is a ranking: the errors of the classifier are among the suspects, so their number
is no rate (`wrong_labels` has that).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from labeling.learn.classifier import Inputs
from labeling.loading import loading

__all__ = ["Suspect", "cross_validated", "folds_of", "suspects", "twins_that_differ"]

FOLDS = 5

Labels = npt.NDArray[np.int64]
Probs = npt.NDArray[np.floating]
Fit = Callable[[Inputs, Labels], Callable[[Inputs], Probs]]
"""Fits a classifier on images (N) with labels (N,), and gives what predicts (M, K) for other images."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """One suspected label: `score` in [0, 1] is how well label and prediction agree (lower is more suspicious)."""

    position: int
    suggested: int
    score: float


def cross_validated(
    inputs: Inputs,
    labels: Labels,
    groups: npt.NDArray[np.int64],
    teaches: npt.NDArray[np.bool_],
    fit: Fit,
    n_classes: int,
    rng: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """Out-of-fold probabilities (N, K): each image's classifier was fitted neither on it nor on its near-duplicates.

    Parameters
    ----------
    inputs, labels, groups : N rows
        The labelled images; near-duplicates share a group, and so a fold.
    teaches : (N,) bool
        Whether an image may be learnt from. The others (the random stream) are only predicted.
    fit : callable
        The project's own head.
    n_classes : int
        K.
    rng : numpy.random.Generator
        Deals the groups to the folds.

    Returns
    -------
    (N, K) float. A row is NaN where the classifier had no example of the image's own label, or too few labels to be
    fitted: it could only have contradicted the label.
    """
    probs = np.full((len(labels), n_classes), np.nan)
    folds = folds_of(groups, teaches, rng)
    for fold in np.unique(folds):
        inside, outside = np.flatnonzero(folds == fold), np.flatnonzero((folds != fold) & teaches)
        known = np.unique(labels[outside])
        judged = inside[np.isin(labels[inside], known)]
        if len(known) >= 2 and len(judged):
            probs[judged] = fit(inputs.take(outside), labels[outside])(inputs.take(judged))
    return probs


def folds_of(
    groups: npt.NDArray[np.int64], teaches: npt.NDArray[np.bool_], rng: np.random.Generator, folds: int = FOLDS
) -> npt.NDArray[np.int64]:
    """The fold of each image: 0 to `folds` - 1 for groups that teach, -1 for groups of which no image does.

    Examples
    --------
    >>> groups, teaches = np.array([7, 7, 8, 9]), np.array([True, False, True, False])
    >>> folds = folds_of(groups, teaches, np.random.default_rng(0))
    >>> bool(folds[0] == folds[1] >= 0), int(folds[3])
    (True, -1)
    """
    names, place = np.unique(groups, return_inverse=True)
    teaching = np.zeros(len(names), bool)
    teaching[place[teaches]] = True
    dealt = np.full(len(names), -1, np.int64)
    dealt[teaching] = rng.permutation(np.arange(int(teaching.sum())) % folds)
    return np.asarray(dealt[place])


def suspects(
    labels: Labels, probs: Probs, rank_by: Literal["self_confidence", "normalized_margin"] = "self_confidence"
) -> list[Suspect]:
    """The labels that confident learning finds wrong, the most suspicious first.

    Notes
    -----
    cleanlab decides which ("prune by noise rate") and scores them. Source: Northcutt, Jiang, Chuang (2021), "Confident
    Learning: Estimating Uncertainty in Dataset Labels".

    Examples
    --------
    >>> labels = np.array([0] * 20 + [1] * 20 + [0])
    >>> probs = np.array([[0.9, 0.1]] * 20 + [[0.1, 0.9]] * 21)
    >>> [(one.position, one.suggested, round(one.score, 2)) for one in suspects(labels, probs)]
    [(40, 1, 0.1)]
    """
    judged, classes, given, said = _judged(labels, probs)
    if len(classes) < 2:
        return []
    with loading:
        from cleanlab.filter import find_label_issues  # half a second to load, for who has labels
        from cleanlab.rank import get_label_quality_scores

    order = find_label_issues(given, said, return_indices_ranked_by=rank_by, n_jobs=1)
    scores = get_label_quality_scores(given, said, method=rank_by)
    return [Suspect(int(judged[at]), int(classes[said[at].argmax()]), float(scores[at])) for at in order]


def twins_that_differ(labels: Sequence[str], groups: npt.NDArray[np.int64]) -> list[tuple[int, ...]]:
    """The positions of each group of near-duplicates whose labels are not all the same: at least one is wrong.

    Examples
    --------
    >>> twins_that_differ(["cat", "dog", "cat"], np.array([5, 5, 6]))
    [(0, 1)]
    """
    members: dict[int, list[int]] = {}
    for position, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(position)
    return [tuple(at) for at in members.values() if len({labels[position] for position in at}) > 1]


def _judged(labels: Labels, probs: Probs) -> tuple[Labels, Labels, Labels, npt.NDArray[np.float64]]:
    """What can be judged: positions (n,), classes with two labels or more (k,), labels in 0 to k - 1, probs (n, k)."""
    judged = np.flatnonzero(np.isfinite(probs).all(axis=1) & (labels >= 0))
    classes, times = np.unique(labels[judged], return_counts=True)
    classes = classes[times > 1]
    judged = judged[np.isin(labels[judged], classes)]
    said = np.asarray(probs[judged][:, classes], np.float64)
    return judged, classes, np.searchsorted(classes, labels[judged]), said / said.sum(axis=1, keepdims=True)
