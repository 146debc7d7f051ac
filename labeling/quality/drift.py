"""Tests for drift: new images against old ones, classes then and now, an annotator now and before.

In: two samples. Out: how large the difference is, with an interval or a p-value. A project that grows is tested again
and again, as long as it lives, each time at `LEVEL`: where nothing has changed, at most that share of tests finds a
change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from labeling.estimates import Estimate
from labeling.loading import loading
from labeling.quality.metrics import share

__all__ = [
    "LEVEL",
    "Changed",
    "class_shift",
    "corrected_prior",
    "compared_since",
    "fewer_right",
    "holm",
    "input_shift",
    "separability",
]

LEVEL = 0.005
"""The share of tests that find a change where there is none: one in two hundred."""
PERMUTATIONS = 2_999
FOLDS, DEALS = 5, 5
SMALLEST_EXPECTED = 5

Vectors = npt.NDArray[np.floating]
Counts = npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Changed:
    """A difference between two samples: its `size` (0 is none), and how probable one as large is without a change."""

    size: float
    p_value: float
    before: int
    after: int


def compared_since(champions: Sequence[datetime], alarms: Sequence[datetime]) -> datetime | None:
    """Until when images count as old: until the first champion, or the first one after the last alarm that has one.

    A champion that merely follows another moves nothing, so a slow change is not taken for the usual. One that follows
    an alarm was fitted after people had been warned of the change. None before the first champion.

    Examples
    --------
    >>> from datetime import datetime
    >>> day = [datetime(2026, 11, n) for n in range(1, 9)]
    >>> compared_since([day[0], day[1], day[5]], []).day, compared_since([day[0], day[1], day[5]], [day[2]]).day
    (1, 6)
    """
    following = [min(later) for alarm in alarms if (later := [at for at in champions if at > alarm])]
    return max(following, default=min(champions, default=None))


def input_shift(before: Vectors, after: Vectors, rng: np.random.Generator) -> Changed:
    """Maximum mean discrepancy of two sets of embeddings, tested by permutation.

    Parameters
    ----------
    before, after : (N, D) and (M, D)
        One vector a near-duplicate group; a few hundred of each are enough.
    rng : numpy.random.Generator
        Permutes.

    Returns
    -------
    Changed
        `size` is the squared discrepancy under a Gaussian kernel of the median distance; the p-value is never under
        1 / 3,000.

    Notes
    -----
    Source: Gretton et al. (2012), "A Kernel Two-Sample Test". Permuting labels of the pooled sample makes the test
    exact at any size.
    """
    kernel = _gaussian(np.vstack([before, after]).astype(np.float64))
    n, total = len(before), len(before) + len(after)
    as_found = (np.arange(total) < n).astype(np.float64)
    which = np.column_stack([as_found, rng.permuted(np.tile(as_found, (PERMUTATIONS, 1)), axis=1).T])
    sizes = _discrepancies(kernel, which, n, total - n)
    beyond = int((sizes[1:] >= sizes[0] - 1e-12).sum())
    return Changed(max(0.0, float(sizes[0])), (1 + beyond) / (1 + PERMUTATIONS), n, total - n)


def separability(before: Vectors, after: Vectors, rng: np.random.Generator) -> Estimate:
    """How often a classifier separates new images from old ones, out of fold: .5 is chance, 1 is always.

    As many of each are used, so that guessing is right half of the time.

    Notes
    -----
    Source: Lopez-Paz and Oquab (2017), "Revisiting Classifier Two-Sample Tests". Images are dealt to folds several
    times. The interval is the exact one of as many independent outcomes, and the spread over the deals: outcomes of one
    deal hang together, and their exact interval alone held in 89 to 90 of 100 replays.
    """
    n = min(len(before), len(after))
    if n < FOLDS:
        return Estimate(0.5, 0.0, 1.0, 2 * n)
    with loading:
        from sklearn.linear_model import LogisticRegression  # a second to load, for who has two samples
        from sklearn.model_selection import StratifiedKFold, cross_val_predict

    chosen = [side[rng.choice(len(side), n, replace=False)] for side in (before, after)]
    vectors, which = np.vstack(chosen), np.repeat([0, 1], n)
    right = np.zeros(DEALS)
    for deal in range(DEALS):
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=int(rng.integers(2**31)))
        said = cross_val_predict(LogisticRegression(C=1.0, max_iter=200), vectors, which, cv=folds)
        right[deal] = (said == which).mean()
    exact, spread = share(round(2 * n * right.mean()), 2 * n), 1.96 * float(right.std(ddof=1))
    value = float(right.mean())
    lower, upper = (
        value - np.hypot(exact.value - exact.lower, spread),
        value + np.hypot(exact.upper - exact.value, spread),
    )
    return Estimate(value, float(max(lower, 0.0)), float(min(upper, 1.0)), 2 * n)


def class_shift(before: Counts, after: Counts) -> Changed:
    """Whether the class distribution has changed: counts (K,) each, G-test, rare classes pooled.

    `size` is the total variation distance: the share of images that would have to change class.

    Examples
    --------
    >>> found = class_shift(np.array([50, 50]), np.array([80, 20]))
    >>> round(found.size, 2), found.p_value < 0.001
    (0.3, True)
    """
    before, after = np.asarray(before, np.int64), np.asarray(after, np.int64)
    n, m = int(before.sum()), int(after.sum())
    if not n or not m:
        return Changed(0.0, 1.0, n, m)
    size = float(np.abs(before / n - after / m).sum() / 2)
    table = _pooled(np.stack([before, after]))
    if table.shape[1] < 2:
        return Changed(size, 1.0, n, m)
    with loading:
        from scipy.stats import chi2_contingency  # half a second to load, for who has two samples

    return Changed(size, float(chi2_contingency(table, correction=False, lambda_="log-likelihood").pvalue), n, m)


def corrected_prior(confusion: npt.NDArray[np.floating], predicted: Counts) -> npt.NDArray[np.float64]:
    """The true class distribution (K,), from the classifier's predictions and its errors; sums to 1.

    Parameters
    ----------
    confusion : (K, K)
        Counts on the random stream: rows are what people said, columns what the classifier said. Every row needs an
        image.
    predicted : (K,)
        How often it predicts each class on the new images.

    Notes
    -----
    Source: Lipton, Wang, Smola (2018), "Detecting and Correcting for Label Shift with Black Box Predictors". Solved
    with non-negative least squares, so that no class gets a negative share.

    Examples
    --------
    >>> corrected_prior(np.array([[8.0, 2.0], [0.0, 10.0]]), np.array([40, 60])).round(2).tolist()
    [0.5, 0.5]
    """
    with loading:
        from scipy.optimize import nnls  # a third of a second to load, for who has a random stream

    rates = confusion / confusion.sum(axis=1, keepdims=True)  # (K, K): how a class of people is predicted
    prior, _ = nnls(rates.T, np.asarray(predicted, np.float64) / predicted.sum())
    return np.asarray(prior / prior.sum(), np.float64)


def fewer_right(before: tuple[int, int], after: tuple[int, int]) -> Changed:
    """Whether an annotator is right less often than before: (right, answers) each; Fisher's exact test, one-sided.

    `size` is by how much the share has fallen; negative where it has risen.

    Examples
    --------
    >>> found = fewer_right((95, 100), (30, 50))
    >>> round(found.size, 2), found.p_value < 0.001
    (0.35, True)
    """
    (right, n), (now_right, m) = before, after
    if not n or not m:
        return Changed(0.0, 1.0, n, m)
    with loading:
        from scipy.stats import fisher_exact  # half a second to load, for who has two samples

    table = [[right, n - right], [now_right, m - now_right]]
    return Changed(right / n - now_right / m, float(fisher_exact(table, alternative="greater").pvalue), n, m)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for multiple tests (Holm): each may then be compared with the level.

    Examples
    --------
    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, at in enumerate(np.argsort(p_values).tolist()):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[at]))
        corrected[at] = highest
    return corrected


def _gaussian(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """exp(-d^2 / median d^2) of every two vectors: (N, N)."""
    squares = (vectors**2).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares[None] - 2 * vectors @ vectors.T, 0)
    middle = float(np.median(distances[np.triu_indices(len(vectors), 1)]))
    return np.asarray(np.exp(-distances / (middle or 1.0)))


def _discrepancies(
    kernel: npt.NDArray[np.float64], which: npt.NDArray[np.float64], n: int, m: int
) -> npt.NDArray[np.float64]:
    """The unbiased squared discrepancy of each way (column) to split the sample into n and m."""
    others = 1 - which
    own, theirs = kernel @ which, kernel @ others
    diagonal = np.diag(kernel)
    within_first = ((which * own).sum(axis=0) - diagonal @ which) / (n * (n - 1))
    within_second = ((others * theirs).sum(axis=0) - diagonal @ others) / (m * (m - 1))
    return np.asarray(within_first + within_second - 2 * (others * own).sum(axis=0) / (n * m))


def _pooled(table: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The table with all columns of which too few are expected put into one, so that the test keeps its level."""
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    rare = expected.min(axis=0) < SMALLEST_EXPECTED
    columns = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)]) if rare.any() else table
    return np.asarray(columns[:, columns.sum(axis=0) > 0])
