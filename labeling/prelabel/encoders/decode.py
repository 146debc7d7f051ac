"""From the bytes of a shown image to the pixels for an engine.

In: a JPEG or PNG of our own making, and the size that is wanted. Out: RGB, decoded. A JPEG is decoded at the smallest
scale of its own that is enough: for the usual 512 pixels a photograph of 12 megapixels decodes 5 times as fast.
"""

from __future__ import annotations

import io

from PIL import Image

from labeling.errors import BadImage
from labeling.prelabel.encoders.aspect import fit, within_aspect
from labeling.prelabel.picture_size import WHOLE, PictureSize

__all__ = ["open_for_engine", "open_shown"]

_FORMATS = ("JPEG", "PNG")


def open_for_engine(data: bytes, size: PictureSize) -> Image.Image:
    """The picture as an engine gets it: in its size, and in a shape that every processor can take.

    Of `WHOLE` the shape is the picture's own. Raises as `open_shown`.
    """
    image = open_shown(data, size)
    if size == WHOLE:
        return image
    return fit(image, size.longest) if size.longest else within_aspect(image)


def open_shown(data: bytes, size: PictureSize = PictureSize()) -> Image.Image:
    """The pixels as RGB, at least as many as the size asks for.

    Raises
    ------
    BadImage
        When the stored bytes are broken; ingesting the image again makes them anew.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            image.draft("RGB", _least(image.size, size))
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise BadImage("The stored copy of this image is broken. Ingest the image again.") from error


def _least(sides: tuple[int, int], size: PictureSize) -> tuple[int, int]:
    """The width and height that a picture with these sides keeps at least."""
    if size == WHOLE:
        return sides
    if not size.longest:
        return size.shortest, size.shortest
    width, height = (max(1, -(-side * size.longest // max(sides))) for side in sides)
    return width, height
