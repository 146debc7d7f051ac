"""What may be wrong with a picture itself: blurred, dark, blown out, almost empty, oddly long.

In: an RGB image. Out: one score in [0, 1] for each question, lower is worse; `ISSUES` has their limits.
Source: the definitions and limits of cleanvision 0.3.7; brightness from every n-th pixel, so that it costs the same for
every size.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter, ImageStat

from labeling.types import ImageChecks

__all__ = ["check_picture"]

_SAMPLED = 192
_BLUR_SIDE = 64
_GREY_VARIES = 0.18
_RED, _GREEN, _BLUE = 0.241, 0.691, 0.068
"""Their shares in the brightness that people see (HSP)."""


def check_picture(image: Image.Image) -> ImageChecks:
    """The scores of an RGB image.

    Examples
    --------
    >>> check_picture(Image.new("RGB", (100, 100), "white")).light
    0.0
    """
    sampled = image.resize((min(image.width, _SAMPLED), min(image.height, _SAMPLED)), Image.Resampling.NEAREST)
    values = np.asarray(sampled, np.float32)  # (h, w, 3)
    red, green, blue = np.square(values).transpose(2, 0, 1)
    bright = np.sqrt(_RED * red + _GREEN * green + _BLUE * blue) / 255
    darkest, brightest = np.percentile(bright, [5, 99])
    aspect = min(image.width / image.height, image.height / image.width)
    scores = (_sharpness(image), brightest, 1 - darkest, min(0.1 * image.entropy(), 1), aspect)
    return ImageChecks(*(round(min(max(float(score), 0.0), 1.0), 4) for score in scores))


def _sharpness(image: Image.Image) -> float:
    """From the edges of a small grey copy; a copy whose shades vary much counts as sharp."""
    ratio = max(image.size) / _BLUR_SIDE
    small = image
    if ratio > 1:
        small = image.resize((max(int(image.width // ratio), 1), max(int(image.height // ratio), 1)), reducing_gap=2.0)
    grey = small.convert("L")
    edges = float(np.sqrt(ImageStat.Stat(grey.filter(ImageFilter.FIND_EDGES)).var[0]))
    varies = 1 - float(np.exp(-0.01 * np.std(grey.histogram())))
    return 1 - float(np.exp(-0.01 * edges)) + (varies if varies > _GREY_VARIES else 0.0)
