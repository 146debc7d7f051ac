"""The samples of a TIFF as they were measured, whatever their depth, sign, byte order and planes.

In: the layout of a page. Out: an array (H, W, S), then a picture of eight bits. Compression is undone by Pillow's own
reader, to which the page is described as grey bytes: a byte has no order, no sign and no planes to get wrong.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, TiffImagePlugin

from labeling.errors import BadImage
from labeling.ingest.formats.depth import Bytes, Samples, scaled, stretched, white_of
from labeling.ingest.formats.tiff import (
    BITS,
    COLOURS,
    COMPRESSION,
    EXTRAS,
    FILL_ORDER,
    FLOAT,
    HEIGHT,
    HIGHEST,
    PHOTOMETRIC,
    PLANAR,
    PREDICTOR,
    ROWS,
    SAMPLES,
    SIGNED,
    STRIP_BYTES,
    STRIP_OFFSETS,
    TILE_BYTES,
    TILE_HEIGHT,
    TILE_OFFSETS,
    TILE_WIDTH,
    WIDTH,
    Tiff,
)

__all__ = ["picture_of"]

_LONG = 4
_PREMULTIPLIED = 1
_DIFFERENCES, _FLOAT_DIFFERENCES = 2, 3
_PREDICTING = {5, 8, 32946, 34925, 50000}
_PREMULTIPLIED_MODES = {1: "La", 3: "RGBa"}


def picture_of(tiff: Tiff) -> Image.Image:
    """The page with eight bits a sample, as L, LA, La, RGB, RGBA, RGBa or CMYK."""
    samples = _samples_of(tiff)
    colours = COLOURS[tiff.photometric]
    values = _to_bytes(tiff, samples[..., :colours])
    if tiff.photometric == 0:
        values = 255 - values
    image = Image.fromarray(values[..., 0]) if colours == 1 else _image(values, "RGB" if colours == 3 else "CMYK")
    extras = tiff.numbers(EXTRAS) or ((2,) if colours == 3 else ())
    if samples.shape[2] > colours and colours < 4 and extras[:1] not in ((), (0,)):
        image = _with_alpha(values, samples[..., colours], tiff.bits, is_premultiplied=extras[0] == _PREMULTIPLIED)
    return image


def _samples_of(tiff: Tiff) -> Samples:
    """All samples of the page, (H, W, S), in this machine's byte order."""
    width, height = tiff.size
    if not tiff.is_planar:
        return _unpredicted(tiff, _rows(tiff, slice(None), tiff.samples), tiff.samples)[:, :width]
    offsets, _ = _places(tiff)
    a_plane = len(offsets) // tiff.samples
    planes = [_rows(tiff, slice(n * a_plane, (n + 1) * a_plane), 1) for n in range(tiff.samples)]
    return np.concatenate([_unpredicted(tiff, plane, 1)[:, :width] for plane in planes], axis=2)


def _to_bytes(tiff: Tiff, samples: Samples) -> Bytes:
    if tiff.format == FLOAT:
        return stretched(samples)
    lowest, highest = int(samples.min(initial=0)), int(samples.max(initial=0))
    if lowest < 0 or highest > 65_535:
        return stretched(samples)
    bits = 16 if tiff.bits == 32 or (tiff.format == SIGNED and tiff.bits == 16) else tiff.bits
    declared = max(tiff.numbers(HIGHEST), default=None)
    return scaled(samples, white_of(samples, bits, declared))


def _with_alpha(values: Bytes, alpha: Samples, bits: int, *, is_premultiplied: bool) -> Image.Image:
    opaque = scaled(alpha, white_of(alpha, bits))[..., None]
    colours = values.shape[2]
    if not is_premultiplied:
        return _image(np.concatenate([values, opaque], axis=2), "LA" if colours == 1 else "RGBA")
    return _image(np.concatenate([values, opaque], axis=2), _PREMULTIPLIED_MODES[colours])


def _image(values: Bytes, mode: str) -> Image.Image:
    height, width, _ = values.shape
    return Image.frombytes(mode, (width, height), np.ascontiguousarray(values).tobytes())


def _places(tiff: Tiff) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if tiff.number(TILE_WIDTH, 0):
        return tiff.numbers(TILE_OFFSETS), tiff.numbers(TILE_BYTES)
    return tiff.numbers(STRIP_OFFSETS), tiff.numbers(STRIP_BYTES)


