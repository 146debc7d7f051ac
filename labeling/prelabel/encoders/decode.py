"""From the bytes of a shown image to the pixels for an engine.

In: a JPEG or PNG of our own making. Out: RGB, decoded. A JPEG is decoded at the scale of its own that is still at
least `ENOUGH` pixels a side: every encoder here takes fewer, and a photograph of 12 megapixels decodes 5 times as
fast.
"""

from __future__ import annotations

import io

from PIL import Image

from labeling.errors import BadImage

__all__ = ["open_shown"]

ENOUGH = 512
_FORMATS = ("JPEG", "PNG")


def open_shown(data: bytes) -> Image.Image:
    """The pixels as RGB.

    Raises
    ------
    BadImage
        When the stored bytes are broken; ingesting the image again makes them anew.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            image.draft("RGB", (ENOUGH, ENOUGH))
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise BadImage("The stored copy of this image is broken. Ingest the image again.") from error
