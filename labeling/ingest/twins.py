"""Which images are near-duplicates (twins) of each other: the rule, and where its thresholds come from.

In: fingerprints. Out: a rule, or which pairs are twins. Distinct images stay apart although all images of a pool are
alike, because the thresholds follow the pool's own distances; they are measured once and frozen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labeling.ingest.fingerprints import BITS, Distances, Fingerprints, distances

__all__ = ["MIN_IMAGES", "NOTHING", "TwinRule", "adaptive_rule", "fixed_rule", "is_twin"]

MIN_IMAGES = 200
"""With fewer images the pool's distances say too little; until then only equal bytes are one image."""
MEASURED = 1_000
NEIGHBOUR = 5
SURE, NEAR = 0.2, 0.5
ALWAYS = 4.0
"""So few differing bits are a copy in any pool."""
MAX_NEAR = BITS / 4
MAX_STRONG = 0.0175
MAX_COLOUR = 24.0


@dataclass(frozen=True, slots=True)
class TwinRule:
    """Twins differ in at most `sure` of 256 bits, or in at most `near` of them and in hardly any strong one.

    Both are in bits, in 0 to 256; negative: nothing is a twin. Their colours must agree as well.
    """

    sure: float
    near: float


NOTHING = TwinRule(-1.0, -1.0)
"""The rule by which nothing is a twin: only equal bytes are one image."""


def fixed_rule(bits: int) -> TwinRule:
    """Twins differ in at most so many of 256 bits, whatever the pool is like.

    >>> fixed_rule(20)
    TwinRule(sure=20.0, near=20.0)
    """
    return TwinRule(float(bits), float(bits))


def adaptive_rule(images: Fingerprints, rng: np.random.Generator) -> TwinRule:
    """The rule for a pool: a fifth and half of the typical distance to the fifth nearest image.

    Parameters
    ----------
    images : (N,) fingerprints
        Those that are there; of more than 1,000, as many are drawn.
    rng
        Draws them.

    Examples
    --------
    >>> adaptive_rule(Fingerprints.read([b""] * 300), np.random.default_rng(0))
    TwinRule(sure=-1.0, near=-1.0)
    """
    there = np.flatnonzero(images.present)
    if len(there) <= NEIGHBOUR:
        return NOTHING
    drawn = images[np.sort(rng.permutation(there)[:MEASURED])]
    n = len(drawn)
    rows, columns = np.triu_indices(n, 1)
    apart = np.full((n, n), np.inf)
    apart[rows, columns] = apart[columns, rows] = distances(drawn, drawn, rows, columns).bits
    typical = float(np.median(np.partition(apart, NEIGHBOUR - 1, axis=1)[:, NEIGHBOUR - 1]))
    return TwinRule(max(ALWAYS, SURE * typical), max(ALWAYS, min(MAX_NEAR, NEAR * typical)))


def is_twin(apart: Distances, rule: TwinRule) -> NDArray[np.bool_]:
    """Which of P pairs are twins, (P,)."""
    alike = (apart.bits <= rule.sure) | ((apart.bits <= rule.near) & (apart.strong <= MAX_STRONG))
    return np.asarray(alike & (apart.colour <= MAX_COLOUR))
