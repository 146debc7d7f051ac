"""Exact intervals of a share in a finite collection, from a uniform sample of it without replacement.

In: of n groups drawn from N, how many were right (or wrong). Out: what the collection, or the part of it that was not
drawn, may hold. Invariant: an interval covers the truth in at least 95 of 100 samples, whatever the truth is; where all
were drawn it is the truth.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from labeling.errors import Invalid
from labeling.estimates import Estimate
from labeling.loading import loading

__all__ = ["Stratum", "finite_interval", "finite_share", "share_of_cohorts", "share_of_what_is_left"]


@dataclass(frozen=True, slots=True)
class Stratum:
    """Groups of which `drawn` were drawn uniformly, `hits` of them right, and `left` were not drawn."""

    hits: int
    drawn: int
    left: int


@lru_cache(maxsize=2**16)
def finite_interval(hits: int, drawn: int, size: int, confidence: float = 0.95) -> tuple[int, int]:
    """How many of `size` groups are hits, at least and at most, where `hits` of `drawn` were: two-sided.

    Raises
    ------
    Invalid
        Where the counts contradict each other.

    Notes
    -----
    Both ends of the hypergeometric test at half the error each. Source: Clopper and Pearson (1934), "The use of
    confidence or fiducial limits", with the hypergeometric in place of the binomial.

    Examples
    --------
    >>> finite_interval(5, 100, 1000)
    (18, 109)
    >>> finite_interval(5, 100, 100), finite_interval(0, 0, 7)
    ((5, 5), (0, 7))
    """
    if not 0 <= hits <= drawn <= size:
        raise Invalid(f"{hits} hits among {drawn} drawn of {size} groups cannot be: count each group once.")
    with loading:
        from scipy.stats import hypergeom  # half a second to load, for who has a sample

    level = (1 - confidence) / 2
    least, most = hits, size - drawn + hits
    enough = bisect_left(range(least, most), True, key=lambda k: bool(hypergeom.sf(hits - 1, size, k, drawn) > level))
    too_many = bisect_left(
        range(least + 1, most + 1), True, key=lambda k: bool(hypergeom.cdf(hits, size, k, drawn) <= level)
    )
    return least + enough, least + too_many


def finite_share(hits: int, drawn: int, size: int, confidence: float = 0.95) -> Estimate:
    """The share of hits in a collection of `size` groups, of which `drawn` were drawn, with its exact interval.

    Accuracy on the collection is that of the random stream's whole prefix.

    Examples
    --------
    >>> finite_share(95, 100, 1000)
    Estimate(value=0.95, lower=0.891, upper=0.982, n=100)
    """
    lower, upper = finite_interval(hits, drawn, size, confidence)
    return Estimate(hits / drawn if drawn else 0.0, lower / max(size, 1), upper / size if size else 1.0, drawn)


def share_of_what_is_left(strata: Sequence[Stratum], confidence: float = 0.95) -> Estimate:
    """The share of hits among the groups that were not drawn, each stratum estimated from its own sample.

    Accuracy on what is left has two: the groups that would not have been asked, estimated from the stream without its
    shadow picks; and the undrawn shadow picks, estimated from the drawn ones.

    Parameters
    ----------
    strata : sequence of Stratum
        One without a sample may be anything between 0 and 1, and takes the value of the others.
    confidence : float
        Two-sided.

    Returns
    -------
    Estimate
        `n` counts the groups that were drawn of the strata of which anything is left: it rests on no others. Of nothing
        left it is 0 in (0, 1) with n 0: not yet known.

    Notes
    -----
    The exact limits of the strata are combined by the distances from their estimates, squared (MOVER). Source: Zou and
    Donner (2008), "Construction of confidence limits about effect measures". `bench/numbers/stream.py` replays it.

    Examples
    --------
    >>> rest, shadows = Stratum(hits=95, drawn=100, left=900), Stratum(hits=6, drawn=10, left=40)
    >>> found = share_of_what_is_left([rest, shadows])
    >>> round(found.value, 3), round(found.lower, 3), round(found.upper, 3), found.n
    (0.935, 0.87, 0.971, 110)
    """
    return _combined(strata, [(0, one.left) for one in strata], confidence)


def share_of_cohorts(cohorts: Sequence[Stratum], confidence: float = 0.95) -> Estimate:
    """The share of hits among all groups, drawn or not, of cohorts that arrived one after the other.

    Each is estimated from its own sample and weighs as much as it has groups, however many of them were drawn: of one
    cohort it is `finite_share`.

    Parameters
    ----------
    cohorts : sequence of Stratum
        One without a sample may be anything between 0 and 1, and takes the value of the others.
    confidence : float
        Two-sided.

    Returns
    -------
    Estimate
        `n` counts all groups that were drawn. Without any it is 0 in (0, 1): not yet known.

    Notes
    -----
    Combined as in `share_of_what_is_left`. `bench/numbers` replays it.

    Examples
    --------
    >>> first, later = Stratum(hits=95, drawn=100, left=900), Stratum(hits=24, drawn=40, left=2_960)
    >>> found = share_of_cohorts([first, later])
    >>> round(found.value, 3), round(found.lower, 3), round(found.upper, 3), found.n
    (0.688, 0.562, 0.801, 140)
    """
    return _combined(cohorts, [(one.hits, one.drawn + one.left) for one in cohorts], confidence)


def _combined(strata: Sequence[Stratum], sizes: Sequence[tuple[int, int]], confidence: float) -> Estimate:
    """The share of hits in parts of strata: each part is given by the hits in it that are known, and its size."""
    groups = sum(size for _, size in sizes)
    sampled = [(one, *part) for one, part in zip(strata, sizes, strict=True) if one.drawn and part[1]]
    if not sampled:
        return Estimate(0.0, 0.0, 1.0, 0)
    parts = [_part(one, known, size, groups, confidence) for one, known, size in sampled]
    weight = sum(size for _, _, size in sampled) / groups
    centre = sum(value for value, _, _ in parts)
    lower = centre - math.hypot(*(value - low for value, low, _ in parts))
    upper = centre + math.hypot(*(high - value for value, _, high in parts))
    n = sum(one.drawn for one, _, _ in sampled)
    value = centre / weight
    return Estimate(value, max(0.0, min(value, lower)), min(1.0, max(value, upper + 1 - weight)), n)


def _part(stratum: Stratum, known: int, size: int, groups: int, confidence: float) -> tuple[float, float, float]:
    """What a part of a stratum adds to the share, at least and at most: (value, lower, upper)."""
    ends = finite_interval(stratum.hits, stratum.drawn, stratum.drawn + stratum.left, confidence)
    lower, upper = ((end - stratum.hits + known) / groups for end in ends)
    return stratum.hits / stratum.drawn * size / groups, lower, upper
