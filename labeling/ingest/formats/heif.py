"""HEIC and AVIF: their size from the boxes of the file, and their pixels by Pillow or by the extra `heif`.

In: the bytes of a file. Out: its size, then the primary picture, upright as the file's own turns say.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib.util import find_spec

from PIL import Image

from labeling.errors import BadImage
from labeling.ingest.formats.broken import broken
from labeling.ingest.formats.primaries import profile_by_code

__all__ = ["colours_by_code", "open_heic", "read_heif"]

_MISSING = "This is a HEIC image. `pip install 'hardcase[heif]'` makes it readable, or convert it to JPEG."
_NO_SIZE = "it does not say how large it is"
_FULL_BOX = {b"meta": 4}
_PATH = (b"meta", b"iprp", b"ipco")


def read_heif(data: bytes, image_format: str) -> tuple[int, int]:
    """Width and height of the largest picture that the file describes, before it is turned.

    Raises
    ------
    BadImage
        For a file that does not say so, and for HEIC without the extra `heif`.
    """
    if image_format == "HEIC" and find_spec("pillow_heif") is None:
        raise BadImage(_MISSING)
    sizes = [
        (int.from_bytes(data[at + 4 : at + 8], "big"), int.from_bytes(data[at + 8 : at + 12], "big"))
        for box, at, to in _properties(data)
        if box == b"ispe" and to - at >= 12
    ]
    if not sizes:
        raise broken(image_format, _NO_SIZE)
    return max(sizes, key=lambda size: size[0] * size[1])


def colours_by_code(data: bytes) -> bytes:
    """A profile for the colours that the file names by number; empty for those of sRGB, or where it names none."""
    for box, at, to in _properties(data):
        if box == b"colr" and data[at : at + 4] == b"nclx" and to - at >= 8:
            primaries, transfer = (int.from_bytes(data[start : start + 2], "big") for start in (at + 4, at + 6))
            return profile_by_code(primaries, transfer) or b""
    return b""


def open_heic(data: bytes) -> Image.Image:
    """The primary picture of a HEIC, already turned."""
    from pillow_heif import HeifImageFile

    image: Image.Image = HeifImageFile(io.BytesIO(data))
    return image


def _properties(data: bytes) -> list[tuple[bytes, int, int]]:
    """The boxes that describe the pictures of the file; none where it is broken."""
    start, end = 0, len(data)
    for name in _PATH:
        found = next(((at, to) for box, at, to in _boxes(data, start, end) if box == name), None)
        if found is None:
            return []
        start, end = found[0] + _FULL_BOX.get(name, 0), found[1]
    return list(_boxes(data, start, end))


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, where it begins, where it ends) of the boxes of one level."""
    at = start
    while at + 8 <= end:
        length, head = int.from_bytes(data[at : at + 4], "big"), 8
        if length == 1:
            length, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        to = end if length == 0 else at + length
        if to < at + head or to > end:
            return
        yield data[at + 4 : at + 8], at + head, to
        at = to
