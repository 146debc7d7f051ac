"""What the labels of all other groups say of an image: ridge regression without each group, in closed form.

In: features (N, F), or their products (N, N), and labels as columns (N, K). Out: scores (N, K) of a regression on the
labels of the other groups. One decomposition serves every penalty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from labeling.slices import slices

__all__ = ["Others", "elsewhere", "others_by_features", "others_by_products"]

Numbers = NDArray[Any]
BLOCK = 4_096
"""So many images at a time."""


@dataclass(frozen=True, slots=True)
class Others:
    """N images in coordinates (N, R) that are not correlated, and the sum of squares (R,) of each."""

    turned: Numbers
    squares: Numbers
    together: tuple[NDArray[np.int64], ...]
    """The positions of each group that has several images."""

    def scores(self, hot: Numbers, penalty: float) -> Numbers:
        """Scores (N, K) of each image by a regression on the labels `hot` (N, K) of the other groups.

        Notes
        -----
        Source: Allen (1974), "The Relationship between Variable Selection and Data Augmentation and a Method for
        Prediction". For groups the residuals are solved for together.
        """
        n, mean = len(hot), hot.mean(axis=0)
        shrink = (1 / (self.squares + penalty)).astype(np.float32)  # (R,)
        weight = shrink[:, None] * (self.turned.T @ (hot - mean))
        missed = hot - mean - self.turned @ weight  # (N, K), of the regression on all
        alone = np.empty(n)
        for rows in slices(n, BLOCK):
            alone[rows] = 1 - np.square(self.turned[rows]) @ shrink - 1 / n
        error = missed / np.maximum(alone, 1e-6)[:, None]
        for at in self.together:
            inside = np.eye(len(at)) - (self.turned[at] * shrink) @ self.turned[at].T - 1 / n
            error[at] = np.linalg.lstsq(inside, missed[at], rcond=1e-6)[0]
        return np.asarray(hot - error)


def others_by_features(features: NDArray[np.float32], groups: NDArray[np.int64]) -> Others:
    """Of images with features (N, F); near-duplicates share one of the groups (N,)."""
    n, width = features.shape
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    if n <= width:
        x = features - mean
        return others_by_products(x @ x.T, groups)
    sums = np.zeros((width, width))
    for rows in slices(n, BLOCK):  # no copy of all features
        x = features[rows] - mean
        sums += x.T @ x
    squares, turn = eigh(sums, overwrite_a=True, check_finite=False)
    turned, turn = np.empty_like(features, np.float32), turn.astype(np.float32)
    for rows in slices(n, BLOCK):
        turned[rows] = (features[rows] - mean) @ turn
    return Others(turned, np.maximum(squares, 0), _together(groups))


def others_by_products(products: Numbers, groups: NDArray[np.int64]) -> Others:
    """Of images of which the inner products of their features are known, (N, N)."""
    means = products.mean(axis=0, dtype=np.float64)
    centred = products - means - means[:, None] + means.mean()
    squares, turn = eigh(centred.astype(np.float64), overwrite_a=True, check_finite=False)
    squares = np.maximum(squares, 0)
    return Others((turn * np.sqrt(squares)).astype(np.float32), squares, _together(groups))


def elsewhere(labels: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether another group has the label, (N,): where none has, the others could only contradict it."""
    classes, codes = np.unique(labels, return_inverse=True)
    pairs = np.unique(np.stack([codes, groups]), axis=1)
    return np.asarray(np.bincount(pairs[0], minlength=len(classes))[codes] > 1)


def _together(groups: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    order = np.argsort(groups, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    return tuple(part for part in parts if len(part) > 1)
