"""What a certificate may come to, from labels that were trained on: no certifying answer is read.

In: scores of the set; scores of training images, each predicted without its fold, and whether they were right. Out: the
share of the set that an attempt would accept, over many made-up samples. A forecast, never a promise: it is as good as
the out-of-fold labels are like the set. They were chosen for being hard, so it errs towards too little
(`bench.next_attempt`): `lower` is a bound that held, `upper` is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labeling.certify.band import band, errors_allowed
from labeling.certify.finished import found_at_most
from labeling.certify.hypergeometric import Counts
from labeling.certify.plan import MAY_LOSE
from labeling.errors import Invalid
from labeling.loading import loading

__all__ = ["LEAST_LABELS", "Coverage", "expected_coverage", "expected_finish", "left_then", "right_chances"]

LEAST_LABELS = 30
"""With fewer out-of-fold labels the coverage is not yet known."""
LOW, HIGH = 0.05, 0.95
REPLAYS = 200
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
    chances: Chances, drawn: int, precision: float, delta: float, rng: np.random.Generator, replays: int = REPLAYS
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
    _check(size, drawn)
    bounds = band(size, drawn, delta, int(errors_allowed(size - drawn, precision)))
    m = np.arange(drawn + 1)
    shares = np.empty(replays)
    for replay in range(replays):
        ranks, wrong = _sample(chances, drawn, rng)
        unsampled = np.append(ranks, size) - m  # down to just before each sampled image
        passes = np.flatnonzero(bounds.most_left(wrong) <= errors_allowed(unsampled, precision))
        shares[replay] = unsampled[passes[-1]] / (size - drawn) if len(passes) else 0.0
    return _coverage(shares)


def expected_finish(
    chances: Chances, drawn: int, wrong_share: float, delta: float, rng: np.random.Generator, replays: int = REPLAYS
) -> Coverage:
    """The same for a finished data set with at most `wrong_share` wrong labels; a chance of 0 is never accepted.

    Examples
    --------
    >>> found = expected_finish(np.linspace(1, 0.8, 2_000), 100, 0.05, 0.1, np.random.default_rng(0))
    >>> found.lower <= found.median <= found.upper
    True
    """
    size = len(chances)
    _check(size, drawn)
    most = found_at_most(size, drawn, int(errors_allowed(size, 1 - wrong_share)), delta)
    end = int(np.count_nonzero(chances))
    shares = np.zeros(replays)
    for replay in range(replays if most >= 0 else 0):
        ranks, wrong = _sample(chances, drawn, rng)
        last = int(np.searchsorted(wrong, most, side="right")) - 1  # so many sampled ones lie above the next error
        rank = min(int(np.append(ranks, size)[last]), end)
        shares[replay] = (rank - np.searchsorted(ranks, rank)) / (size - drawn)
    return _coverage(shares)


def left_then(
    others: int, planned: int, missing: int, held: int, query: int, stream_share: float, reserve_share: float
) -> int:
    """How many of the unsampled images of a set are left when the sample has its size: queries take some until then.

    Parameters
    ----------
    others : int
        Unsampled images of the set now.
    planned, missing : int
        Images of the sample, and answers of the stream that are missing until it is whole, as the set is now.
    held : int
        Images of the set in the reserve, those that queries have taken out of it included.
    query : int
        Images of a query: the last one is asked whole.
    stream_share, reserve_share : float
        The part of a query's answers that is of the stream; the part of the groups that is reserved.

    Notes
    -----
    For each answer of the stream a query asks (1 - s) / s others, and as many shadow picks as the reserve is large
    beside the rest. Shadow picks take sampled images too, which further answers replace. It errs towards too few; no
    more is taken than the reserve can lose before the stream is asked first (`labeling/certify/plan.py::stream_first`).

    Examples
    --------
    >>> left_then(1_349, 100, 85, 375, 30, 0.3, 0.25), left_then(1_000, 100, 0, 250, 50, 0.2, 0.25)
    (977, 1000)
    """
    if not missing or not others:
        return others
    hard = (1 - stream_share) / (1 - reserve_share)  # for each image of a query, shadow picks included
    taken = hard / stream_share if stream_share else np.inf  # for each answer of the stream
    again = planned * taken / others
    lost = missing * taken / (1 - again) + query * hard if again < 1 else np.inf
    can_lose = (1 - min(planned / held, 1.0)) * (MAY_LOSE if held >= 2 * planned else 1.0) if held else 1.0
    return round(max(others - min(lost, can_lose * others), 0))


def _check(size: int, drawn: int) -> None:
    if not 0 < drawn < size:
        raise Invalid(f"A sample of {drawn} of {size} images leaves nothing to certify: plan a size in between.")


def _sample(chances: Chances, drawn: int, rng: np.random.Generator) -> tuple[Counts, Counts]:
    """Ranks (n,) of a sample, from 0 and rising, and how many wrong ones are above each and in all (n + 1,)."""
    ranks = np.sort(rng.choice(len(chances), drawn, replace=False))
    return ranks, np.concatenate([[0], np.cumsum(rng.random(drawn) >= chances[ranks])])


def _coverage(shares: Chances) -> Coverage:
    lower, median, upper = np.quantile(shares, [LOW, 0.5, HIGH])
    return Coverage(float(median), float(lower), float(upper), float(np.mean(shares == 0)))
