"""What near-duplicates are recognised by: a fingerprint of each image, and the distance between two of them.

In: an image, or fingerprints as stored. Out: 352 bytes, or arrays. A fingerprint holds the signs of the 16 x 16 lowest
DCT coefficients of the grey image, those of the same image turned and zoomed a little, which of them are strong, and
the mean colours of 16 fields. A flat image has none (empty bytes) and is near to nothing.

Source: the DCT hash of `imagehash.phash` with 256 bits; turned copies, strong bits and colours are our own (measured in
docs/decisions/0022-near-duplicates.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labeling.slices import slices

__all__ = ["BITS", "FINGERPRINT_BYTES", "VIEWS", "Distances", "Fingerprints", "distances", "fingerprint"]

BITS = 256
VIEWS = ((0.0, 1.0), (1.25, 1.0), (-1.25, 1.0), (0.0, 1.06), (0.0, 1 / 1.06))
"""As what an image is hashed: turned by so many degrees, enlarged so many times. The first is the image itself."""
STRONG = 0.75
"""This share of the coefficients, the largest, are strong: noise does not turn their signs."""
FLAT = 8
"""Under this range of grey levels the signs are rounding noise: all flat images would be near-duplicates."""
FIELDS = 4
THUMBNAIL, MARGIN, SIDE, LOWEST = 128, 16, 64, 16
FINGERPRINT_BYTES = 2 * len(VIEWS) * BITS // 8 + 2 * FIELDS**2
PAIRS_AT_ONCE = 65_536
_COSINES = np.cos(np.pi * np.outer(np.arange(LOWEST), 2 * np.arange(SIDE) + 1) / (2 * SIDE))  # (16, 64)

Bits = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """N fingerprints: `signs` and `strong` (N, 5, 4) of 64 bits each, `colours` (N, 32), and whether there is one."""

    signs: Bits
    strong: Bits
    colours: NDArray[np.uint8]
    present: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.present)

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> Fingerprints:
        return Fingerprints(self.signs[rows], self.strong[rows], self.colours[rows], self.present[rows])

    @classmethod
    def read(cls, stored: Sequence[bytes]) -> Fingerprints:
        """N fingerprints as `fingerprint` gave them; bytes of another length count as none."""
        present = np.array([len(one) == FINGERPRINT_BYTES for one in stored], bool)
        whole = b"".join(one if fits else bytes(FINGERPRINT_BYTES) for one, fits in zip(stored, present, strict=True))
        raw = np.frombuffer(whole, np.uint8).reshape(len(stored), FINGERPRINT_BYTES)
        half = len(VIEWS) * BITS // 8
        return cls(_words(raw[:, :half]), _words(raw[:, half : 2 * half]), raw[:, 2 * half :], present)

    def copy(self) -> Fingerprints:
        """The same in memory of its own, which may be written to."""
        return Fingerprints(self.signs.copy(), self.strong.copy(), self.colours.copy(), self.present.copy())


@dataclass(frozen=True, slots=True)
class Distances:
    """How far P pairs are apart: higher is less alike.

    `bits` (P,) in 0 to 256: differing signs, in the view in which they are fewest; infinite where an image has no
    fingerprint. `strong` (P,) in [0, 1]: the share that differs of the signs that are strong in both. `colour` (P,) in
    0 to 255: the largest difference of a field's mean colour.
    """

    bits: NDArray[np.float64]
    strong: NDArray[np.float64]
    colour: NDArray[np.float64]


def fingerprint(image: Image.Image) -> bytes:
    """The fingerprint of an image of any mode and size: 352 bytes, none for a flat one; about 3 ms.

    Examples
    --------
    >>> len(fingerprint(Image.linear_gradient("L"))), fingerprint(Image.new("RGB", (64, 64), "red"))
    (352, b'')
    """
    grey = np.asarray(image.convert("L").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS))
    if int(grey.max()) - int(grey.min()) < FLAT:
        return b""
    padded = Image.fromarray(np.pad(grey, MARGIN, mode="edge"))
    lowest = np.stack([_lowest(padded, *view) for view in VIEWS])  # (5, 256)
    sizes = np.abs(lowest)
    strong = sizes >= np.quantile(sizes, 1 - STRONG, axis=1, keepdims=True)
    fields = np.asarray(image.convert("YCbCr").resize((FIELDS, FIELDS), Image.Resampling.BOX))[..., 1:]  # (4, 4, 2)
    return np.packbits(lowest > 0).tobytes() + np.packbits(strong).tobytes() + fields.tobytes()


def distances(one: Fingerprints, other: Fingerprints, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Distances:
    """The distances of P pairs: row `rows[p]` of one, row `columns[p]` of the other.

    An image that was turned or cropped is near in one of the views, of this image or of the other one.

    Examples
    --------
    >>> both = Fingerprints.read([fingerprint(Image.linear_gradient("L")), b""])
    >>> distances(both, both, np.array([0, 0]), np.array([0, 1])).bits.tolist()
    [0.0, inf]
    """
    found = [_distances(one[rows[some]], other[columns[some]]) for some in slices(len(rows), PAIRS_AT_ONCE)]
    fields = [[getattr(part, name) for part in found] for name in ("bits", "strong", "colour")]
    return Distances(*(np.concatenate([np.empty(0), *parts]) for parts in fields))


def _distances(one: Fingerprints, other: Fingerprints) -> Distances:
    ways = [
        *((one.signs[:, view] ^ other.signs[:, 0], one.strong[:, view] & other.strong[:, 0]) for view in _EVERY),
        *((one.signs[:, 0] ^ other.signs[:, view], one.strong[:, 0] & other.strong[:, view]) for view in _TURNED),
    ]
    differing = np.stack([_count(signs) for signs, _ in ways])  # (9, P)
    best = differing.argmin(axis=0)  # (P,)
    pairs = np.arange(len(best))
    strong = np.stack([_count(signs & both) / np.maximum(_count(both), 1) for signs, both in ways])[best, pairs]
    bits = np.where(one.present & other.present, differing[best, pairs], np.inf)
    colour = np.abs(one.colours.astype(np.int16) - other.colours).max(axis=1, initial=0)
    return Distances(bits.astype(np.float64), strong.astype(np.float64), colour.astype(np.float64))


_EVERY, _TURNED = range(len(VIEWS)), range(1, len(VIEWS))


def _count(bits: Bits) -> NDArray[np.int64]:
    return np.asarray(np.bitwise_count(bits).sum(axis=-1, dtype=np.int64))


def _lowest(padded: Image.Image, degrees: float, zoom: float) -> NDArray[np.float64]:
    """The lowest coefficients of one view less their median, (256,)."""
    step = THUMBNAIL / SIDE / zoom
    cos, sin = np.cos(np.deg2rad(degrees)) * step, np.sin(np.deg2rad(degrees)) * step
    middle, half = padded.width / 2, SIDE / 2
    affine = (cos, -sin, middle - half * (cos - sin), sin, cos, middle - half * (sin + cos))
    view = padded.transform((SIDE, SIDE), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
    lowest = _COSINES @ np.asarray(view, np.float64) @ _COSINES.T  # (16, 16)
    return np.asarray((lowest - np.median(lowest)).ravel())


def _words(raw: NDArray[np.uint8]) -> Bits:
    return np.ascontiguousarray(raw).view(np.uint64).reshape(len(raw), len(VIEWS), BITS // 64)
