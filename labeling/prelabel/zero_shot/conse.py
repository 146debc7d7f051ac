"""Class probabilities for a label set that a network was not trained on, by way of the classes that it was trained on.

In: the network's probabilities for the classes it knows (N, C), and unit vectors of the texts of those classes
(C, T) and of the labels (K, T). Out: (N, K), rows summing to 1. Everything is pure arrays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labeling.vectors import softmax, unit

__all__ = ["NEAREST", "TEMPERATURE", "conse"]

NEAREST = 10
"""How many known classes represent an image. Fixed beforehand (docs/decisions/0004-bundled-engine.md)."""
TEMPERATURE = 0.067
"""Divides cosines before the softmax. Fixed beforehand, on images that belong to no project."""


def conse(
    known_probs: NDArray[np.float32],
    known_vectors: NDArray[np.float32],
    label_vectors: NDArray[np.float32],
    *,
    nearest: int = NEAREST,
    temperature: float = TEMPERATURE,
) -> NDArray[np.float64]:
    """Probabilities of the labels (N, K): an image is the mean of its likeliest known classes' texts.

    Parameters
    ----------
    known_probs : (N, C) float32
        Probabilities of the known classes.
    known_vectors, label_vectors : (C, T), (K, T) float32
        Unit vectors of their texts.
    nearest : int
        Only so many of the likeliest known classes count.
    temperature : float
        Lower is surer.

    Examples
    --------
    >>> two = np.eye(2, dtype=np.float32)
    >>> conse(np.array([[0.9, 0.1]], np.float32), two, two, nearest=1).argmax(axis=1).tolist()
    [0]

    Source: M. Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings" (2014).
    """
    nearest = min(nearest, known_probs.shape[1])
    top = np.argpartition(-known_probs, nearest - 1, axis=1)[:, :nearest]  # (N, k)
    weights = np.take_along_axis(known_probs, top, axis=1)  # (N, k)
    mixed = np.einsum("nk,nkt->nt", weights, known_vectors[top])  # (N, T)
    return softmax(unit(mixed).astype(np.float64) @ label_vectors.T.astype(np.float64) / temperature)  # (N, K)
