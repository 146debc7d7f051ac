"""What a PNG is made of, chunk by chunk, before anything is decoded.

In: the bytes of a file with PNG's signature. Out: its header, and the same picture without what stands beside it: texts
of any size, the further frames of an animation, what follows its end.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from labeling.errors import BadImage
from labeling.ingest.formats.broken import broken
from labeling.ingest.formats.primaries import profile_by_code, profile_by_numbers

__all__ = ["Png", "read_png"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_OF_THE_PICTURE = {b"PLTE", b"tRNS", b"eXIf", b"IDAT"}
_OF_THE_COLOURS = {b"cICP", b"iCCP", b"sRGB", b"cHRM", b"gAMA", b"sBIT"}
"""Read here, and not handed to the decoder."""
_ORIENTATIONS = (b"Raw profile type exif\0", b"Raw profile type APP1\0")
"""Texts in which older programs keep the orientation."""
_MAX_TEXT = 2**19
_MAX_PROFILE = 2**24
_MAX_UNPACKED = 2**25
"""A text that unpacks to more was made to fill memory. No text is ever kept; an ordinary one has a few megabytes."""
_MOST = 1_032
"""How many bytes zlib can pack into one."""
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_KEY_BYTES = {0: 2, 2: 6, 4: 0, 6: 0}
"""Of the one colour that is transparent; a picture with alpha has none."""
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


@dataclass(frozen=True, slots=True)
class Png:
    """Size, bits a sample, colour type and interlace as in IHDR; timed frames; where the chunks are that matter."""

    width: int
    height: int
    depth: int
    colour: int
    frames: int
    chunks: tuple[tuple[bytes, int, int], ...]

    def first(self, data: bytes, name: bytes) -> bytes:
        """What the first chunk of this name holds; empty where there is none."""
        return next((data[start:end] for found, start, end in self.chunks if found == name), b"")

    def content(self, data: bytes, header: bytes | None = None, *, bare: bool = False) -> bytes:
        """The picture alone, with another IHDR if one is given; `bare` leaves everything but the samples out."""
        kept = [
            (name, data[start:end])
            for name, start, end in self.chunks
            if (name == b"IDAT" if bare else name not in _OF_THE_COLOURS)
        ]
        ihdr = header or data[16:29]
        return SIGNATURE + b"".join(_chunk(name, body) for name, body in [(b"IHDR", ihdr), *kept, (b"IEND", b"")])

    def profile(self, data: bytes) -> bytes:
        """The colour profile, or one made of the numbers by which the file names its colours; empty for sRGB."""
        named = self.named_colours(data)
        if named is not None or self.colour in (0, 4):
            return named or b""
        return profile_by_numbers(self._chromaticities(data), self.gamma(data))

    def named_colours(self, data: bytes) -> bytes | None:
        """The profile of the first of cICP, iCCP and sRGB that can be used, empty for sRGB; None where none can.

        Then cHRM and gAMA count. A profile that cannot be unpacked within 16 MiB, or is none of the ICC's, cannot be
        used. Source: PNG, third edition, section 4.3, which has them in this order.
        """
        code = self.first(data, b"cICP")
        by_code = profile_by_code(code[0], code[1]) if len(code) == 4 else None
        if by_code is not None:
            return by_code
        _, _, packed = self.first(data, b"iCCP").partition(b"\0")
        unpacked = _unpacked(packed[1:], _MAX_PROFILE)
        if unpacked[36:40] == b"acsp":
            return unpacked
        return b"" if self.first(data, b"sRGB") else None

    def gamma(self, data: bytes) -> float | None:
        """To which power the values are to be raised for light; None where the file does not say, or nothing usable."""
        said = int.from_bytes(self.first(data, b"gAMA")[:4], "big") / 100_000
        return 1 / said if 0.1 <= said <= 5 else None

    def _chromaticities(self, data: bytes) -> tuple[float, ...]:
        said = self.first(data, b"cHRM")
        return tuple(int.from_bytes(said[at : at + 4], "big") / 100_000 for at in range(0, len(said), 4))


def read_png(data: bytes) -> Png:
    """Follow the chunks to the end of the picture.

    Raises
    ------
    BadImage
        No header, a kind of PNG that does not exist, or one that Apple made for its telephones only.
    """
    if data[12:16] == b"CgBI":
        raise BadImage("This is a PNG in Apple's own form for iPhones, which is not taken. Export it as a PNG.")
    depth, colour = data[24:25], data[25:26]
    if data[12:16] != b"IHDR" or len(data) < 33 or depth[0] not in _DEPTHS.get(colour[0], ()):
        raise broken("PNG")
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if not width or not height:
        raise broken("PNG")
    frames, kept, has_pixels = 1, [], False
    for name, start, end in _chunks(data):
        if name == b"acTL" and end - start == 8 and not has_pixels:
            frames = max(1, int.from_bytes(data[start : start + 4], "big"))
        has_pixels = has_pixels or name == b"IDAT"
        if name == b"tRNS" and end - start != _KEY_BYTES.get(colour[0], end - start):
            continue  # it fits no colour of this kind
        if name in (b"zTXt", b"iTXt") and (end - start) * _MOST > _MAX_UNPACKED:
            _refuse_bomb(_packed_text(name, data[start:end]))
        if name in _OF_THE_PICTURE | _OF_THE_COLOURS or _is_orientation(data, name, start, end):
            kept.append((name, start, end))
    return Png(width, height, depth[0], colour[0], frames, tuple(kept))


def _is_orientation(data: bytes, name: bytes, start: int, end: int) -> bool:
    """Such a text, and small when it is unpacked."""
    if name not in (b"tEXt", b"zTXt") or data[start : start + 22] not in _ORIENTATIONS or end - start > _MAX_TEXT:
        return False
    return name == b"tEXt" or bool(_unpacked(data[start + 23 : end], _MAX_TEXT))


def _packed_text(name: bytes, body: bytes) -> bytes:
    """What zlib packed of a text; empty where it is not packed."""
    _, _, rest = body.partition(b"\0")
    if name == b"zTXt":
        return rest[1:]
    return rest[2:].split(b"\0", 2)[-1] if rest[:1] == b"\1" else b""


def _refuse_bomb(packed: bytes) -> None:
    unpacking, total = zlib.decompressobj(), 0
    try:
        while packed and total <= _MAX_UNPACKED:
            total += len(unpacking.decompress(packed, 2**20))
            packed = unpacking.unconsumed_tail
    except zlib.error:  # nobody reads it
        return
    if total > _MAX_UNPACKED:
        raise BadImage(
            "This PNG holds a text of more than 32 MiB when it is unpacked. Save it again without its texts."
        )


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    at = len(SIGNATURE)
    while at + 8 < len(data):
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if name == b"IEND":
            return
        yield name, at + 8, min(at + 8 + length, len(data))
        at += 12 + length


def _chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")


def _unpacked(packed: bytes, limit: int) -> bytes:
    """What zlib packed; empty where it is broken, or larger than `limit` bytes."""
    unpacking = zlib.decompressobj()
    try:
        unpacked = unpacking.decompress(packed, limit)
    except zlib.error:
        return b""
    return b"" if unpacking.unconsumed_tail else unpacked
