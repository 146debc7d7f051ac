"""What a JPEG is made of, marker by marker, before anything is decoded.

In: the bytes of a file that begins with FF D8. Out: its size, its scans, and the same picture without what stands
beside it: comments, previews, further pictures, and whatever follows its end (a phone appends a film there).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from labeling.errors import BadImage
from labeling.ingest.formats.broken import broken, cut_off

__all__ = ["Jpeg", "read_jpeg", "with_end"]

_NEXT = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
"""The next marker: in a scan FF 00 is a byte of it and FF D0 to FF D7 are its restarts."""
_END, _SCAN, _ADOBE, _NUMBER_OF_LINES = 0xD9, 0xDA, 0xEE, 0xDC
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_TABLES = {0xC4, 0xCC, 0xDB, 0xDD}
_NOT_TAKEN = {0xC3: "lossless", 0xC5: "hierarchical", 0xC6: "hierarchical", 0xC7: "hierarchical", 0xCB: "lossless"}
_PROGRESSIVE = {0xC2, 0xCA}
END = b"\xff\xd9"
_FILLS = (b"", b"\x5a" * 4096, b"\xa5" * 4096)
"""What is tried in the place of what may be missing: pixels that depend on it were missing."""


@dataclass(slots=True)
class Jpeg:
    """Size in pixels before orientation, components, scans, whether it was whole, and the parts of the picture."""

    width: int = 0
    height: int = 0
    components: int = 0
    scans: int = 0
    progressive: bool = False
    has_end: bool = False
    parts: list[tuple[int, int]] = field(default_factory=list)
    still_missing: set[tuple[int, int]] = field(default_factory=set)

    def content(self, data: bytes) -> bytes:
        """The picture alone, with an end."""
        return b"\xff\xd8" + b"".join(data[start:end] for start, end in self.parts) + END


def read_jpeg(data: bytes, max_scans: int) -> Jpeg:
    """Follow the markers to the end of the picture; what comes after it is not read.

    Raises
    ------
    BadImage
        A kind of JPEG that is not taken, more scans than `max_scans`, no scan, or a scan that is not there.
    """
    jpeg = Jpeg()
    for marker, start, body, head_end, end in _segments(data):
        if marker == _END:
            jpeg.has_end = True
            break
        if marker in _FRAMES:
            _note_frame(jpeg, marker, data[body:head_end])
        elif marker == _SCAN:
            jpeg.scans += 1
            if jpeg.scans > max_scans:
                raise BadImage("This JPEG has too many scans. Save it again as an ordinary JPEG.")
            _note_scan(jpeg, data[body:head_end])
        if _is_of_the_picture(marker, data[body : body + 12]):
            jpeg.parts.append((start, end))
    if not jpeg.components:
        raise broken("JPEG")
    if not jpeg.has_end and (jpeg.still_missing or not jpeg.scans):
        raise cut_off()
    return jpeg


def with_end(content: bytes) -> Iterator[bytes]:
    """A JPEG that had no end, with different bytes in the place of what may be missing.

    The pixels that come out are all equal if nothing was missing but the end itself.

    Examples
    --------
    >>> [one[-2:] for one in with_end(bytes.fromhex("ffd8ffd9"))] == [END] * 3
    True
    """
    return (content[: -len(END)] + fill + END for fill in _FILLS)


def _segments(data: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """(marker, where it begins, where its body begins, where that ends, where what belongs to it ends)."""
    at = 2
    while found := _NEXT.search(data, at):
        marker, start, body = data[found.end() - 1], found.end() - 2, found.end()
        if marker == _END:
            yield marker, start, body, body, body
            return
        length = int.from_bytes(data[body : body + 2], "big")
        if length < 2 or body + length > len(data) or not _is_known(marker):
            return
        at = _end_of_scan(data, body + length) if marker == _SCAN else body + length
        yield marker, start, body + 2, body + length, at


def _end_of_scan(data: bytes, at: int) -> int:
    found = _NEXT.search(data, at)
    return found.end() - 2 if found else len(data) - data.endswith(b"\xff")


def _is_known(marker: int) -> bool:
    return (
        marker in _FRAMES | _TABLES or marker in (_SCAN, _NUMBER_OF_LINES) or 0xE0 <= marker <= 0xEF or marker == 0xFE
    )


def _is_of_the_picture(marker: int, body: bytes) -> bool:
    """Comments, previews and other companies' segments are left out; orientation and profile are needed."""
    if marker == 0xE1:
        return body.startswith(b"Exif\0\0")
    if marker == 0xE2:
        return body.startswith(b"ICC_PROFILE\0")
    return marker == 0xE0 or marker == _ADOBE or not (0xE0 <= marker <= 0xEF or marker == 0xFE)


def _note_frame(jpeg: Jpeg, marker: int, body: bytes) -> None:
    if marker in _NOT_TAKEN:
        raise BadImage(f"This is a {_NOT_TAKEN[marker]} JPEG, which is not taken. Save it as an ordinary JPEG.")
    if len(body) < 6 or jpeg.components:
        raise broken("JPEG")
    if body[0] != 8:
        raise BadImage(f"This JPEG has {body[0]} bits a sample, which is not taken. Save it with 8 bits, or as PNG.")
    jpeg.height, jpeg.width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    jpeg.components, jpeg.progressive = body[5], marker in _PROGRESSIVE
    if jpeg.components not in (1, 3, 4):
        raise BadImage(f"This JPEG has {jpeg.components} components, which is not taken. Save it as RGB.")
    places = range(64) if jpeg.progressive else range(1)
    jpeg.still_missing = {(name, place) for name in body[6::3][: jpeg.components] for place in places}


def _note_scan(jpeg: Jpeg, body: bytes) -> None:
    """Which coefficients of which components are known to their last bit once this scan was read."""
    count = body[0] if body else 0
    names, tail = body[1 : 1 + 2 * count : 2], body[1 + 2 * count : 4 + 2 * count]
    if len(tail) < 3 or (jpeg.progressive and tail[2] & 15):  # later scans bring the last bits
        return
    last = tail[1] if jpeg.progressive else 0
    jpeg.still_missing -= {(name, place) for name in names for place in range(tail[0], last + 1)}
