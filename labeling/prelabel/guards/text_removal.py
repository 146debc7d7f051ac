"""Removes writing from a picture, so that a second answer cannot depend on it.

In: an RGB picture. Out: the same picture, smaller, without strokes thinner than a twentieth of its longer side. It does
not detect text: a median filter keeps shapes and their edges, and removes thin strokes.
"""

from __future__ import annotations

from PIL import Image, ImageFilter

__all__ = ["without_writing"]

SIDE = 256
WINDOW = 13
"""Of an odd width; a stroke thinner than half of it is gone."""


def without_writing(image: Image.Image) -> Image.Image:
    """The picture at `SIDE` pixels on its longer side, its thin strokes replaced by what is around them.

    >>> without_writing(Image.new("RGB", (640, 480), "red")).size
    (256, 192)
    """
    scale = SIDE / max(image.size)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    return image.convert("RGB").resize(size, Image.Resampling.LANCZOS).filter(ImageFilter.MedianFilter(WINDOW))
