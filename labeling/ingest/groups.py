"""Near-duplicate groups: of twins (near-duplicates) one is asked about, and none measures what another taught.

In: images already placed and newcomers, in the order of their ids. Out: for each newcomer its group, named by the
content hash of its founder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labeling.slices import slices
from labeling.vectors import Rows, unit

__all__ = ["MAX_BITS", "MIN_COSINE", "Fingerprints", "place"]

MAX_BITS = 6
MIN_COSINE = 0.95
_BLOCK = 8_192
"""Rows of the vectors that are read and compared at a time."""


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """What near-duplicates are found by: content hashes (N,), perceptual hashes (N,) as hex or "", vectors (N, D)."""

    content_hashes: Sequence[str]
    perceptual_hashes: Sequence[str]
    vectors: Rows


def place(newcomers: Fingerprints, known: Fingerprints, founders: Sequence[str]) -> list[str]:
    """Put every new image, in order, into the nearest twin's group, or let it found one.

    Parameters
    ----------
    newcomers, known
        (n,) new images in the order of their ids, and the (N,) images placed before.
    founders
        The content hash that names the group of each known image, (N,).

    Returns
    -------
    The founder of each newcomer's group, in order.

    Examples
    --------
    >>> two = Fingerprints(["a", "b"], ["", ""], np.eye(2, dtype=np.float32))
    >>> place(two, Fingerprints([], [], np.zeros((0, 2), np.float32)), [])
    ['a', 'b']
    """
    far_known = _distances(newcomers, known)  # (n, N); under 1 is a twin
    far_new = _distances(newcomers, newcomers)  # (n, n)
    standing = list(founders)
    for row, content_hash in enumerate(newcomers.content_hashes):
        far = np.concatenate([far_known[row], far_new[row, :row]])  # (N + row,)
        twins = np.flatnonzero(far < 1)
        nearest = int(twins[np.argmin(np.round(far[twins], 3))]) if twins.size else None  # the earliest of equals
        standing.append(content_hash if nearest is None else standing[nearest])
    return standing[len(founders) :]


def _distances(new: Fingerprints, old: Fingerprints) -> NDArray[np.float32]:
    """The distance between images, (n, N) >= 0: under 1 for twins, by bits or by cosine, whichever is nearer."""
    far = np.empty((len(new.content_hashes), len(old.content_hashes)), np.float32)
    bits, has_bits = _as_bits(new.perceptual_hashes)
    vectors = unit(np.asarray(new.vectors))  # (n, D)
    for block in slices(far.shape[1], _BLOCK):
        old_bits, old_has_bits = _as_bits(old.perceptual_hashes[block])
        by_cosine = (1 - vectors @ unit(old.vectors[block]).T) / (1 - MIN_COSINE)  # (n, B); == 1 is not a twin
        by_bits = np.bitwise_count(bits[:, None] ^ old_bits[None, :]) / (MAX_BITS + 1)  # (n, B)
        by_bits = np.where(has_bits[:, None] & old_has_bits[None, :], by_bits, np.inf)
        far[:, block] = np.maximum(np.minimum(by_cosine, by_bits), 0)
    same = {content_hash: column for column, content_hash in enumerate(old.content_hashes)}
    for row, content_hash in enumerate(new.content_hashes):
        if content_hash in same:
            far[row, same[content_hash]] = 0
    return far


def _as_bits(hashes: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    return np.array([int(h or "0", 16) for h in hashes], np.uint64), np.array([bool(h) for h in hashes], np.bool_)
