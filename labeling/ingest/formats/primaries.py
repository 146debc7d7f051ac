"""Colour profiles for files that name their colours by number or by chromaticities instead of holding a profile.

In: code points as PNG's cICP and the nclx of AVIF and HEIC have them, or the numbers of PNG's cHRM and gAMA. Out: a
profile for LittleCMS; empty where the colours are those of sRGB.

Source: ITU-T H.273, tables 2 and 3; ICC.1:2001-04 for the profile; B. Lindbloom's Bradford matrix for its white.
"""

from __future__ import annotations

import struct
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["profile_by_code", "profile_by_numbers"]

Chromaticities = tuple[float, ...]
"""x and y of white, red, green and blue."""
_D65 = (0.3127, 0.3290)
_SRGB = (*_D65, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
_BY_CODE: dict[int, Chromaticities] = {
    4: (0.310, 0.316, 0.670, 0.330, 0.210, 0.710, 0.140, 0.080),
    5: (*_D65, 0.640, 0.330, 0.290, 0.600, 0.150, 0.060),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0, **dict.fromkeys((1, 6, 13, 14, 15), 0.0)}
"""By transfer; 0 is the curve of sRGB, by which screens show that of television too. Those of HDR have no gamma."""
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_D50 = np.array([0.9642, 1.0, 0.8249])


def profile_by_code(primaries: int, transfer: int) -> bytes | None:
    """The profile of these code points; None where they are not known, or are those of HDR: no screen here shows them.

    >>> len(profile_by_code(12, 13)) > 128, profile_by_code(1, 13), profile_by_code(9, 16)
    (True, b'', None)
    """
    gamma = _GAMMAS.get(transfer)
    known = _SRGB if primaries == 1 else _BY_CODE.get(primaries)
    if gamma is None or known is None:
        return None
    return b"" if primaries == 1 and gamma == 0.0 else _profile(known, gamma)


def profile_by_numbers(chromaticities: Chromaticities, gamma: float | None) -> bytes:
    """The profile of these chromaticities, with a gamma of the values; empty for those of sRGB, or where none can be.

    >>> profile_by_numbers((0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06), None)
    b''
    """
    if len(chromaticities) != 8 or min(chromaticities) <= 0 or max(chromaticities) > 1:
        return b""
    if all(abs(one - other) < 0.005 for one, other in zip(chromaticities, _SRGB, strict=True)):
        return b""
    is_like_a_screen = gamma is None or abs(gamma - 2.2) < 0.1
    return _profile(chromaticities, 0.0 if is_like_a_screen or gamma is None else gamma)


@lru_cache(maxsize=64)
def _profile(chromaticities: Chromaticities, gamma: float) -> bytes:
    colours = _adapted(chromaticities)
    if colours is None:
        return b""
    curve = (
        struct.pack(f">I{1024}H", 1024, *_srgb_curve()) if gamma == 0.0 else struct.pack(">IH", 1, round(gamma * 256))
    )
    tags = [
        (b"desc", b"desc\0\0\0\0" + struct.pack(">I", 2) + b"x\0" + b"\0" * 78),
        (b"cprt", b"text\0\0\0\0x\0"),
        (b"wtpt", _xyz(_D50)),
        *((name + b"XYZ", _xyz(column)) for name, column in zip((b"r", b"g", b"b"), colours.T, strict=True)),
        *((name + b"TRC", b"curv\0\0\0\0" + curve) for name in (b"r", b"g", b"b")),
    ]
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, value in tags:
        table += name + struct.pack(">II", start + len(body), len(value))
        body += value + b"\0" * (-len(value) % 4)
    head = struct.pack(">I4xI", start + len(body), 0x02100000) + b"mntrRGB XYZ "
    head += struct.pack(">6H", 2001, 4, 1, 0, 0, 0) + b"acsp" + b"\0" * 28 + _fixed(_D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _adapted(chromaticities: Chromaticities) -> NDArray[np.float64] | None:
    """XYZ of red, green and blue as columns, for the white of profiles; None where they span no colours."""
    x, y = np.array(chromaticities).reshape(4, 2).T
    given = np.stack([x / y, np.ones(4), (1 - x - y) / y])  # (3, 4): white, then red, green, blue
    white, primaries = given[:, 0], given[:, 1:]
    if abs(np.linalg.det(primaries)) < 1e-6:
        return None
    scaled = primaries * np.linalg.solve(primaries, white)
    ratio = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    adapted: NDArray[np.float64] = np.linalg.inv(_BRADFORD) @ np.diag(ratio) @ _BRADFORD @ scaled
    return adapted if np.isfinite(adapted).all() and np.abs(adapted).max() < 4 else None


def _srgb_curve() -> list[int]:
    value = np.linspace(0, 1, 1024)
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return [round(one * 65_535) for one in light.tolist()]


def _xyz(values: NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(values)


def _fixed(values: NDArray[np.float64]) -> bytes:
    return struct.pack(">3i", *(round(value * 65_536) for value in values.tolist()))
