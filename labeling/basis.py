"""What one query is drawn from, in numbers, so that it can be drawn again: which images, and of which groups.

In: arrays, as the draw uses them. Out: a few kilobytes to keep with the query, and the same arrays again. No picture,
text, vector, probability or label is in it: these are read where they are kept, by the numbers that stand here.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

__all__ = ["Basis", "pack", "unpack", "unpack_candidates"]

Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Basis:
    """The N images that a query could ask, what is known of each, and the lists that it draws from."""

    images: Ids
    """(N,) numbers of the images, rising."""
    groups: Ids
    """(N,) near-duplicate group of each, as it was then."""
    free: Mask
    """(N,) whether the strategy may pick it; the others are reserved."""
    predicted: Mask
    """(N,) whether the version in use has predicted it; the others are ranked by the first engine's pre-label."""
    conflicts: npt.NDArray[np.float64]
    """(N,) in [0, 1]: how far engines contradict what the image is ranked by."""
    stream: Ids
    """(S,) groups that the random stream asks about next, in its order."""
    labels: Ids
    """(L,) numbers of the labels that were learnt from, in the order of their images."""
    gold: Ids
    """(G,) gold images that may be asked about."""
    weights: npt.NDArray[np.float64] | None = None
    """(N,) what a label of each is worth, not negative; None where the policy names no number."""

    def take(self, kept: Mask) -> Basis:
        """The same of some of the images; groups that none of them stands in leave the stream's list."""
        return replace(
            self,
            images=self.images[kept],
            groups=self.groups[kept],
            free=self.free[kept],
            predicted=self.predicted[kept],
            conflicts=self.conflicts[kept],
            stream=self.stream[np.isin(self.stream, self.groups[kept])],
            weights=None if self.weights is None else self.weights[kept],
        )


def pack(basis: Basis) -> bytes:
    """The arrays as a compressed NPZ file; equal arrays give equal bytes.

    Numbers are kept as their differences, and masks as bits.
    """
    values, codes = np.unique(basis.conflicts, return_inverse=True)
    arrays = {
        "images": _differences(basis.images),
        "groups": _differences(basis.groups),
        "free": np.packbits(basis.free),
        "predicted": np.packbits(basis.predicted),
        "conflict_values": values,
        "conflict_codes": _smallest(codes),
        "stream": _smallest(basis.stream),
        "labels": _differences(basis.labels),
        "gold": _differences(basis.gold),
    }
    if basis.weights is not None:
        worth, of = np.unique(basis.weights, return_inverse=True)
        arrays |= {"weight_values": worth, "weight_codes": _smallest(of)}
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def unpack(content: bytes) -> Basis:
    """What `pack` was given.

    Examples
    --------
    >>> ids, mask = np.array([3, 4, 9]), np.array([True, False, True])
    >>> basis = Basis(ids, ids, mask, ~mask, np.zeros(3), np.array([4]), np.array([1]), ids[:0])
    >>> unpack(pack(basis)).images.tolist(), unpack(pack(basis)).free.tolist()
    ([3, 4, 9], [True, False, True])
    """
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        images = np.cumsum(file["images"], dtype=np.int64)
        n = len(images)
        return Basis(
            images=images,
            groups=np.cumsum(file["groups"], dtype=np.int64),
            free=_mask(file["free"], n),
            predicted=_mask(file["predicted"], n),
            conflicts=file["conflict_values"][file["conflict_codes"]],
            stream=file["stream"].astype(np.int64),
            labels=np.cumsum(file["labels"], dtype=np.int64),
            gold=np.cumsum(file["gold"], dtype=np.int64),
            weights=file["weight_values"][file["weight_codes"]] if "weight_values" in file else None,
        )


def unpack_candidates(content: bytes) -> tuple[Ids, Mask]:
    """The images alone, and which of them the strategy could pick: nothing else is decompressed."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        images = np.cumsum(file["images"], dtype=np.int64)
        return images, _mask(file["free"], len(images))


def _differences(numbers: Ids) -> npt.NDArray[np.signedinteger]:
    return _smallest(np.diff(numbers, prepend=0))


def _smallest(numbers: npt.NDArray[np.signedinteger]) -> npt.NDArray[np.signedinteger]:
    """The same in the narrowest integers that hold them."""
    if not len(numbers):
        return numbers.astype(np.int8)
    least, most = int(numbers.min()), int(numbers.max())
    kinds = (np.int8, np.int16, np.int32, np.int64)
    return numbers.astype(next(kind for kind in kinds if np.iinfo(kind).min <= least and most <= np.iinfo(kind).max))


def _mask(bits: npt.NDArray[np.uint8], n: int) -> Mask:
    return np.unpackbits(bits, count=n).astype(bool)
