"""What a certificate may come to, from labels that were trained on: no certifying answer is read.

In: scores of the set; scores of training images, each predicted without its fold, and whether they were right. Out: the
share of the set that a scan would accept, over many made-up samples. A forecast, never a promise: it is as good as the
out-of-fold labels are like the set. They were chosen for being hard, so it errs towards too little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labeling.certify.band import band, errors_allowed
from labeling.errors import Invalid
from labeling.loading import loading

__all__ = ["LEAST_LABELS", "Coverage", "expected_coverage", "right_chances"]

LEAST_LABELS = 30
"""With fewer out-of-fold labels the coverage is not yet known."""
LOW, HIGH = 0.05, 0.95
Chances = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Coverage:
    """The share of the set's unsampled images that is accepted: the median over samples.

    It is from `lower` to `upper` in 9 of 10; `nothing` is the share of samples that accept nothing.
    """

    median: float
    lower: float
    upper: float
    nothing: float


def right_chances(scores: Chances, known: Chances, right: NDArray[np.bool_]) -> Chances:
    """The chance (N,) that each image of the set is right, rising with its score: what out-of-fold labels say of it.

    Parameters
    ----------
    scores : (N,) array
        Of the set, higher is surer.
    known, right : (n,) arrays
        Scores of training images by versions fitted without their fold, and whether they were right.

    Raises
    ------
    Invalid
        With fewer than 30 labels: the coverage is not yet known.

    Notes
    -----
    Isotonic regression, each level drawn to one half by one label, and straight lines between the levels. Source:
    Barlow and others (1972), "Statistical inference under order restrictions".

    Examples
    --------
    >>> known, right = np.linspace(0, 1, 40), np.arange(40) >= 20
    >>> right_chances(np.array([0.1, 0.9]), known, right).round(3).tolist()
    [0.024, 0.976]
    """
    if len(known) < LEAST_LABELS:
        raise Invalid(f"{len(known)} labels tell nothing of what can be certified: label {LEAST_LABELS} images first.")
    with loading:
        from scipy.optimize import isotonic_regression  # a third of a second to load, for who plans

    order = np.lexsort((~np.asarray(right, bool), known))  # of equal scores the right ones first: they become one level
    fitted = isotonic_regression(np.asarray(right[order], np.float64))
    sizes = np.diff(fitted.blocks)
    levels = (fitted.x[fitted.blocks[:-1]] * sizes + 0.5) / (sizes + 1)
    middles = np.add.reduceat(known[order], fitted.blocks[:-1]) / sizes
    return np.asarray(np.interp(scores, middles, levels), np.float64)


def expected_coverage(
    chances: Chances, drawn: int, precision: float, delta: float, rng: np.random.Generator, replays: int = 200
) -> Coverage:
    """How much of a set a scan would accept if each image is right with its chance.

    Parameters
    ----------
    chances : (N,) array
        In order of score, the surest first: the chance that the machine's label is right.
    drawn : int
        Images of the sample that is planned, under N.
    precision, delta : float
        The terms of the look.
    rng : numpy.random.Generator
        Draws samples and errors; a seed gives the same forecast again.

    Examples
    --------
    >>> chances = np.linspace(1, 0.8, 2_000)
    >>> found = expected_coverage(chances, 300, 0.9, 0.1, np.random.default_rng(0))
    >>> found.lower <= found.median <= found.upper, found.nothing
    (True, 0.095)
    """
    size = len(chances)
    if not 0 < drawn < size:
        raise Invalid(f"A sample of {drawn} of {size} images leaves nothing to certify: plan a size in between.")
    bounds = band(size, drawn, delta, int(errors_allowed(size - drawn, precision)))
    m = np.arange(drawn + 1)
    shares = np.empty(replays)
    for replay in range(replays):
        ranks = np.sort(rng.choice(size, drawn, replace=False))  # (n,), from 0
        wrong = np.concatenate([[0], np.cumsum(rng.random(drawn) >= chances[ranks])])  # (n + 1,)
        unsampled = np.append(ranks, size) - m  # down to just before each sampled image
        passes = np.flatnonzero(bounds.most_left(wrong) <= errors_allowed(unsampled, precision))
        shares[replay] = unsampled[passes[-1]] / (size - drawn) if len(passes) else 0.0
    lower, median, upper = np.quantile(shares, [LOW, 0.5, HIGH])
    return Coverage(float(median), float(lower), float(upper), float(np.mean(shares == 0)))