def _rows(tiff: Tiff, which: slice, samples: int) -> Bytes:
    """The bytes of some strips or tiles, (H, bytes a row); tiles are kept whole at the right edge."""
    width, height = tiff.size
    tile = tiff.number(TILE_WIDTH, 0)
    across = -(-width // tile) if tile else 1
    a_tile = -(-(tile or width) * samples * tiff.bits // 8)
    offsets, lengths = _places(tiff)
    layout: dict[int, Sequence[int]]
    if tile:
        layout = {TILE_WIDTH: [a_tile], TILE_HEIGHT: [tiff.number(TILE_HEIGHT, height)]}
        layout |= {TILE_OFFSETS: offsets[which], TILE_BYTES: lengths[which]}
    else:
        layout = {ROWS: [min(tiff.number(ROWS, height), height)]}
        layout |= {STRIP_OFFSETS: offsets[which], STRIP_BYTES: lengths[which]}
    described = layout | {WIDTH: [across * a_tile], HEIGHT: [height], BITS: [8]}
    described |= {PHOTOMETRIC: [1], SAMPLES: [1], PLANAR: [1]}
    described |= {COMPRESSION: [tiff.number(COMPRESSION, 1)], FILL_ORDER: [tiff.number(FILL_ORDER, 1)]}
    with TiffImagePlugin.TiffImageFile(io.BytesIO(_as_bytes(tiff, described))) as page:
        page.load()
        return np.asarray(page)


def _as_bytes(tiff: Tiff, described: Mapping[int, Sequence[int]]) -> bytes:
    """The file with another first page at its end."""
    entries, beside = b"", b""
    start = len(tiff.data) + len(tiff.data) % 2
    after = start + 2 + 12 * len(described) + 4
    for tag, values in sorted(described.items()):
        packed = struct.pack(f"{tiff.order}{len(values)}L", *values)
        place = packed if len(packed) <= 4 else struct.pack(tiff.order + "L", after + len(beside))
        entries += struct.pack(tiff.order + "HHL", tag, _LONG, len(values)) + place
        beside += packed if len(packed) > 4 else b""
    page = struct.pack(tiff.order + "H", len(described)) + entries + b"\0\0\0\0" + beside
    head = tiff.data[:4] + struct.pack(tiff.order + "L", start)
    return b"".join([head, memoryview(tiff.data)[8:], b"\0" * (len(tiff.data) % 2), page])


def _unpredicted(tiff: Tiff, rows: Bytes, samples: int) -> Samples:
    """Bytes (H, B) as samples (H, W, S), differences along a row summed, tile by tile."""
    height = len(rows)
    tile = tiff.number(TILE_WIDTH, 0) or tiff.size[0]
    kind = "f" if tiff.format == FLOAT else "i" if tiff.format == SIGNED else "u"
    if tiff.bits not in (8, 16, 32):
        return _unpacked(rows, tile, samples, tiff.bits)
    width = tiff.bits // 8
    how = tiff.number(PREDICTOR, 1) if tiff.number(COMPRESSION, 1) in _PREDICTING else 1
    tiles = rows.reshape(height, -1, tile * samples * width)
    if how == _FLOAT_DIFFERENCES:
        sums = np.cumsum(tiles.reshape(height, tiles.shape[1], -1, samples), axis=2, dtype=np.uint8)
        planes = sums.reshape(height, tiles.shape[1], width, tile * samples)  # highest bytes first
        wide = np.ascontiguousarray(np.moveaxis(planes, 2, 3)).view(f">{kind}{width}")
        return wide.reshape(height, -1, samples).astype(f"{kind}{width}")
    values = np.ascontiguousarray(tiles).view(f"{tiff.order}{kind}{width}").astype(f"{kind}{width}", copy=False)
    if how == _DIFFERENCES and kind != "f":
        values = np.cumsum(values.reshape(height, tiles.shape[1], tile, samples), axis=2, dtype=values.dtype)
    elif how not in (1, _DIFFERENCES):
        raise BadImage(f"This is a kind of TIFF that is not taken (predictor {how}). Save it without compression.")
    return values.reshape(height, -1, samples)


def _unpacked(rows: Bytes, tile: int, samples: int, bits: int) -> Samples:
    """Samples of any number of bits up to 16 that lie without gaps between them, each row or tile whole bytes."""
    height = len(rows)
    a_tile = -(-tile * samples * bits // 8)
    result = np.empty((height, rows.shape[1] // a_tile, tile * samples), np.uint16)
    weights = (1 << np.arange(bits - 1, -1, -1)).astype(np.uint16)
    for row in range(height):  # a row at a time: every bit becomes two bytes
        every = np.unpackbits(rows[row].reshape(-1, a_tile), axis=1)[:, : tile * samples * bits]
        result[row] = every.reshape(-1, tile * samples, bits) @ weights
    return result.reshape(height, -1, samples)
