"""Samples of more than eight bits as eight: which value is white, and the scaling to it.

In: an array of samples and the largest value that its type can hold. Out: uint8, with 255 for white. Invariant: order
is kept, and all channels of colour of a picture are scaled alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bytes", "Samples", "scaled", "stretched", "white_of"]

Bytes = NDArray[np.uint8]
Samples = NDArray[np.generic]
_RANGES = (8, 10, 12, 14)
"""Bits that cameras and scanners measure with and then store in sixteen."""
_AT_ONCE = 2**21


def white_of(samples: Samples, bits: int, declared: int | None = None) -> int:
    """The value that stands for white in samples of `bits` bits.

    It is the full range, but where the brightest sample is under a quarter of it: there the samples were measured
    with fewer bits, and white is the largest value of the fewest usual bits (8, 10, 12, 14) that hold them all.
    `declared` is what the file says that its white is; it counts unless a sample is above it.

    Examples
    --------
    >>> white_of(np.array([0, 4000], np.uint16), 16)
    4095
    >>> white_of(np.array([0, 40000], np.uint16), 16)
    65535
    """
    full: int = 2**bits - 1
    brightest = int(samples.max(initial=0))
    if declared is not None and max(brightest, 1) <= declared <= full:
        return declared
    if bits != 16 or brightest == 0:
        return full
    ranges: list[int] = [2**fewer - 1 for fewer in _RANGES]
    return next((white for white in ranges if brightest <= white), full)


def scaled(samples: Samples, white: int) -> Bytes:
    """Unsigned samples as uint8, 0 black and `white` 255, rounded; what is above white is white."""
    flat = samples.reshape(-1)
    result = np.empty(flat.shape, np.uint8)
    for start in range(0, len(flat), _AT_ONCE):  # so that the wide copies stay small
        some = flat[start : start + _AT_ONCE].astype(np.uint64)
        result[start : start + _AT_ONCE] = (np.minimum(some, white) * 255 + white // 2) // white
    return result.reshape(samples.shape)


def stretched(samples: Samples) -> Bytes:
    """Numbers without a known range as uint8, from the darkest to the brightest; what is not finite is 0."""
    flat = samples.reshape(-1)
    finite = flat[np.isfinite(flat)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    low, high = (min(low, 0.0), max(high, 0.0)) if len(finite) < len(flat) else (low, high)
    result = np.empty(flat.shape, np.uint8)
    for start in range(0, len(flat), _AT_ONCE):
        some = np.nan_to_num(flat[start : start + _AT_ONCE].astype(np.float64), posinf=0.0, neginf=0.0)
        result[start : start + _AT_ONCE] = np.round((some - low) * (255 / max(high - low, 1e-300)))
    return result.reshape(samples.shape)
