"""From image vectors into the space of texts, learnt from a project's own images that came with a text.

In: image vectors (N, D), text vectors (N, T) with rows of NaN where no text came, near-duplicate groups (N,). Out: a
`Projection`, and by it a unit vector (T,) for any image. Invariant: the map that an image goes through was fitted
without its group, so neither its own text nor its near-duplicate's counts for it. No label is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labeling.prelabel.engine import Vectors
from labeling.vectors import Rows, finite_rows, softmax, unit

__all__ = ["FOLDS", "LEAST_TEXTS", "PENALTY", "Projection", "combine", "fit_projection"]

PENALTY = 0.1
"""Of the ridge, on unit vectors. Fixed beforehand (docs/decisions/0004-bundled-engine.md)."""
FOLDS = 5
MOST_TEXTS = 20_000
"""So many images, evenly spread, are fitted on: more cost time and change little."""
LEAST_TEXTS = 100
"""Images with a text outside an image's fold. It was measured with 250; with fewer than these it is not tried."""

Moments = tuple[int, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """One affine map a fold: text = (image - `image_means`[f]) @ `maps`[f] + `text_means`[f].

    Shapes (F, D), (F, D, T), (F, T). Fold f's map was not fitted on the groups of fold f.
    """

    maps: NDArray[np.float32]
    image_means: NDArray[np.float32]
    text_means: NDArray[np.float32]

    def apply(self, image_vectors: Vectors, groups: NDArray[np.int64]) -> Vectors:
        """Unit vectors (n, T) of images (n, D) of the groups (n,), each by the map that was not fitted on its group."""
        projected = np.empty((len(image_vectors), self.text_means.shape[1]), np.float32)
        folds = np.asarray(groups, np.int64) % len(self.maps)
        for fold in np.unique(folds):
            rows = folds == fold
            projected[rows] = (image_vectors[rows] - self.image_means[fold]) @ self.maps[fold] + self.text_means[fold]
        return unit(projected)


def fit_projection(image_vectors: Rows, text_vectors: Rows, groups: NDArray[np.int64]) -> Projection | None:
    """Fit one ridge a fold on the images of all other folds; None while there are too few texts.

    Parameters
    ----------
    image_vectors : (N, D) float32
        Unit vectors.
    text_vectors : (N, T) float32
        Unit vectors; a row of NaN where no text came with the image.
    groups : (N,) int64
        Near-duplicate groups. Fold f holds the groups whose id leaves the rest f.

    Returns
    -------
    Projection, or None where some fold would be fitted on fewer than `LEAST_TEXTS` images.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> images = rng.standard_normal((200, 4)).astype(np.float32)
    >>> fit_projection(images, images[:, :2], np.arange(200)).maps.shape
    (5, 4, 2)
    """
    if not len(text_vectors) or not text_vectors.shape[1]:
        return None
    usable = finite_rows(text_vectors) & finite_rows(image_vectors)
    rows = np.flatnonzero(usable)
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_TEXTS)).astype(np.int64))]
    folds = np.asarray(groups, np.int64)[rows] % FOLDS
    if len(rows) - np.bincount(folds, minlength=FOLDS).max(initial=0) < LEAST_TEXTS:
        return None
    x, y = image_vectors[rows].astype(np.float64), text_vectors[rows].astype(np.float64)  # (n, D), (n, T)
    by_fold = [_moments(x[folds == fold], y[folds == fold]) for fold in range(FOLDS)]
    fitted = [_ridge(_sum(part for f, part in enumerate(by_fold) if f != fold)) for fold in range(FOLDS)]
    maps, image_means, text_means = (np.stack(one).astype(np.float32) for one in zip(*fitted, strict=True))
    return Projection(maps, image_means, text_means)


def combine(prediction: NDArray[np.floating], text_scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Probabilities (N, K) from a prediction and from cosines with the labels' texts, with equal weight.

    Each row of either is brought to mean 0 and spread 1 over the classes; the two are added and go through a softmax.
    The logarithm of a softmax of scores has the z-scores of the scores, so for a zero-shot engine it is as if its own
    cosines were added. The confidence of the result is not fitted here: the engine's calibration does that.

    Parameters
    ----------
    prediction : (N, K) array
        Probabilities by another engine.
    text_scores : (N, K) array
        Cosine of the projected image and each label's texts.

    Examples
    --------
    >>> combine(np.array([[0.5, 0.3, 0.2]]), np.array([[0.1, 0.9, 0.2]])).argmax(axis=1).tolist()
    [1]
    """
    scores = _z(np.log(np.maximum(prediction, 1e-12))) + _z(np.asarray(text_scores, np.float64))  # (N, K)
    return softmax(scores)


def _ridge(others: Moments) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Map (D, T) and both means, from the sums over the images of all other folds; the intercept has no penalty."""
    n, x_sum, y_sum, xx, xy = others
    x_mean, y_mean = x_sum / n, y_sum / n
    gram = xx - np.outer(x_sum, x_mean) + PENALTY * np.eye(len(xx))
    return np.asarray(np.linalg.solve(gram, xy - np.outer(x_sum, y_mean)), np.float64), x_mean, y_mean


def _sum(moments: Iterable[Moments]) -> Moments:
    """Sums over several folds; not a total minus one fold, which would leave rounding errors of that fold."""
    n, x_sum, y_sum, xx, xy = (sum(parts[1:], start=parts[0]) for parts in zip(*moments, strict=True))
    return n, x_sum, y_sum, xx, xy


def _moments(x: NDArray[np.float64], y: NDArray[np.float64]) -> Moments:
    """What a ridge needs of n images: how many, both sums, and the products (D, D) and (D, T)."""
    return len(x), x.sum(axis=0), y.sum(axis=0), x.T @ x, x.T @ y


def _z(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = scores - scores.mean(axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(centred.std(axis=1, keepdims=True), 1e-12))
