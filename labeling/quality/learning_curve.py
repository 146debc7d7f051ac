"""What more labels would add: the accuracies of a project's versions in, the expected gain of the next ones out.

In: how many labels each version learnt from, and on which images of the random stream it was right. Out: the gain in
accuracy on the collection, with a 95 % prediction interval. Nothing is fitted again. Invariant: the curve never falls
and flattens; what an actual version does besides is noise around it, which is part of the interval.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from labeling.errors import Invalid
from labeling.estimates import Estimate

__all__ = ["LEAST_IMAGES", "LEAST_VERSIONS", "expected_gain"]

LEAST_IMAGES = 40
LEAST_VERSIONS = 3
"""With fewer images, or fewer versions at different numbers of labels, the gain is not yet known."""
LOW, HIGH = 0.025, 0.975
STEEPNESS = np.linspace(0.1, 1.5, 15)
"""c: the part of the error that labels can mend falls like labels ** -c; every value is as likely beforehand."""
FLOORS = np.linspace(0.0, 1.0, 11)
"""The part of the last version's error that no label mends: every value is as likely beforehand."""
SPREADS = (0.05, 0.1, 0.2)
"""Standard deviation of a version's accuracy about the curve, by the chance of its labels: as a part of the images on
which two versions in turn differ. On made data it was mostly .05 to .15 of them (docs/decisions/0051)."""
NEWEST = 5
"""So many versions say on how many images versions differ."""
ERRORS = 41
"""Values of the last version's error that are weighed, within four standard errors of what was observed."""
PADDING = 2.0
"""So many images are counted beside those that there are, half of them right in a version alone: 40 images in which no
version differs do not prove that none does."""
QUANTILE_NOISE = np.array([-1.281552, -0.524401, 0.0, 0.524401, 1.281552])
"""Middles of five equal parts of a standard normal."""


def expected_gain(
    labels: NDArray[np.integer],
    right: NDArray[np.floating] | NDArray[np.bool_],
    groups: NDArray[np.integer],
    more: int = 100,
) -> Estimate | None:
    """How much accuracy the next labels are expected to add, as a share of all images: .01 is one point.

    Parameters
    ----------
    labels : (V,) int
        How many labels each version learnt from, rising.
    right : (V, N) array
        Whether each version was right on each image of the random stream.
    groups : (N,) int
        Near-duplicates share a group.
    more : int
        How many labels are added to those of the last version.

    Returns
    -------
    Estimate or None
        The median and a 95 % prediction interval of the accuracy of the version with so many more labels, minus that
        of the last one. None, not yet known: under 40 groups, or under 3 versions.

    Raises
    ------
    Invalid
        Where the labels do not rise, or outcomes and groups are of other images.

    Notes
    -----
    The error at m labels is e (f + (1 - f) (m / M) ** -c) with M the labels of the last version. All of e, f, c and the
    spread of versions about the curve are weighed by how likely they make what was observed. Versions are right and
    wrong on the same images, so their errors are compared with the covariance between versions.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> sizes = np.array([50, 100, 200, 400])
    >>> right = rng.random(300) >= (0.4 * (sizes / 50) ** -0.5)[:, None]
    >>> found = expected_gain(sizes, right, np.arange(300))
    >>> 0 < found.value < 0.05, found.lower < found.value < found.upper
    (True, True)
    """
    outcomes = np.asarray(right, np.float64)
    if len(labels) != len(outcomes) or (np.diff(labels) <= 0).any() or (len(labels) and labels[0] < 1):
        raise Invalid("A learning curve needs the outcomes of versions with more and more labels.")
    if len(labels) and outcomes.shape[1] != len(groups):
        raise Invalid(f"Outcomes of {outcomes.shape[1]} images and {len(groups)} groups cannot be compared.")
    if len(labels) < LEAST_VERSIONS or len(np.unique(groups)) < LEAST_IMAGES:
        return None
    observed, covariance = _errors(outcomes, groups)
    last = np.sqrt(covariance[-1, -1])
    ends = np.clip([observed[-1] - 4 * last, observed[-1] + 4 * last], 1e-4, 1.0)
    errors = np.linspace(ends[0], ends[1], ERRORS)  # (E,)
    shapes = np.array(list(product(STEEPNESS, FLOORS)))  # (S, 2)
    relative = _relative(np.asarray(labels, np.float64) / labels[-1], shapes)  # (S, V)
    after = _relative(np.array([1 + more / labels[-1]]), shapes)[:, 0]  # (S,)
    gains = errors[:, None] * (1 - after)  # (E, S)
    values, weights = [], []
    for spread in np.array(SPREADS) * _differing(outcomes):
        inverse = np.linalg.inv(covariance + spread**2 * np.eye(len(observed)))
        of_shape, with_observed = np.einsum("sv,vw,sw->s", relative, inverse, relative), relative @ inverse @ observed
        distance = errors[:, None] ** 2 * of_shape - 2 * errors[:, None] * with_observed + observed @ inverse @ observed
        weight = np.exp(-distance / 2) * np.sqrt(np.linalg.det(inverse))
        for noise in QUANTILE_NOISE:
            values.append(gains + noise * spread * np.sqrt(2))
            weights.append(weight)
    lower, middle, upper = _quantiles(np.ravel(values), np.ravel(weights), [LOW, 0.5, HIGH])
    return Estimate(middle, lower, upper, len(groups))


def _relative(sizes: NDArray[np.float64], shapes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The error at sizes (V,), as a multiple of that at size 1, for shapes (S, 2) of steepness and floor: (S, V)."""
    steepness, floor = shapes[:, :1], shapes[:, 1:]
    return np.asarray(floor + (1 - floor) * sizes**-steepness)


def _errors(right: NDArray[np.float64], groups: NDArray[np.integer]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of wrong images (V,), and the covariance (V, V) of these shares over samples of groups."""
    _, of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    wrong = np.array([np.bincount(of, weights=1 - some) for some in right])  # (V, G)
    share = wrong.sum(axis=1) / sizes.sum()
    apart = wrong - share[:, None] * sizes
    covariance = apart @ apart.T / sizes.sum() ** 2
    return share, covariance + np.eye(len(right)) * PADDING / 4 / sizes.sum() ** 2


def _differing(right: NDArray[np.float64]) -> float:
    """The share of images on which two versions in turn differ, one image more counted as differing."""
    newest = right[-NEWEST:]
    return float((np.abs(np.diff(newest, axis=0)).sum(axis=1).mean() + 1) / (right.shape[1] + 1))


def _quantiles(values: NDArray[np.float64], weights: NDArray[np.float64], at: list[float]) -> list[float]:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    return [float(values[order][np.searchsorted(reached, share)]) for share in at]
