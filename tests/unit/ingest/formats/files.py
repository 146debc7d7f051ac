"""Files made byte by byte from arrays, and what a reader should make of them: no decoder of ours takes part."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from labeling.ingest.decoding import decode
from labeling.ingest.headers import Limits

Values = NDArray[Any]
HEIGHT, WIDTH = 37, 53
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Where the seven passes of an interlaced PNG begin, and their steps: x, y, across, down."""


def saved(image: Image.Image, image_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def shown(data: bytes) -> Values:
    return np.asarray(decode(data, Limits()).image).astype(int)


def furthest(data: bytes, wanted: Values) -> int:
    """By how much what we decode differs from what is wanted, (H, W) grey or (H, W, 3), at the worst place."""
    colours = wanted if wanted.ndim == 3 else np.stack([wanted] * 3, axis=2)
    found = shown(data)
    assert found.shape == colours.shape
    return int(np.abs(found - colours.astype(int)).max())


def on_white(colours: Values, alpha: Values) -> Values:
    """Values 0..255 (H, W, 3) with alpha 0..255 (H, W), laid on white."""
    share = alpha[..., None] / 255
    laid: Values = np.round(colours * share + 255 * (1 - share))
    return laid


def by_opencv(data: bytes) -> Values:
    decoded: Values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    return decoded


def tiff(samples: Values, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, **options)
    return buffer.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(
    samples: Values, depth: int, colour: int, *, interlaced: bool = False, extra: Sequence[tuple[bytes, bytes]] = ()
) -> bytes:
    """A PNG of samples (H, W, C), with every one of the five filters in turn."""
    height, width, _ = samples.shape
    parts = [samples[y::down, x::across] for x, y, across, down in PASSES] if interlaced else [samples]
    body = b"".join(_filtered(part, depth) for part in parts)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(body)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, body) for name, body in chunks)


def _filtered(samples: Values, depth: int) -> bytes:
    if not samples.size:
        return b""
    height, width, channels = samples.shape
    if depth >= 8:
        packed = samples.astype(">u2" if depth == 16 else "u1").reshape(height, -1).view("u1")
    else:
        bits = samples.reshape(height, -1, 1) >> np.arange(depth - 1, -1, -1) & 1
        packed = np.packbits(bits.reshape(height, -1).astype("u1"), axis=1)
    step = max(1, channels * depth // 8)
    result, above = b"", np.zeros(packed.shape[1], int)
    for y, row in enumerate(packed.astype(int)):
        left, corner = np.roll(row, step), np.roll(above, step)
        left[:step], corner[:step] = 0, 0
        near = left + above - corner
        by = [abs(near - left), abs(near - above), abs(near - corner)]
        paeth = np.where((by[0] <= by[1]) & (by[0] <= by[2]), left, np.where(by[1] <= by[2], above, corner))
        guess = [0 * row, left, above, (left + above) // 2, paeth][y % 5]
        result += bytes([y % 5]) + ((row - guess) % 256).astype("u1").tobytes()
        above = row
    return result
