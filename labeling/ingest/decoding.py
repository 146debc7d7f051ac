"""From untrusted bytes to plain RGB pixels, and from those to the image that is shown.

In: the bytes of a file and the limits. Out: an RGB image, upright, in sRGB, flattened on white, of the first frame;
then a JPEG or PNG made of the pixels alone, so nothing of the original file (place, serial number, script) is left.
Whatever is wrong with the bytes is a BadImage; size and frames are refused from the header, before decoding.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms, ImageOps, TiffImagePlugin, WebPImagePlugin

from labeling.errors import BadImage
from labeling.ingest.headers import Limits, canvas_of_webp, format_of, frames_of, scans_of

__all__ = ["Decoded", "Header", "check_header", "decode", "encode_shown"]

_PLUGINS = (TiffImagePlugin, WebPImagePlugin)  # importing them is what makes Pillow know these formats
_BROKEN = (
    *(OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError, OverflowError, AttributeError),
    *(struct.error, zlib.error, MemoryError, ZeroDivisionError, RuntimeError, NotImplementedError),
)
"""What Pillow raises for bytes that are cut off or broken."""
JPEG_QUALITY = 92


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself: format, size before its orientation is applied, frames."""

    format: str
    width: int
    height: int
    frames: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """The pixels of a file as RGB, with the format that they came in."""

    format: str
    image: Image.Image


def check_header(data: bytes, limits: Limits) -> Header:
    """Refuse from the header alone what is no accepted image or asks for too much; decodes nothing.

    Raises
    ------
    BadImage
        Another format, an unreadable header, or over one of the limits.
    """
    if len(data) > limits.max_bytes:
        raise BadImage(f"The file has {len(data):,} bytes; at most {limits.max_bytes:,} are taken. Make it smaller.")
    image_format = format_of(data)
    frames = frames_of(data, image_format)
    if frames > limits.max_frames:
        raise BadImage(f"The animation has {frames:,} frames; at most {limits.max_frames:,} are taken.")
    if scans_of(data, image_format) > limits.max_scans:
        raise BadImage("This JPEG has too many scans. Save it again as an ordinary JPEG.")
    if image_format == "WEBP":
        _check_size(*canvas_of_webp(data), limits)
    with _open(data, image_format) as image:
        _check_size(*image.size, limits)
        return Header(image_format, *image.size, frames)


def decode(data: bytes, limits: Limits) -> Decoded:
    """The first frame as upright RGB on white; `check_header` is part of it.

    Raises
    ------
    BadImage
        As `check_header`, and for bytes that are cut off or broken.
    """
    header = check_header(data, limits)
    with _open(data, header.format) as image:
        try:
            image.load()
            upright = _upright(image)
            pixels = _to_rgb(upright)
        except _BROKEN as error:
            raise BadImage("The image is cut off or broken. Export it again from where it came.") from error
    pixels.info = {}  # what a file says beside its pixels (comments, profiles, places) ends here
    return Decoded(header.format, pixels)


def encode_shown(decoded: Decoded) -> tuple[bytes, str]:
    """What is shown of an image, with its media type: JPEG for what came as JPEG, else lossless PNG."""
    buffer = io.BytesIO()
    if decoded.format == "JPEG":
        decoded.image.save(buffer, "JPEG", quality=JPEG_QUALITY)
        return buffer.getvalue(), "image/jpeg"
    decoded.image.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue(), "image/png"


def _open(data: bytes, image_format: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=[image_format])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadImage("The image has more pixels than are taken. Make it smaller.") from error
    except _BROKEN as error:
        raise BadImage(f"This {image_format} is broken: its header cannot be read.") from error


def _check_size(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise BadImage(
            f"The image says it is {width:,} x {height:,} pixels; at most {limits.max_pixels:,} pixels and "
            f"{limits.max_side:,} a side are taken. Make it smaller."
        )


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _BROKEN:  # broken metadata is no reason to lose the pixels
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _from_deep_grey(image)
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        white = Image.new("RGB", coloured.size, "white")
        white.paste(coloured, mask=coloured.getchannel("A"))
        return white
    return _to_srgb(image) or image.convert("RGB")


def _from_deep_grey(image: Image.Image) -> Image.Image:
    """16-bit grey by its upper byte; other deep grey (numbers without a known range) from darkest to brightest."""
    values = np.asarray(image).astype(np.float64)
    if image.mode.startswith("I;16") or (image.mode == "I" and 255 < values.max() <= 65_535 and values.min() >= 0):
        grey = values / 257
    elif image.mode == "I" and values.min() >= 0 and values.max() <= 255:
        grey = values
    else:
        values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
        grey = (values - values.min()) * (255 / max(float(np.ptp(values)), 1e-12))
    return Image.fromarray(np.round(grey).astype(np.uint8)).convert("RGB")


def _to_srgb(image: Image.Image) -> Image.Image | None:
    """The image in sRGB by its colour profile; None where it has none that fits."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "CMYK", "L"):
        return None
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, given, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, *_BROKEN):  # a broken profile is no reason to lose the pixels
        return None
