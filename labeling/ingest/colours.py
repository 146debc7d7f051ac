"""From any mode of a decoded picture to RGB in sRGB on white.

In: a picture of Pillow's with eight bits a sample, or deep grey, and its colour profile. Out: RGB. The profile belongs
to the colours, whether they are transparent or not; what is transparent becomes white afterwards.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

from labeling.ingest.formats.depth import scaled, stretched, white_of

__all__ = ["to_rgb"]

_UNPREMULTIPLIED = {"RGBa": "RGBA", "La": "LA"}


def to_rgb(image: Image.Image, profile: bytes = b"") -> Image.Image:
    """RGB without transparency; a profile that does not fit the colours is ignored."""
    if image.mode.startswith("I") or image.mode == "F":
        image = _from_deep_grey(image)
    image = image.convert(_UNPREMULTIPLIED[image.mode]) if image.mode in _UNPREMULTIPLIED else image
    colours, opaque = _without_alpha(image)
    in_srgb = _by_profile(colours, profile) or _plainly(colours)
    if opaque is None:
        return in_srgb
    white = Image.new("RGB", image.size, "white")
    white.paste(in_srgb, mask=opaque)
    return white


def _without_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    if image.mode == "LA":
        return image.getchannel("L"), image.getchannel("A")
    if image.has_transparency_data:
        full = image.convert("RGBA")
        return full.convert("RGB"), full.getchannel("A")
    return (image.convert("RGB") if image.mode in ("P", "YCbCr", "HSV") else image), None


def _plainly(image: Image.Image) -> Image.Image:
    """Without a profile of the file's."""
    if image.mode != "LAB":
        return image.convert("RGB")
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    return converted or image.convert("RGB")


def _by_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """In sRGB by the colour profile; None where there is none that fits."""
    grey = image.convert("L") if image.mode == "1" else image
    if not profile or grey.mode not in ("RGB", "CMYK", "L"):
        return None
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(grey, given, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # a broken profile is no reason to lose the pixels
        return None


def _from_deep_grey(image: Image.Image) -> Image.Image:
    """Deep grey of whatever the file was: 16 bits by their white, other numbers from darkest to brightest."""
    values = np.asarray(image)
    if values.dtype.kind == "f" or values.min(initial=0) < 0 or values.max(initial=0) > 65_535:
        return Image.fromarray(stretched(values))
    return Image.fromarray(scaled(values, white_of(values, 16)))
