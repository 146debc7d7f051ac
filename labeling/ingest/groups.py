"""Near-duplicate groups, so that twins (near-duplicates) are on one side of the hold-out.

In: images already placed and newcomers, in the order of their ids. Out: for each newcomer its group (named by the
content hash of its founder), the side that the group stands on, and whether the newcomer is a *bridge*. Invariant:
no two twins that are not bridges are on different sides, in any order of arrival.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from labeling.slices import slices
from labeling.types import Side
from labeling.vectors import Rows, unit

__all__ = ["MAX_BITS", "MIN_COSINE", "Fingerprints", "Placement", "place", "side_of_founder"]

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


@dataclass(frozen=True, slots=True)
class Placement:
    """The group and side of one image; written once. A bridge has twins on both sides and is used on neither."""

    founder: str
    side: Side
    bridge: bool


def side_of_founder(founder: str, salt: str, holdout_share: float) -> Side:
    """The side of a group: a hash of its founder and the project's salt, so no one can choose it.

    >>> side_of_founder("00" * 32, "salt", 0.0).value
    'pool'
    """
    drawn = int.from_bytes(sha256(f"{salt}:{founder}".encode()).digest()[:8], "big") / 2**64
    return Side.HOLDOUT if drawn < holdout_share else Side.POOL


def place(
    newcomers: Fingerprints, known: Fingerprints, placed: Sequence[Placement], *, salt: str, holdout_share: float
) -> list[Placement]:
    """Put every new image, in order, into the nearest twin's group, or let it found one.

    Parameters
    ----------
    newcomers, known
        (n,) new images in the order of their ids, and the (N,) images placed before.
    placed
        Where the known images stand, (N,).
    salt, holdout_share
        The project's; they decide the side of a group that is founded here.

    Returns
    -------
    One placement a newcomer, in order.

    Examples
    --------
    >>> two = Fingerprints(["a", "b"], ["", ""], np.eye(2, dtype=np.float32))
    >>> nobody = Fingerprints([], [], np.zeros((0, 2), np.float32))
    >>> [p.founder for p in place(two, nobody, [], salt="s", holdout_share=0.2)]
    ['a', 'b']
    """
    far_known = _distances(newcomers, known)  # (n, N); under 1 is a twin
    far_new = _distances(newcomers, newcomers)  # (n, n)
    standing = list(placed)
    first_new = len(placed)
    for row, content_hash in enumerate(newcomers.content_hashes):
        far = np.concatenate([far_known[row], far_new[row, :row]])  # (N + row,)
        standing.append(_place_one(content_hash, far, standing, salt, holdout_share))
    return standing[first_new:]


def _place_one(
    content_hash: str, far: NDArray[np.float32], standing: Sequence[Placement], salt: str, holdout_share: float
) -> Placement:
    twins = np.flatnonzero(far < 1)
    if not twins.size:
        return Placement(content_hash, side_of_founder(content_hash, salt, holdout_share), bridge=False)
    nearest = standing[int(twins[np.argmin(np.round(far[twins], 3))])]  # the earliest of equals, up to rounding noise
    sides = {standing[int(twin)].side for twin in twins if not standing[int(twin)].bridge}
    return Placement(nearest.founder, nearest.side, bridge=bool(sides - {nearest.side}))


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
