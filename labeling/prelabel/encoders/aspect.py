"""A bound on how narrow a picture may be before a model's processor gets it.

In: an RGB image of any shape. Out: the same image, or for an extreme one its whole content squeezed to a shape that
processors can take: many scale the short side up to 224 first, which makes 4.5 million pixels a side of 1 x 20,000.
"""

from __future__ import annotations

from PIL import Image

__all__ = ["MAX_ASPECT", "fit", "least_side", "within_aspect"]

MAX_ASPECT = 32
"""The long side divided by the short one; no picture that people look at has more."""
_LONG, _SHORT = 2_048, 2_048 // MAX_ASPECT


def within_aspect(image: Image.Image) -> Image.Image:
    """The image itself up to `MAX_ASPECT`; else 2,048 x 64 or 64 x 2,048 pixels that show all of it.

    Examples
    --------
    >>> within_aspect(Image.new("RGB", (640, 480))).size, within_aspect(Image.new("RGB", (1, 20_000))).size
    ((640, 480), (64, 2048))
    """
    if max(image.size) <= MAX_ASPECT * min(image.size):
        return image
    size = (_LONG, _SHORT) if image.width > image.height else (_SHORT, _LONG)
    return image.resize(size, Image.Resampling.BOX)


def fit(image: Image.Image, side: int) -> Image.Image:
    """A copy in RGB, at most `side` pixels wide and high, in a shape that processors can take.

    >>> fit(Image.new("RGB", (4_000, 3_000)), 768).size, fit(Image.new("RGB", (1, 20_000)), 768).size
    ((768, 576), (24, 768))
    """
    bounded = within_aspect(image).convert("RGB")
    fitted = bounded.copy()
    fitted.thumbnail((side, side))
    least = least_side(max(fitted.size))
    if min(fitted.size) >= least:
        return fitted
    return bounded.resize((max(fitted.width, least), max(fitted.height, least)))  # the short side was rounded down


def least_side(longer: int) -> int:
    """Pixels that the shorter side has at least beside such a longer one.

    >>> least_side(768), least_side(769), least_side(1)
    (24, 25, 1)
    """
    return -(-longer // MAX_ASPECT)
