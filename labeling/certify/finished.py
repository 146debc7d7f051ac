"""The promise *finished data set*: of all labels of a set at most a share q is wrong when people label the rest.

In: as for a scan. Out: the loosest rank down to which unsampled images keep the machine's label. Errors among the
sampled are mended, so they count as right. Invariant: more than qN wrong labels are left with a chance of at most
delta. It promises nothing of the machine's part alone, whose precision may be below 1 - q: never shown under the name
of the other promise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from labeling.certify.band import errors_allowed, most_found, most_left
from labeling.certify.scan import above
from labeling.errors import Invalid

__all__ = ["Finished", "finished", "found_at_most"]


@dataclass(frozen=True, slots=True)
class Finished:
    """The machine labels the unsampled images down to `rank`, 0 for none; people label all others.

    `wrong` of the `sampled` images above it were wrong by machine. `found_at_most` is how many may be: None where not
    even none.
    """

    size: int
    drawn: int
    wrong_share: float
    delta: float
    rank: int
    sampled: int
    wrong: int
    found_at_most: int | None

    @property
    def unsampled(self) -> int:
        """The images that keep the machine's label."""
        return self.rank - self.sampled

    @property
    def for_people(self) -> int:
        """The images that people still have to label for the promise to hold."""
        return self.size - self.drawn - self.unsampled


def finished(
    sampled: NDArray[np.bool_],
    right: NDArray[np.bool_],
    wrong_share: float,
    delta: float,
    ends: NDArray[np.integer] | None = None,
) -> Finished:
    """Accept down to the loosest rank above which few enough sampled images are wrong.

    Parameters
    ----------
    sampled, right, ends
        As for `labeling/certify/scan.py`.
    wrong_share : float
        q, in [0, 1).
    delta : float
        In (0, .5].

    Raises
    ------
    Invalid
        Where the arrays contradict each other, or a term is out of range.

    Notes
    -----
    With K = floor(qN) + 1, b is the largest number of found errors that K unsampled ones make unlikely:
    P(Hypergeometric(N, K + b, n) <= b) <= delta. Unsampled errors grow as the rank loosens. If more than qN are
    accepted, the K-th of them lies above the rank, and at most b sampled errors come before it: that chance is this
    one, wherever the errors lie. One test, so nothing is corrected for the ranks. Source: Candes, Ilyas and Zrnic
    (2025), "Probably approximately correct labels", who count mended errors as wrong: with K in place of K + b the same
    while no error is found.

    Examples
    --------
    >>> drawn = np.random.default_rng(0).permutation(5_000) < 100
    >>> found = finished(drawn, np.arange(100) < 90, 0.05, 0.1)
    >>> found.found_at_most, found.wrong, found.unsampled > 4_000
    (1, 1, True)
    """
    if not 0 <= wrong_share < 1:
        raise Invalid(f"A finished data set may have a share of wrong labels in [0, 1); got {wrong_share}.")
    if not 0 < delta <= 0.5:
        raise Invalid(f"A certificate may fail with a chance in (0, 0.5]; got {delta}. Usual are 0.05 and 0.1.")
    size, drawn = len(sampled), int(np.count_nonzero(sampled))
    at, m, k = above(sampled, right, ends)
    most = found_at_most(size, drawn, int(errors_allowed(size, 1 - wrong_share)), delta)
    passes = np.flatnonzero(k <= most)[-1:]
    rank, above_m, wrong = (int(part[passes[0]]) if len(passes) else 0 for part in (at, m, k))
    return Finished(size, drawn, wrong_share, delta, rank, above_m, wrong, most if most >= 0 else None)


@lru_cache(maxsize=2**10)
def found_at_most(size: int, drawn: int, allowed: int, delta: float) -> int:
    """How many sampled images above a rank may be wrong by machine; -1 where not even none may.

    Parameters
    ----------
    size, drawn, allowed : int
        Images of the set, how many of them are sampled, and how many unsampled ones may be wrong in all.

    Examples
    --------
    >>> found_at_most(1_000, 100, 50, 0.1), found_at_most(1_000, 20, 50, 0.1)
    (2, -1)
    """
    found = np.arange(most_found(size, drawn, allowed) + 1)
    return int(np.count_nonzero(most_left(found, drawn, size, delta) <= allowed)) - 1
