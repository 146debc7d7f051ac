"""What a TIFF says of its first page, before anything is decoded: how its samples lie and what they mean.

In: the bytes of a file. Out: the layout, or BadImage that names a kind which is not taken. Reads numbers only.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from labeling.errors import BadImage
from labeling.ingest.formats.broken import broken

__all__ = ["Tiff", "read_tiff"]

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, COLOUR_MAP = 256, 257, 258, 259, 262, 266, 320
STRIP_OFFSETS, SAMPLES, ROWS, STRIP_BYTES, HIGHEST, PLANAR, PREDICTOR = 273, 277, 278, 279, 281, 284, 317
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES, EXTRAS, FORMAT = 322, 323, 324, 325, 338, 339
ORIENTATION, PROFILE, KIND, DNG, RAW_COLOURS = 274, 34675, 254, 50706, 32803

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 8: 2, 9: 4}
_CODES = {1: "B", 2: "B", 3: "H", 4: "L", 6: "b", 7: "B", 8: "h", 9: "l"}
_PLAIN = {1, 5, 8, 32946, 32773, 34925, 50000}
"""Compressions that give the samples back as they were: none, LZW, Deflate, PackBits, LZMA, Zstandard."""
_READABLE = _PLAIN | {2, 3, 4, 6, 7, 32771}
"""And those that Pillow reads: fax, JPEG of both kinds."""
COLOURS = {0: 1, 1: 1, 2: 3, 5: 4}
"""Channels of grey (0 is white in the first), RGB and CMYK, by photometric interpretation."""
FLOAT, SIGNED, UNSIGNED = 3, 2, 1
_OTHER = {
    3: "a palette",
    4: "a mask",
    6: "YCbCr",
    8: "CIELab",
    9: "ICCLab",
    10: "ITULab",
    32844: "LogL",
    32845: "LogLuv",
}
_NUMBERS = {UNSIGNED: "unsigned", SIGNED: "signed", FLOAT: "floating-point", 5: "complex", 6: "complex"}
_MAX_SAMPLES = 16


@dataclass(frozen=True, slots=True)
class Tiff:
    """The first page. `numbers` gives the whole numbers of a tag; empty where it is not there."""

    order: str
    tags: Mapping[int, tuple[int, int, int]]
    data: bytes

    def numbers(self, tag: int) -> tuple[int, ...]:
        kind, count, at = self.tags.get(tag, (1, 0, 0))
        return struct.unpack_from(f"{self.order}{count}{_CODES[kind]}", self.data, at)

    def number(self, tag: int, default: int) -> int:
        return next(iter(self.numbers(tag)), default)

    def piece(self, tag: int) -> bytes:
        """The bytes of a tag, such as a colour profile."""
        kind, count, at = self.tags.get(tag, (1, 0, 0))
        return self.data[at : at + count * _SIZES[kind]]

    @property
    def size(self) -> tuple[int, int]:
        return self.number(WIDTH, 0), self.number(HEIGHT, 0)

    @property
    def samples(self) -> int:
        return self.number(SAMPLES, 1)

    @property
    def bits(self) -> int:
        """Bits a sample, of the first one."""
        return self.number(BITS, 1)

    @property
    def format(self) -> int:
        return self.number(FORMAT, UNSIGNED)

    @property
    def photometric(self) -> int:
        return self.number(PHOTOMETRIC, 0)

    @property
    def is_planar(self) -> bool:
        return self.number(PLANAR, 1) == 2 and self.samples > 1

    @property
    def needs_samples(self) -> bool:
        """Whether the samples must be read one by one, because no decoder turns them into the right eight bits."""
        return self.bits > 8 or self.format != UNSIGNED or self.is_planar


def read_tiff(data: bytes) -> Tiff:
    """The layout of the first page.

    Raises
    ------
    BadImage
        A header that cannot be read, or a kind of TIFF that is not taken, named.
    """
    order = "<" if data[:2] == b"II" else ">"
    try:
        tiff = Tiff(order, _tags(data, order), data)
        _refuse_other_kinds(tiff)
    except struct.error as error:
        raise broken("TIFF") from error
    return tiff


def _tags(data: bytes, order: str) -> dict[int, tuple[int, int, int]]:
    """(type, count, place) of every tag whose values are whole numbers or bytes and lie in the file."""
    (at,) = struct.unpack_from(order + "L", data, 4)
    (count,) = struct.unpack_from(order + "H", data, at)
    tags: dict[int, tuple[int, int, int]] = {}
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(order + "HHL", data, entry)
        size = values * _SIZES.get(kind, 0)
        place = entry + 8 if size <= 4 else struct.unpack_from(order + "L", data, entry + 8)[0]
        if size and place + size <= len(data):
            tags.setdefault(tag, (kind, values, place))
    return tags


def _refuse_other_kinds(tiff: Tiff) -> None:
    width, height = tiff.size
    if not width or not height or not (tiff.tags.keys() & {STRIP_OFFSETS, TILE_OFFSETS}) or tiff.samples < 1:
        raise broken("TIFF")
    if DNG in tiff.tags or tiff.photometric == RAW_COLOURS or tiff.data[8:10] == b"CR" or tiff.number(KIND, 0) & 1:
        raise BadImage(
            "This is a camera's raw file, or its first page is only a preview. Save it as JPEG, PNG or a plain TIFF."
        )
    said = what_it_is(tiff)
    if tiff.number(COMPRESSION, 1) not in _READABLE:
        raise _not_taken(f"compression {tiff.number(COMPRESSION, 1)}, {said}")
    if not tiff.needs_samples:
        return
    if tiff.samples > _MAX_SAMPLES or len(set(tiff.numbers(BITS))) > 1 or len(set(tiff.numbers(FORMAT))) > 1:
        raise _not_taken(said)
    colours = COLOURS.get(tiff.photometric)
    extras = tiff.samples - (colours or 0)
    grey_only = tiff.format == FLOAT or tiff.bits > 16
    is_known = (
        colours is not None
        and extras >= 0
        and not (colours == 1 and extras > 1)
        and not (grey_only and tiff.samples > 1)
        and (tiff.bits == 32 if tiff.format == FLOAT else tiff.bits in (8, 16, 32) or tiff.bits < 16)
        and tiff.format in (UNSIGNED, SIGNED, FLOAT)
        and not (tiff.format == SIGNED and (tiff.bits not in (8, 16, 32) or tiff.samples > 1))
        and tiff.number(COMPRESSION, 1) in _PLAIN
    )
    if not is_known:
        raise _not_taken(said)


def what_it_is(tiff: Tiff) -> str:
    """The kind in words.

    Examples
    --------
    >>> what_it_is(Tiff("<", {}, b""))
    '1 band of 1-bit unsigned samples'
    """
    bands = "1 band" if tiff.samples == 1 else f"{tiff.samples} bands"
    kind = _OTHER.get(tiff.photometric)
    said = f"{bands} of {tiff.bits}-bit {_NUMBERS.get(tiff.format, 'unknown')} samples"
    return said + (f", {kind}" if kind else "") + (", in separate planes" if tiff.is_planar else "")


def _not_taken(said: str) -> BadImage:
    return BadImage(f"This is a kind of TIFF that is not taken ({said}). Save it as 8- or 16-bit grey, RGB or CMYK.")
