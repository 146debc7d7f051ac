"""Colour profiles made from their numbers: Display P3, linear grey, and a CMYK table."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms


def profile(space: bytes, tags: list[tuple[bytes, bytes]], kind: bytes = b"mntr", pcs: bytes = b"XYZ ") -> bytes:
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, value in tags:
        table += name + struct.pack(">II", start + len(body), len(value))
        body += value + b"\0" * (-len(value) % 4)
    head = struct.pack(">I4xI", start + len(body), 0x02100000) + kind + space + pcs
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28 + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def _gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


_COMMON = [
    (b"desc", b"desc\0\0\0\0" + struct.pack(">I", 2) + b"x\0" + b"\0" * 78),
    (b"cprt", b"text\0\0\0\0x\0"),
    (b"wtpt", _xyz(0.9642, 1, 0.8249)),
]
_PRIMARIES = {b"r": (0.5151, 0.2412, -0.0011), b"g": (0.2919, 0.6922, 0.0419), b"b": (0.1572, 0.0666, 0.7841)}
P3 = profile(
    b"RGB ",
    _COMMON
    + [(name + b"XYZ", _xyz(*values)) for name, values in _PRIMARIES.items()]
    + [(name + b"TRC", _gamma(2.2)) for name in _PRIMARIES],
)
LINEAR_GREY = profile(b"GRAY", [*_COMMON, (b"kTRC", _gamma(1.0))])


def _inks() -> bytes:
    """A table of 2 x 2 x 2 x 2 inks to Lab."""
    corners = b""
    for n in range(16):
        c, m, y, k = n >> 3 & 1, n >> 2 & 1, n >> 1 & 1, n & 1
        light = (1 - k) * (1 - 0.3 * c - 0.3 * m - 0.2 * y)
        a, b = (-40 * c + 50 * m) * (1 - k), (60 * y - 40 * c) * (1 - k)
        corners += bytes([round(light * 255), 128 + a, 128 + b])
    same = bytes(range(256))
    head = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    return head + same * 4 + corners + same * 3


INKS = profile(b"CMYK", [*_COMMON, (b"A2B0", _inks())], b"prtr", b"Lab ")


def in_srgb(image: Image.Image, given: bytes) -> NDArray[Any]:
    """What LittleCMS makes of a picture without transparency."""
    srgb = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(io.BytesIO(given)), srgb, outputMode="RGB")
    assert converted is not None
    return np.asarray(converted)
