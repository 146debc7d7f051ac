"""How many errors may be left among images that were not sampled, for every number of errors found: all at once.

In: a set of `size` images in an order that was fixed beforehand, of which `drawn` are a uniform sample. Out: a band. If
h sampled images above some rank are wrong, at most `left[h]` unsampled images above it are. Invariant: the chance that
this fails at any rank is at most `delta`, wherever the errors lie.

Why it holds. Write down for every image whether it was drawn: first for the errors in their order, then for the others.
However the errors lie, this is a row of `drawn` ones and `size - drawn` zeros in random order. Suppose that above some
rank h errors are sampled and K = left[h] + 1 or more are not. The K-th zero of the row then is an error above this
rank, so at most h ones come before it: among the first K + h places of the row there are at most h ones. The chance of
that, for any h at all, knows nothing of the errors, the ranks or how many sampled images lie above each of them.
`crossing_chance` computes it exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from labeling.certify.hypergeometric import Counts, chance_at_most, chance_of
from labeling.errors import Invalid
from labeling.loading import loading

__all__ = ["Band", "band", "crossing_chance", "errors_allowed", "most_found", "most_left"]

HALVINGS = 16
"""Of the interval in which the local level lies: it is found to 1/65,536 of delta, from below."""
ROUNDING = 1e-9
"""(1 - .9) * 10 is a little under 1 in binary. No set is so large that a share of it is off by as much."""


@dataclass(frozen=True, slots=True)
class Band:
    """`left[h]` is the largest number of unsampled errors that h found ones do not rule out, at one `level` for all h.

    It ends where the bound would exceed what the promise allows in the whole set: of more found errors it says nothing.
    """

    size: int
    drawn: int
    delta: float
    level: float
    left: tuple[int, ...]

    def most_left(self, found: NDArray[np.integer]) -> Counts:
        """The bounds for numbers of found errors, (G,) in, (G,) out; `size` where there is no bound."""
        bounds: Counts = np.array([*self.left, self.size], np.int64)
        return np.asarray(bounds[np.minimum(found, len(self.left))])


def errors_allowed(images: NDArray[np.integer] | int, precision: float) -> Counts:
    """How many of so many images may be wrong for a share of `precision` to be right: rounded down.

    Examples
    --------
    >>> errors_allowed(np.array([9, 10, 39]), 0.9).tolist()
    [0, 1, 3]
    """
    return np.asarray(np.floor((1 - precision) * np.asarray(images) + ROUNDING), np.int64)


@lru_cache(maxsize=2**10)
def band(size: int, drawn: int, delta: float, limit: int) -> Band:
    """The band in which no bound is above `limit`, with the largest local level at which all hold together.

    Parameters
    ----------
    size, drawn : int
        Images of the set, and how many of them were sampled.
    delta : float
        In (0, .5]: the chance, over samples, that any bound fails is at most this.
    limit : int
        More unsampled errors than this no part of the set may have, so larger bounds would help nobody and cost level.

    Raises
    ------
    Invalid
        Where counts contradict each other or delta is out of range.

    Notes
    -----
    One local level for all h, found by bisection; no start rule, and any number of ranks. Source for equal local
    levels: Gontscharuk, Landwehr and Finner (2015), "The intermediates take it all".

    Examples
    --------
    >>> found = band(5_000, 200, 0.1, 240)
    >>> round(found.level, 3), found.left[:3]
    (0.042, (77, 119, 157))
    """
    if not 0 <= drawn <= size or not limit >= 0:
        raise Invalid(f"{drawn} sampled of {size} images, {limit} errors allowed: a count is out of range.")
    if not 0 < delta <= 0.5:
        raise Invalid(f"A certificate may fail with a chance in (0, 0.5]; got {delta}. Usual are 0.05 and 0.1.")
    if drawn == size:
        return Band(size, drawn, delta, delta, ())
    found = np.arange(most_found(size, drawn, limit) + 1)
    most = min(limit, size - drawn - 1)
    low, wide = 0.0, np.full_like(found, size - drawn)
    high, narrow = delta, most_left(found, drawn, size, delta)
    if crossing_chance(size, drawn, narrow[narrow <= most]) <= delta:
        low, wide = high, narrow
    for _ in range(HALVINGS if low < high else 0):
        level = (low + high) / 2
        bounds = _search(found, drawn, size, level, narrow, wide)
        if crossing_chance(size, drawn, bounds[bounds <= most]) <= delta:
            low, wide = level, bounds
        else:
            high, narrow = level, bounds
    return Band(size, drawn, delta, low, tuple(wide[wide <= most].tolist()))


def most_left(found: NDArray[np.integer] | int, drawn: int, size: int, level: float) -> Counts:
    """The most errors that may be left unsampled where `found` of `drawn` images are wrong: each bound by itself.

    One more is refused: with that many, so few found ones have a chance of at most `level`.

    Parameters
    ----------
    found : int array (G,) or int
        Errors among the sampled, 0 to `drawn`.

    Notes
    -----
    The one-sided hypergeometric limit (`labeling/quality/finite_samples.py`) less what was found, for many numbers at
    once.

    Examples
    --------
    >>> most_left(np.array([0, 1]), 100, 1_000, 0.05).tolist()
    [28, 43]
    """
    counts: Counts = np.asarray(found, np.int64)
    return _search(counts, drawn, size, level, np.zeros_like(counts), np.full_like(counts, size - drawn))


def most_found(size: int, drawn: int, limit: int) -> int:
    """So many errors are found beside `limit` unsampled ones in under half of all samples: of more no bound is within.

    Examples
    --------
    >>> most_found(1_000, 100, 50), most_found(100, 100, 5)
    (7, 100)
    """
    return min(drawn, (drawn * (limit + 1) + size) // (size - drawn) + 1) if drawn < size else drawn


def crossing_chance(size: int, drawn: int, left: NDArray[np.integer]) -> float:
    """The chance that for any h at most h of the first `left[h]` + 1 + h places of a random row are drawn.

    Parameters
    ----------
    size, drawn : int
        Places of the row, and how many of them are drawn, in an order by chance.
    left : int array (H,)
        Not decreasing; below `size - drawn`.

    Notes
    -----
    A row fails first at h only by having exactly h drawn ones there, since more than h - 1 of fewer places were. So the
    chance f of failing first solves reach = f (1 + between), where both are hypergeometric: a triangular system, exact
    and stable, for the inverse of its matrix is 1 less the chances of failing first on the way. Source: Feller (1968),
    volume 1, chapter XIII, recurrent events.

    Examples
    --------
    Of four places two are drawn: that none of the first two is has a chance of one in six.

    >>> round(crossing_chance(4, 2, np.array([1])), 4)
    0.1667
    """
    with loading:
        from scipy.linalg import solve_triangular  # a tenth of a second to load, for who has a sample

    if not len(left):
        return 0.0
    found = np.arange(len(left))
    at = np.asarray(left, np.int64) + 1 + found
    reach = chance_of(found, size, at, drawn)  # (H,)
    matrix = np.eye(len(left))
    later, earlier = np.tril_indices(len(left), -1)
    matrix[later, earlier] = chance_of(later - earlier, size - at[earlier], drawn - earlier, at[later] - at[earlier])
    return float(solve_triangular(matrix, reach, lower=True, unit_diagonal=True).sum())


def _search(found: Counts, drawn: int, size: int, level: float, low: Counts, high: Counts) -> Counts:
    """The bounds at a level, by bisection between others: `low` at a higher and `high` at a lower level."""
    while (low < high).any():
        middle = (low + high + 1) // 2
        likely = chance_at_most(found, size, middle + found, drawn) > level
        low, high = np.where(likely, middle, low), np.where(likely, high, middle - 1)
    return low
