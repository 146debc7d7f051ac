"""The promise *precision*: of the labels that the machine delivers, at least a share p is right.

In: of a set in order of score, which images were sampled and which of those the machine had right. Out: the loosest
rank down to which the unsampled images are accepted, and a table of ranks. Bad is a rank above which more than (1 - p)
of the **unsampled** images are wrong; sampled ones have a label by people and do not count. Invariant: a bad rank is
accepted with a chance of at most delta, whichever of the ranks that pass somebody picks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labeling.certify.band import Band, band, errors_allowed
from labeling.certify.hypergeometric import Counts
from labeling.errors import Invalid

__all__ = ["AtRank", "Scan", "above", "scan"]

ROWS = 100
"""At most so many ranks are listed for a page, evenly spread; every rank is tried."""


@dataclass(frozen=True, slots=True)
class AtRank:
    """The images down to a rank: `sampled` of them have a label by people, `wrong` of those were wrong by machine.

    `most_wrong` is how many unsampled ones may be wrong; `lower` the share of them that is right at least. Both hold at
    all ranks together with a chance of 1 - delta; None where the band says nothing. The rank `passes` if `lower`
    reaches p.
    """

    rank: int
    sampled: int
    wrong: int
    most_wrong: int | None
    lower: float | None
    passes: bool

    @property
    def unsampled(self) -> int:
        """The images that the machine would deliver."""
        return self.rank - self.sampled


@dataclass(frozen=True, slots=True)
class Scan:
    """What one scan came to; `accepted` is None where no rank passes. `level` is the local level of each bound."""

    size: int
    sampled: int
    precision: float
    delta: float
    level: float
    accepted: AtRank | None
    rows: tuple[AtRank, ...]


def scan(
    sampled: NDArray[np.bool_],
    right: NDArray[np.bool_],
    precision: float,
    delta: float,
    ends: NDArray[np.integer] | None = None,
) -> Scan:
    """Accept down to the loosest rank at which the band leaves at most (1 - p) of the unsampled images wrong.

    Parameters
    ----------
    sampled : (N,) bool array
        In order of score, the surest first: whether the image is in the uniform sample of the set.
    right : (n,) bool array
        Of the sampled ones, in the same order: whether the machine's label is what people decided. An answer that is
        missing, and "none of these", is False.
    precision : float
        p, in (0, 1]. p = 1 passes nowhere unless nearly all images are sampled.
    delta : float
        In (0, .5].
    ends : (G,) int array, optional
        Rising ranks 1 to N at which the set may be cut: where the score falls, if scores are equal. Default: all.

    Raises
    ------
    Invalid
        Where the arrays contradict each other, or a term is out of range.

    Notes
    -----
    Why it holds: `labeling/certify/band.py`. Validity needs the order, the terms and `ends` fixed before the answers.

    Examples
    --------
    >>> drawn = np.random.default_rng(0).permutation(5_000) < 200
    >>> found = scan(drawn, np.arange(200) < 120, 0.95, 0.1)
    >>> found.accepted.wrong, found.accepted.unsampled > 2_500, round(found.accepted.lower, 3) >= 0.95
    (1, True, True)
    """
    if not 0 < precision <= 1:
        raise Invalid(f"A certificate promises a precision in (0, 1]; got {precision}.")
    size = len(sampled)
    at, m, k = above(sampled, right, ends)
    drawn = int(np.count_nonzero(sampled))
    found = band(size, drawn, delta, int(errors_allowed(size - drawn, precision)))
    unsampled = at - m
    passes = (unsampled > 0) & (found.most_left(k) <= errors_allowed(unsampled, precision))
    loosest = np.flatnonzero(passes)[-1:]
    listed = np.unique(np.linspace(0, len(at) - 1, min(ROWS, len(at))).round().astype(int)) if len(at) else loosest
    rows = [_row(int(at[i]), int(m[i]), int(k[i]), found, bool(passes[i])) for i in [*loosest, *listed]]
    accepted = rows[0] if len(loosest) else None
    return Scan(size, drawn, precision, delta, found.level, accepted, tuple(rows[len(loosest) :]))


def above(
    sampled: NDArray[np.bool_], right: NDArray[np.bool_], ends: NDArray[np.integer] | None
) -> tuple[Counts, Counts, Counts]:
    """Ranks (G,) at which the set may be cut, and the sampled and the wrong sampled images above each.

    Raises
    ------
    Invalid
        Where there is not one answer for each sampled image, or an end lies outside of the set.

    Examples
    --------
    >>> [part.tolist() for part in above(np.array([True, False, True]), np.array([True, False]), None)]
    [[1, 2, 3], [1, 1, 2], [0, 0, 1]]
    """
    ranks = np.flatnonzero(sampled) + 1
    if len(right) != len(ranks):
        raise Invalid(f"{len(ranks)} images are sampled and {len(right)} have an answer: count a missing one as wrong.")
    at = np.arange(1, len(sampled) + 1) if ends is None else np.asarray(ends, np.int64)
    if len(at) and (at[0] < 1 or at[-1] > len(sampled) or (np.diff(at) <= 0).any()):
        raise Invalid(f"The set may be cut at rising ranks from 1 to {len(sampled)} only.")
    m = np.searchsorted(ranks, at, side="right")
    return at, m, np.concatenate([[0], np.cumsum(~np.asarray(right, bool))])[m]


def _row(rank: int, sampled: int, wrong: int, found: Band, passes: bool) -> AtRank:
    known, unsampled = wrong < len(found.left), rank - sampled
    most = min(found.left[wrong], unsampled) if known else None
    lower = 1 - most / unsampled if most is not None and unsampled else None
    return AtRank(rank, sampled, wrong, most, lower, passes)
