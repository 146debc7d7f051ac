"""Probabilities of classes of then in the columns of now, by the names of the classes.

In: the classes that probabilities (N, J) are of, and a configuration. Out: the same as (N, K); rows sum to 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labeling.label_sets.changes import names_now
from labeling.project import ProjectConfig

__all__ = ["columns_now", "columns_of", "in_columns"]


def columns_of(classes: Sequence[str], config: ProjectConfig) -> NDArray[np.float64] | None:
    """As `columns_now`; None too where the classes are not known, or the label set never changed."""
    return columns_now(classes, config) if classes and config.changes else None


def columns_now(then: Sequence[str], config: ProjectConfig) -> NDArray[np.float64] | None:
    """The matrix (J, K) that brings probabilities of J classes of then to the K of now; None where nothing changes.

    A split class is shared equally among its parts, and a retired one gives nothing: see `in_columns`.
    A class that is new has nothing.

    >>> from labeling.project import LabelChange, LabelClass, LabelOperation
    >>> config = ProjectConfig("animals", (LabelClass("pet"), LabelClass("bird")),
    ...                        changes=(LabelChange(LabelOperation.MERGE, ("cat", "dog"), ("pet",)),))
    >>> columns_now(("cat", "dog", "bird"), config).tolist()
    [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    """
    if tuple(then) == config.classes:
        return None
    names, at = names_now(config.changes), {name: position for position, name in enumerate(config.classes)}
    matrix = np.zeros((len(then), len(at)))
    for row, name in enumerate(then):
        stands = names.get(name, (name,))
        for one in stands:
            if one in at:
                matrix[row, at[one]] += 1 / len(stands)
    return matrix


def in_columns(probs: NDArray[np.floating], columns: NDArray[np.float64] | None) -> NDArray[np.floating]:
    """Probabilities (N, J) brought to the columns of now, (N, K); rows sum to 1, and equal where all they said is gone.

    >>> columns = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    >>> in_columns(np.array([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]]), columns).round(3).tolist()
    [[0.667, 0.333], [0.5, 0.5]]
    """
    if columns is None:
        return probs
    found = np.asarray(probs, np.float64) @ columns
    left = found.sum(axis=-1, keepdims=True)
    gone = left <= 0
    return np.where(gone, 1 / columns.shape[1], found / np.where(gone, 1, left)).astype(probs.dtype)
