"""What a file says of itself before anything is decoded: its format, its size, and what decoding it would take.

In: the bytes of a file and the limits. Out: its layout, or BadImage. Pure Python over the file's own structure: no
decoder sees the bytes, and whatever they say, memory and time stay small.
"""

from __future__ import annotations

from dataclasses import dataclass

from labeling.errors import BadImage
from labeling.ingest.formats.animations import read_bmp, read_gif, read_webp
from labeling.ingest.formats.broken import broken
from labeling.ingest.formats.dicom import read_dicom
from labeling.ingest.formats.heif import read_heif
from labeling.ingest.formats.jpeg import Jpeg, read_jpeg
from labeling.ingest.formats.magic import FORMATS, format_of, without_junk
from labeling.ingest.formats.png import CHANNELS, Png, read_png
from labeling.ingest.formats.tiff import Tiff, read_tiff

__all__ = ["ACCEPTED_EXTENSIONS", "FORMATS", "Header", "Layout", "Limits", "check_header", "format_of", "layout_of"]

ACCEPTED_EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib"}
    | {".tif", ".tiff", ".avif", ".heic", ".heif", ".hif", ".dcm", ".dicom"}
)
_PLAIN_BYTES = 16
"""Of a pixel: what Pillow decodes it into (4), its colours (4), its turned copy (4) and its alpha (4)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for one file: bytes, pixels, pixels a side, frames and scans, and the bytes that decoding may take."""

    max_bytes: int = 50 * 2**20
    max_pixels: int = 80_000_000
    max_side: int = 60_000
    max_frames: int = 1_000
    max_scans: int = 100
    max_decoding_bytes: int = 2 * 2**30


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself: format, size before its orientation is applied, frames, bytes that decoding takes."""

    format: str
    width: int
    height: int
    frames: int
    decoding_bytes: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The header, the bytes from where the picture begins, and the format's own layout where one is needed."""

    header: Header
    data: bytes
    parts: Jpeg | Png | Tiff | None = None


def check_header(data: bytes, limits: Limits) -> Header:
    """Refuse from the header alone what is no accepted image or asks for too much; decodes nothing.

    Raises
    ------
    BadImage
        Another format, an unreadable header, or over one of the limits.
    """
    return layout_of(data, limits).header


def layout_of(data: bytes, limits: Limits) -> Layout:
    """As `check_header`, with what a decoder needs to know."""
    if len(data) > limits.max_bytes:
        raise BadImage(f"The file has {len(data):,} bytes; at most {limits.max_bytes:,} are taken. Make it smaller.")
    data = without_junk(data)
    layout = _layout(data, format_of(data), limits)
    header = layout.header
    if not header.width or not header.height:
        raise broken(header.format)
    if header.frames > limits.max_frames:
        raise BadImage(
            f"The animation has {header.frames:,} frames; at most {limits.max_frames:,} are taken. Save one alone."
        )
    if header.width * header.height > limits.max_pixels or max(header.width, header.height) > limits.max_side:
        raise BadImage(
            f"The image says it is {header.width:,} x {header.height:,} pixels; at most {limits.max_pixels:,} pixels "
            f"and {limits.max_side:,} a side are taken. Make it smaller."
        )
    if header.decoding_bytes > limits.max_decoding_bytes:
        raise BadImage(
            f"Decoding this {header.format} of {header.width:,} x {header.height:,} pixels would take "
            f"{header.decoding_bytes / 2**20:,.0f} MiB of memory; at most {limits.max_decoding_bytes / 2**20:,.0f} are "
            "given. Make it smaller, or save it with 8 bits a sample."
        )
    return layout


def _layout(data: bytes, image_format: str, limits: Limits) -> Layout:
    if image_format == "JPEG":
        jpeg = read_jpeg(data, limits.max_scans)
        kept = 2 * jpeg.components if jpeg.progressive else 0  # a progressive one keeps all coefficients
        return Layout(_header(image_format, (jpeg.width, jpeg.height, 1), _PLAIN_BYTES + kept), data, jpeg)
    if image_format == "PNG":
        png = read_png(data)
        deep = 8 * CHANNELS[png.colour] if png.depth == 16 else 0
        return Layout(_header(image_format, (png.width, png.height, png.frames), _PLAIN_BYTES + deep), data, png)
    if image_format == "TIFF":
        tiff = read_tiff(data)
        deep = 5 * tiff.samples * -(-tiff.bits // 8) if tiff.needs_samples else 0
        return Layout(_header(image_format, (*tiff.size, 1), _PLAIN_BYTES + deep), data, tiff)
    if image_format == "DICOM":
        width, height, deep = read_dicom(data)
        return Layout(_header(image_format, (width, height, 1), _PLAIN_BYTES + 8 + deep), data)
    return Layout(_header(image_format, _measured(data, image_format, limits), _PLAIN_BYTES), data)


def _measured(data: bytes, image_format: str, limits: Limits) -> tuple[int, int, int]:
    if image_format == "GIF":
        return read_gif(data, limits.max_frames)
    if image_format == "WEBP":
        return read_webp(data)
    if image_format == "BMP":
        return read_bmp(data)
    return *read_heif(data, image_format), 1


def _header(image_format: str, measured: tuple[int, int, int], bytes_a_pixel: int) -> Header:
    width, height, frames = measured
    return Header(image_format, width, height, frames, width * height * bytes_a_pixel)
