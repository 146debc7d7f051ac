"""Ensembles of a head: labelled images in, (M, N, K) probabilities of M members out.

Members differ in the examples that they were fitted on (bagged) or in the features that they are left (thinned). They
are cheap and are only compared with each other: none is saved, judged or shown. The same input and `rng` give the same
members.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labeling.learn.classifier import ABSENT_LOGIT, Fusion, HeadKind, Inputs
from labeling.learn.fusions.concatenation import Concatenation
from labeling.vectors import softmax

__all__ = ["MEMBERS", "HeadEnsemble", "bagged", "bootstrap", "thinned"]

MEMBERS = 8
LEFT_OUT = 0.75
"""What part of the features a thinned member goes without, as in DropQuery."""
Logits = Callable[[NDArray[np.float32]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class HeadEnsemble:
    """M members on the features of one fusion."""

    fusion: Fusion
    members: tuple[Logits, ...]
    present: NDArray[np.bool_]
    """(K,) which classes had an example."""
    temperature: float

    def probs(self, inputs: Inputs) -> NDArray[np.float32]:
        """Probabilities (M, N, K) at the head's own temperature; the caller takes some thousand images at a time."""
        features = self.fusion.features(inputs)
        logits = [np.where(self.present, member(features), ABSENT_LOGIT) for member in self.members]
        return softmax((np.stack(logits) / self.temperature).astype(np.float32))


def bagged(
    inputs: Inputs,
    labels: NDArray[np.int64],
    n_classes: int,
    head: HeadKind,
    reference: Inputs,
    rng: np.random.Generator,
) -> HeadEnsemble:
    """Eight heads, each fitted on as many examples, drawn with replacement within each class.

    Parameters
    ----------
    inputs : Inputs
        N labelled images, one of a group of near-duplicates; their image vectors are finite.
    labels : (N,) int
        Positions in the label set, of two classes at least.
    n_classes : int
        K.
    head : HeadKind
        The project's own.
    reference : Inputs
        Images that the scaling constants come from.
    rng : numpy.random.Generator
        Draws the examples.

    Notes
    -----
    Source: Breiman (1996), "Bagging Predictors". Within each class, so that no member lacks a class that others have:
    where it does, it contradicts them about every image of that class, whatever the images are like.
    """
    fusion = Concatenation().fit(reference)
    features = fusion.features(inputs)
    drawn = [bootstrap(labels, rng) for _ in range(MEMBERS)]
    heads = [head.fit(features[rows], labels[rows], n_classes, rng) for rows in drawn]
    present = np.bincount(labels, minlength=n_classes) > 0
    return HeadEnsemble(fusion, tuple(one.logits for one in heads), present, head.temperature)


def thinned(
    inputs: Inputs,
    labels: NDArray[np.int64],
    n_classes: int,
    head: HeadKind,
    reference: Inputs,
    rng: np.random.Generator,
) -> HeadEnsemble:
    """One head fitted on all examples, eight times with three quarters of the features left out, others each time.

    Parameters are those of `bagged`; `rng` draws the features. What is left is scaled up, so that a score stays the
    same on average.

    Notes
    -----
    Source: Gupte, Aklilu, Nirschl, Yeung-Levy (2024), "Revisiting Active Learning in the Era of Vision Foundation
    Models", arXiv:2401.14555.
    """
    fusion = Concatenation().fit(reference)
    fitted = head.fit(fusion.features(inputs), labels, n_classes, rng)
    kept = ((rng.random((MEMBERS, fusion.width)) >= LEFT_OUT) / (1 - LEFT_OUT)).astype(np.float32)  # (M, F)

    def member(weights: NDArray[np.float32]) -> Logits:
        return lambda features: fitted.logits(features * weights)

    present = np.bincount(labels, minlength=n_classes) > 0
    return HeadEnsemble(fusion, tuple(member(weights) for weights in kept), present, head.temperature)


def bootstrap(labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """As many positions as there are labels (N,), drawn with replacement among those of each class.

    >>> labels = np.array([1, 0, 1, 1])
    >>> sorted(labels[bootstrap(labels, np.random.default_rng(0))].tolist())
    [0, 1, 1, 1]
    """
    of_each = [np.flatnonzero(labels == one) for one in np.unique(labels)]
    return np.concatenate([rng.choice(at, len(at)) for at in of_each])
