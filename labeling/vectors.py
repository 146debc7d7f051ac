"""Rows of numbers brought to length 1, or to sum 1: (N, D) vectors and (N, K) scores in, the same shape out.

Both work along the last axis and keep the precision of what they are given. `Rows` are vectors that need not lie in
memory all at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from labeling.slices import slices

__all__ = ["Rows", "finite", "finite_rows", "shown_probs", "softmax", "unit"]

Float = TypeVar("Float", bound=np.floating)
ROWS_AT_ONCE = 4_096


class Rows(Protocol):
    """Vectors (N, D): an array, or a view that reads those of a slice or an array of rows when they are taken."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Any: ...

    def __array__(self) -> NDArray[Any]: ...


def finite_rows(vectors: Rows) -> NDArray[np.bool_]:
    """Which of N vectors have finite numbers only, (N,); some thousand are read at a time.

    Examples
    --------
    >>> finite_rows(np.array([[1.0, 2.0], [np.nan, 2.0]])).tolist()
    [True, False]
    """
    blocks = [np.isfinite(vectors[rows]).all(axis=1) for rows in slices(len(vectors), ROWS_AT_ONCE)]
    return np.concatenate([np.empty(0, bool), *blocks])


def finite(vectors: NDArray[Float]) -> NDArray[Float]:
    """The same vectors with zero in place of every number that is not finite.

    >>> finite(np.array([[1.0, np.nan], [np.inf, 2.0]])).tolist()
    [[1.0, 0.0], [0.0, 2.0]]
    """
    known = np.isfinite(vectors)
    return vectors if known.all() else np.where(known, vectors, np.zeros((), vectors.dtype))


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


def shown_probs(
    logits: NDArray[np.floating], temperature: float, bias: Sequence[float] | NDArray[np.floating] = ()
) -> NDArray[np.float64]:
    """The probabilities (N, K) to show; a row whose class a bias would change keeps those of the temperature alone.

    Log probabilities serve as logits: a number that is added to a whole row changes nothing.

    >>> shown_probs(np.array([[2.0, 0.0], [0.1, 0.0]]), 1.0, (-0.5, 0.5)).round(3).tolist()
    [[0.731, 0.269], [0.525, 0.475]]
    """
    scores = np.asarray(logits, np.float64) / temperature
    plain = softmax(scores)
    if not len(bias):
        return plain
    moved = softmax(scores + np.asarray(bias))
    keeps_class = moved.argmax(axis=1) == scores.argmax(axis=1)
    return np.where(keeps_class[:, None], moved, plain)
