"""The size of GIF, WEBP and BMP files and how many frames they have, by their own structure.

In: the bytes of a file. Out: width, height, frames. Letters in a comment are never taken for a frame.
"""

from __future__ import annotations

from collections.abc import Iterator

from labeling.errors import BadImage
from labeling.ingest.formats.broken import broken, cut_off

__all__ = ["bmp_is_not_taken", "read_bmp", "read_gif", "read_webp", "webp_alone"]

_WEBP_CHUNKS = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP "}
_BMP_BITS = {1, 4, 8, 16, 24, 32}
_BMP_COMPRESSIONS = {0: "uncompressed", 1: "RLE", 2: "RLE", 3: "bit fields", 4: "JPEG inside", 5: "PNG inside"}
_BIT_FIELDS = 3


def read_gif(data: bytes, max_frames: int) -> tuple[int, int, int]:
    """Width, height and frames of a GIF; counting stops beyond `max_frames`."""
    if len(data) < 13:
        raise broken("GIF")
    frames, at = 0, 13 + _table(data[10])
    while at < len(data) and frames <= max_frames:
        kind = data[at]
        if kind == 0x2C and at + 10 < len(data):
            frames += 1
            at = _after_blocks(data, at + 11 + _table(data[at + 9]))
        elif kind == 0x21:
            at = _after_blocks(data, at + 2)
        else:
            break
    return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little"), max(1, frames)


def read_webp(data: bytes) -> tuple[int, int, int]:
    """Width, height and frames; read here because the decoder makes room for the canvas as soon as it is opened."""
    return *_canvas(data), max(1, sum(name == b"ANMF" for name, _, _ in _chunks(data)))


def webp_alone(data: bytes) -> bytes:
    """The picture alone: without what follows its last chunk, and with the size in its head put right.

    Raises
    ------
    BadImage
        When the last chunk is cut off.
    """
    kept = []
    for name, start, end in _chunks(data):
        if end > len(data):
            raise cut_off()
        if name != b"XMP ":
            kept.append(data[start:end] + b"\0" * ((end - start) % 2))
    body = b"".join(kept)
    return b"RIFF" + (4 + len(body)).to_bytes(4, "little") + b"WEBP" + body


def read_bmp(data: bytes) -> tuple[int, int, int]:
    """Width, height and frames, which is 1; BadImage names a kind of BMP that is not taken."""
    if len(data) < 26:
        raise broken("BMP")
    if int.from_bytes(data[14:18], "little") == 12:
        return int.from_bytes(data[18:20], "little"), int.from_bytes(data[20:22], "little"), 1
    bits, compression = int.from_bytes(data[28:30], "little"), int.from_bytes(data[30:34], "little")
    if bits not in _BMP_BITS or compression > _BIT_FIELDS:
        raise BadImage(bmp_is_not_taken(data))
    height = int.from_bytes(data[22:26], "little", signed=True)
    return int.from_bytes(data[18:22], "little"), abs(height), 1


def bmp_is_not_taken(data: bytes) -> str:
    """What to say of a BMP of an unusual kind."""
    bits, compression = int.from_bytes(data[28:30], "little"), int.from_bytes(data[30:34], "little")
    how = _BMP_COMPRESSIONS.get(compression, f"compression {compression}")
    return f"This is a kind of BMP that is not taken, or a broken one ({bits} bits a pixel, {how}). Save it as PNG."


def _table(flags: int) -> int:
    """How many bytes a colour table has."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, where it begins, where its content ends) of the chunks of a WEBP; the last may end beyond the file."""
    at, end = 12, 8 + int.from_bytes(data[4:8], "little")
    if not 20 + int.from_bytes(data[16:20], "little") <= end <= len(data):  # a size that cannot be right
        end = len(data)
    while at + 8 <= end and (name := data[at : at + 4]).isascii():
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if name in _WEBP_CHUNKS:
            yield name, at, at + 8 + length
        elif not name.decode().isprintable() or at + 8 + length > end:
            return
        if name in (b"VP8 ", b"VP8L") and at == 12:  # the simple form has one chunk
            return
        at += 8 + length + length % 2


def _canvas(data: bytes) -> tuple[int, int]:
    chunk = data[12:16]
    if chunk == b"VP8X" and len(data) >= 30:
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if chunk == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 " and len(data) >= 30:
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    raise broken("WEBP", "it does not say how large it is")
