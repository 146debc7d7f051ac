"""From untrusted bytes to plain RGB pixels, and from those to the image that is shown.

In: the bytes of a file and the limits. Out: an RGB image, upright, in sRGB, flattened on white, of the first frame;
then a JPEG or PNG made of the pixels alone, so nothing of the original file (place, serial number, script) is left.
Whatever is wrong with the bytes is a BadImage; size and frames are refused from the header, before decoding.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from PIL import AvifImagePlugin, Image, ImageFile, ImageOps, ImagePalette, TiffImagePlugin, WebPImagePlugin

from labeling.errors import BadImage
from labeling.ingest.colours import to_rgb
from labeling.ingest.formats import png_samples, tiff_samples
from labeling.ingest.formats.animations import bmp_is_not_taken, webp_alone
from labeling.ingest.formats.broken import cut_off
from labeling.ingest.formats.dicom import open_dicom
from labeling.ingest.formats.heif import colours_by_code, open_heic
from labeling.ingest.formats.jpeg import Jpeg, with_end
from labeling.ingest.formats.png import Png
from labeling.ingest.formats.tiff import COLOUR_MAP, ORIENTATION, PROFILE, Tiff, what_it_is
from labeling.ingest.headers import Layout, Limits, layout_of

__all__ = ["Decoded", "decode", "encode_shown"]

_PLUGINS = (AvifImagePlugin, TiffImagePlugin, WebPImagePlugin)
"""Importing them is what makes Pillow know these formats."""
_BROKEN = (
    *(OSError, SyntaxError, ValueError, IndexError, EOFError, OverflowError, ZeroDivisionError, RuntimeError),
    *(struct.error, zlib.error),
)
"""What comes of bytes that are cut off or broken. A TypeError, a KeyError and the like would be mistakes of ours."""
_OF_PILLOW = (*_BROKEN, TypeError, KeyError, AttributeError)
"""The same where nothing but Pillow is called: it does not expect every broken header either."""
_ORIENTATION = 0x0112
JPEG_QUALITY = 92


@dataclass(frozen=True, slots=True)
class Decoded:
    """The pixels of a file as RGB, with the format that they came in."""

    format: str
    image: Image.Image


def decode(data: bytes, limits: Limits) -> Decoded:
    """The first frame as upright RGB on white; `check_header` is part of it.

    Raises
    ------
    BadImage
        As `check_header`, and for bytes that are cut off or broken.
    """
    layout = layout_of(data, limits)
    try:
        pixels = _DECODERS.get(layout.header.format, _plain)(layout)
    except MemoryError as error:
        raise BadImage("Decoding this image takes more memory than is given. Make it smaller.") from error
    except _BROKEN as error:
        raise cut_off() from error
    pixels.info = {}  # what a file says beside its pixels (comments, profiles, places) ends here
    return Decoded(layout.header.format, pixels)


def encode_shown(decoded: Decoded) -> tuple[bytes, str]:
    """What is shown of an image, with its media type: JPEG for what came as JPEG, else lossless PNG."""
    buffer = io.BytesIO()
    if decoded.format == "JPEG":
        decoded.image.save(buffer, "JPEG", quality=JPEG_QUALITY)
        return buffer.getvalue(), "image/jpeg"
    decoded.image.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue(), "image/png"


def _plain(layout: Layout) -> Image.Image:
    """What Pillow alone gets right."""
    with _open(layout.data, layout.header.format) as image:
        image.load()
        return to_rgb(_upright(image), image.info.get("icc_profile") or b"")


def _jpeg(layout: Layout) -> Image.Image:
    assert isinstance(layout.parts, Jpeg)
    content = layout.parts.content(layout.data)
    if not layout.parts.has_end:
        _refuse_missing_pixels(content)
    return _plain(Layout(layout.header, content))


def _refuse_missing_pixels(content: bytes) -> None:
    """A file without its end is whole if its pixels do not depend on what stands in the place of the end."""
    first: bytes | None = None
    for other in with_end(content):
        with _open(other, "JPEG") as image:
            pixels = image.tobytes()
        if first is not None and pixels != first:
            raise cut_off()
        first = pixels


def _png(layout: Layout) -> Image.Image:
    assert isinstance(layout.parts, Png)
    with png_samples.picture_of(layout.data, layout.parts) as image:
        image.load()
        return to_rgb(_upright(image), layout.parts.profile(layout.data))


def _tiff(layout: Layout) -> Image.Image:
    tiff = layout.parts
    assert isinstance(tiff, Tiff)
    if tiff.needs_samples:
        image = tiff_samples.picture_of(tiff)
        image.getexif()[_ORIENTATION] = tiff.number(ORIENTATION, 1)
        return to_rgb(_upright(image), tiff.piece(PROFILE))
    try:
        opened = Image.open(io.BytesIO(layout.data), formats=["TIFF"])
    except _OF_PILLOW as error:
        raise BadImage(
            f"This is a kind of TIFF that is not taken, or a broken one ({what_it_is(tiff)}). Save it as PNG."
        ) from error
    with opened as image:
        image.load()
        colours = tiff.numbers(COLOUR_MAP)
        if image.mode == "P" and colours and max(colours) < 256:  # eight bits where sixteen are usual
            image.palette = ImagePalette.raw("RGB;L", bytes(colours))
            image = image.copy()
        return to_rgb(_upright(image), tiff.piece(PROFILE))


def _gif(layout: Layout) -> Image.Image:
    """What the first frame leaves open of the canvas is transparent, whatever the file calls its background."""
    with _open(layout.data, "GIF") as image:
        covered = image.tile[0].extents if image.tile else None
        image.load()
        frame = to_rgb(image)
    if covered is None or covered == (0, 0, *frame.size):
        return frame
    canvas = Image.new("RGB", frame.size, "white")
    canvas.paste(frame.crop(covered), covered[:2])
    return canvas


def _webp(layout: Layout) -> Image.Image:
    return _plain(Layout(layout.header, webp_alone(layout.data)))


def _heic(layout: Layout) -> Image.Image:
    with open_heic(layout.data) as image:
        image.load()  # turned by the decoder, as the file says
        return to_rgb(image, image.info.get("icc_profile") or colours_by_code(layout.data))


def _avif(layout: Layout) -> Image.Image:
    with _open(layout.data, "AVIF") as image:
        image.load()
        return to_rgb(_upright(image), image.info.get("icc_profile") or colours_by_code(layout.data))


def _dicom(layout: Layout) -> Image.Image:
    return to_rgb(open_dicom(layout.data))


_DECODERS: dict[str, Callable[[Layout], Image.Image]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "TIFF": _tiff,
    "GIF": _gif,
    "WEBP": _webp,
    "HEIC": _heic,
    "AVIF": _avif,
    "DICOM": _dicom,
}


def _open(data: bytes, image_format: str) -> ImageFile.ImageFile:
    try:
        return Image.open(io.BytesIO(data), formats=[image_format])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadImage("The image has more pixels than are taken. Make it smaller.") from error
    except _OF_PILLOW as error:
        if image_format == "BMP":
            raise BadImage(bmp_is_not_taken(data)) from error
        raise BadImage(f"This {image_format} is broken, or of a kind that is not taken. Save it as PNG.") from error


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _OF_PILLOW:  # broken metadata is no reason to lose the pixels
        return image
