"""Candidate and champion tested on training images, each fitted without the fold that it is tested on.

In: what each recipe makes of its own snapshot without some groups. Out: probabilities (N, K) of both for the same
images. Invariant: neither has learnt from an image that it predicts, nor from a near-duplicate of it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from labeling.learn.classifier import Inputs
from labeling.quality.labels.label_errors import Fit, folds_of

__all__ = ["FOLDS", "Predictor", "learns_without", "out_of_fold"]

FOLDS = 10
Predictor = Callable[[NDArray[np.int64]], NDArray[np.floating]]
"""Positions (M,) of whole groups in, probabilities (M, K) out, of a classifier that was fitted without them. So are an
engine's pre-labels, which were fitted on none."""


def out_of_fold(
    groups: NDArray[np.integer], candidate: Predictor, champion: Predictor, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities (N, K) of candidate and champion for N training images, over the same ten folds of groups.

    Parameters
    ----------
    groups : (N,) int
        Near-duplicates share a group, and so a fold.
    candidate, champion : Predictor
        Each learns from its own snapshot without the fold: the champion from its older one.
    rng : numpy.random.Generator
        Deals the groups to the folds.

    Examples
    --------
    >>> always = lambda positions: np.tile([0.9, 0.1], (len(positions), 1))
    >>> ours, theirs = out_of_fold(np.arange(4), always, always, np.random.default_rng(0))
    >>> ours.shape, bool((ours == theirs).all())
    ((4, 2), True)
    """
    fold = folds_of(np.asarray(groups, np.int64), np.ones(len(groups), bool), rng, FOLDS)
    inside = [np.flatnonzero(fold == one) for one in np.unique(fold)]
    return _joined(inside, candidate), _joined(inside, champion)


def learns_without(
    inputs: Inputs,
    labels: NDArray[np.integer],
    groups: NDArray[np.integer],
    snapshot: NDArray[np.bool_],
    fit: Fit,
    n_classes: int,
) -> Predictor:
    """The predictor of a recipe: `fit` on the images of its snapshot that are of none of the groups to predict.

    Parameters
    ----------
    inputs, labels, groups : N rows
        The images of both snapshots, and the labels as this snapshot has them.
    snapshot : (N,) bool
        Which of them this recipe learns from.
    fit : callable
        The recipe: images and labels in, what predicts other images out.
    n_classes : int
        K. Where fewer than two classes are left nothing is fitted, and every row is NaN: an error.
    """
    given = np.asarray(labels, np.int64)

    def predict(positions: NDArray[np.int64]) -> NDArray[np.float64]:
        outside = np.flatnonzero(snapshot & ~np.isin(groups, groups[positions]))
        if len(np.unique(given[outside])) < 2:
            return np.full((len(positions), n_classes), np.nan)
        return np.asarray(fit(inputs.take(outside), given[outside])(inputs.take(positions)), np.float64)

    return predict


def _joined(inside: list[NDArray[np.int64]], predict: Predictor) -> NDArray[np.float64]:
    """The predictions of all folds (N, K), each image in its place."""
    order = np.concatenate(inside)
    return np.concatenate([predict(fold) for fold in inside])[np.argsort(order)].astype(np.float64)
