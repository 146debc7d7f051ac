"""Rows of numbers brought to length 1, or to sum 1: (N, D) vectors and (N, K) scores in, the same shape out.

Both work along the last axis and keep the precision of what they are given.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["softmax", "unit"]

Float = TypeVar("Float", bound=np.floating)


def unit(vectors: NDArray[Float]) -> NDArray[Float]:
    """Vectors (..., D) at length 1; a vector of zeros stays one, one with an infinite number has NaN in its place.

    Examples
    --------
    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):  # infinite over infinite
        return np.asarray(vectors / np.maximum(lengths, 1e-12), vectors.dtype)


def softmax(scores: NDArray[Float]) -> NDArray[Float]:
    """Probabilities (..., K) of scores (..., K), safe for large ones; higher is likelier.

    Examples
    --------
    >>> softmax(np.array([1000.0, 1000.0])).tolist()
    [0.5, 0.5]
    """
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), scores.dtype)
