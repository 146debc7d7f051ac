"""The format of a file by its first bytes, and its size, before anything is decoded.

In: the bytes of a file. Out: its header, or BadImage. The name and the declared type of a file are not used.
"""

from __future__ import annotations

from dataclasses import dataclass

from labeling.errors import BadImage

__all__ = ["ACCEPTED_EXTENSIONS", "FORMATS", "Limits", "canvas_of_webp", "format_of", "frames_of", "scans_of"]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""The only formats that are ever handed to a decoder."""
ACCEPTED_EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib"}
    | {".tif", ".tiff"}
)

_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)
_REFUSED = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"\xc5\xd0\xd3\xc6", "an EPS drawing"),
    (b"SIMPLE  =", "a FITS file"),
    (b"\0\0\0\x0cjP", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"8BPS", "a Photoshop document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for one file: bytes, pixels, pixels a side, frames and scans."""

    max_bytes: int = 50 * 2**20
    max_pixels: int = 80_000_000
    max_side: int = 60_000
    max_frames: int = 1_000
    max_scans: int = 100


def format_of(data: bytes) -> str:
    """The format that the first bytes name; BadImage, with what to do, for any other format than `FORMATS`.

    >>> format_of(b"GIF89a...")
    'GIF'
    """
    if not data:
        raise BadImage("The file is empty.")
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    raise BadImage(f"This is {_guess(data)}, and only JPEG, PNG, WEBP, GIF, BMP and TIFF are taken. Convert it first.")


def frames_of(data: bytes, image_format: str) -> int:
    """How many timed frames an animation has, counted by their marks; only the first is ever decoded."""
    if image_format == "GIF":
        return max(1, data.count(b"\x21\xf9\x04"))
    if image_format == "WEBP":
        return max(1, data.count(b"ANMF"))
    if image_format == "PNG":
        at = data.find(b"acTL", 0, 2**20)
        return max(1, int.from_bytes(data[at + 4 : at + 8], "big")) if at > 0 else 1
    return 1


def scans_of(data: bytes, image_format: str) -> int:
    """How many scans a JPEG is made of: each is a pass over the whole image, so many of them cost minutes."""
    return data.count(b"\xff\xda") if image_format == "JPEG" else 1


def canvas_of_webp(data: bytes) -> tuple[int, int]:
    """Width and height of a WEBP, read here because its decoder makes room for them as soon as it is opened."""
    chunk = data[12:16]
    if chunk == b"VP8X" and len(data) >= 30:
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if chunk == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 " and len(data) >= 30:
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    raise BadImage("This WEBP is broken: it does not say how large it is.")


def _guess(data: bytes) -> str:
    for magic, name in _REFUSED:
        if data.startswith(magic):
            return name
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start:
        return "an SVG drawing"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page or XML document"
    if data[4:8] == b"ftyp":
        return "a HEIC, AVIF or video file"
    return "not an image that we know"
