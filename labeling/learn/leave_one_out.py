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

__all__ = ["Others", "elsewhere", "others_by_features", "others_by_products"]

Numbers = NDArray[Any]


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
        shrunk = self.turned / (self.squares + penalty).astype(np.float32)
        missed = hot - mean - shrunk @ (self.turned.T @ (hot - mean))  # (N, K), of the regression on all
        alone = 1 - np.einsum("nr,nr->n", shrunk, self.turned) - 1 / n
        error = missed / np.maximum(alone, 1e-6)[:, None]
        for at in self.together:
            inside = np.eye(len(at)) - shrunk[at] @ self.turned[at].T - 1 / n
            error[at] = np.linalg.lstsq(inside, missed[at], rcond=1e-6)[0]
        return np.asarray(hot - error)


def others_by_features(features: NDArray[np.float32], groups: NDArray[np.int64]) -> Others:
    """Of images with features (N, F); near-duplicates share one of the groups (N,)."""
    x = features - features.mean(axis=0)
    if len(x) <= x.shape[1]:
        return others_by_products(x @ x.T, groups)
    squares, turn = eigh((x.T @ x).astype(np.float64), overwrite_a=True, check_finite=False)
    return Others(x @ turn.astype(np.float32), np.maximum(squares, 0), _together(groups))


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
