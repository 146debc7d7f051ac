"""What each training label counts in a fit: less, the more the other labels speak against it.

In: features (N, F) and labels (N,). Out: weights (N,) in (0, 1], the chance that a label is right. Where nothing speaks
for wrong labels all are 1. No label is changed or left out, and none is called wrong: a fit is all that they are for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeling.learn.leave_one_out import elsewhere, others_by_features
from labeling.one_thread import one_thread
from labeling.vectors import softmax

__all__ = ["LEAST_LABELS", "label_weights"]

LEAST_LABELS = 30
"""With fewer all labels count the same."""
PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)
SCALES = (2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0)
"""What the scores of a regression are multiplied with before they are probabilities."""
HELD = 60.0
"""So many errors of a class would weigh as much as the assumption that they go to all other classes alike."""
FIRST, MOST, ROUNDS = 0.1, 0.5, 12
"""The share of wrong labels at first and at most, and how often it is estimated anew."""
CHANCE = 1.35
"""Errors make right labels likelier by so much in one of 20 cases: half the 90 % point of chi-square."""
SHARES = np.array([0.01, 0.03, 0.06, 0.1, 0.2, 0.35, 0.5])
LIKELY = 3
"""For so many of the likeliest by errors towards all classes alike, in one of these shares, the table is fitted."""
SMALLEST = 1e-30
"""A likelihood is never less."""
COMPARED = 5_000
"""So many labels are enough to choose these by."""
Numbers = NDArray[Any]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Model:
    """Scores (N, K) of a penalty, what they are multiplied with, and how likely the labels are."""

    scores: Numbers
    scale: float
    without: float
    uniform: float


def label_weights(features: NDArray[np.float32], labels: Labels, groups: Labels | None = None) -> Numbers:
    """The chance that each label is right, by what a ridge regression on the labels of all other groups says.

    Parameters
    ----------
    features : (N, F) float32
        Finite.
    labels : (N,) int
        Any numbers that name classes.
    groups : (N,) int, optional
        Near-duplicates share a group: a label neither speaks for itself nor for its group. Without it no two do.

    Returns
    -------
    (N,) float64 in (0, 1]; 1 for the only label of a class. All 1 with fewer than 30 labels or 2 classes, or where
    nothing speaks for wrong labels.

    Notes
    -----
    An image's class has the probabilities p (K,) of a softmax of the regression's scores, by leave-one-group-out, which
    has a closed form. Its label is that class with probability 1 - e, and with e another one, by a table T (K, K) that
    begins uniform and is fitted by expectation and maximisation, as strongly held to uniform as by 60 errors of each
    class. Penalty, scale of the scores, e and T are those that make the labels likeliest; without errors, where errors
    do not make them likelier by more than chance does. A label y is then right with p_y (1 - e) over the sum of
    p_c ((1 - e) [c = y] + e T_cy). Source of T: Dawid and Skene (1979), "Maximum
    Likelihood Estimation of Observer Error-Rates Using the EM Algorithm".
    docs/decisions/0062-training-labels-are-weighed.md has the measurements.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(90) % 3
    >>> features = (np.eye(3)[labels] + rng.normal(0, 0.1, (90, 3))).astype(np.float32)
    >>> wrong = [7, 20, 41, 66]
    >>> labels[wrong] = 0, 1, 0, 2
    >>> weights = label_weights(features, labels)
    >>> bool(weights[wrong].max() < 0.1), bool(np.delete(weights, wrong).min() > 0.9)
    (True, True)
    """
    classes, codes = np.unique(labels, return_inverse=True)
    groups = np.arange(len(labels)) if groups is None else groups
    judged = np.flatnonzero(elsewhere(codes, groups))
    if len(labels) < LEAST_LABELS or len(classes) < 2 or not len(judged):
        return np.ones(len(labels))
    with one_thread():
        return _chances(features, codes, judged, groups)


def _chances(features: NDArray[np.float32], codes: Labels, judged: Labels, groups: Labels) -> Numbers:
    others = others_by_features(features, groups)
    hot = np.eye(int(codes.max()) + 1, dtype=np.float32)[codes]  # (N, K)
    some = judged[np.unique(np.linspace(0, len(judged) - 1, min(len(judged), COMPARED)).astype(np.int64))]
    models = [
        _Model(scores, scale, *_likelihoods(softmax(scores[some] * scale), codes[some]))
        for scores in (others.scores(hot, penalty) for penalty in PENALTIES)
        for scale in SCALES
    ]
    without = max(model.without for model in models)
    likely = sorted(models, key=lambda model: model.uniform, reverse=True)[:LIKELY]
    if likely[0].uniform <= without:
        return np.ones(len(codes))
    tables = [_errors(softmax(one.scores[some] * one.scale), hot[some]) for one in likely]
    right = [
        _right(softmax(one.scores[some] * one.scale), codes[some], of) for one, of in zip(likely, tables, strict=True)
    ]
    best = max(range(len(likely)), key=lambda at: right[at][0])
    if right[best][0] - without <= CHANCE:
        return np.ones(len(codes))
    weights = np.ones(len(codes))
    probs = softmax(likely[best].scores[judged] * likely[best].scale)
    weights[judged] = _right(probs, codes[judged], tables[best])[1]
    return weights


def _likelihoods(probs: Numbers, codes: Labels) -> tuple[float, float]:
    """How likely the labels (N,) are without errors, and with errors towards all classes alike."""
    own = np.maximum(probs[np.arange(len(codes)), codes].astype(np.float64), SMALLEST)
    wrong = (1 - own) / (probs.shape[1] - 1)
    shared = np.log(np.outer(1 - SHARES, own) + np.outer(SHARES, wrong)).sum(axis=1)
    return float(np.log(own).sum()), float(shared.max())


def _right(probs: Numbers, codes: Labels, table: Numbers) -> tuple[float, Numbers]:
    """How likely the labels (N,) are with these errors, and the chance that each is right."""
    joint = probs * table[:, codes].T  # (N, K), of the class and the label
    total = joint.sum(axis=1)
    return float(np.log(total).sum()), joint[np.arange(len(codes)), codes] / total


def _errors(probs: Numbers, hot: Numbers) -> Numbers:
    """The chance (K, K) of each label by the class, from probabilities and labels (N, K)."""
    n_classes = hot.shape[1]
    others = 1 - np.eye(n_classes)
    prior = HELD / (n_classes - 1) * others
    wrong, towards = FIRST, others / (n_classes - 1)
    for _ in range(ROUNDS):
        table = (1 - wrong) * np.eye(n_classes) + wrong * towards
        joint = probs * (hot @ table.T)
        counts = (joint / joint.sum(axis=1, keepdims=True)).T @ hot * others  # of class c with label y
        wrong = min(counts.sum() / len(hot), MOST)
        towards = (counts + prior) / (counts + prior).sum(axis=1, keepdims=True)
    return np.asarray((1 - wrong) * np.eye(n_classes) + wrong * towards)
