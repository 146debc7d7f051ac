"""Why an engine suggests a class, as an overlay: the image parts that it depends on, or similar labelled images.

In: an image and how likely the class is with parts of it covered; or labelled pictures. Out: a map or a picture. It is
a visual aid, never a label; who may see it, and which labels may be shown, is decided by the caller.
Source: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks (2014), section 4.2, for the covering.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

__all__ = ["GRID", "covered", "occlusion_map", "stacked", "strip"]

GRID = 6
"""The image is covered cell by cell of so many rows and columns: 36 inferences."""
TILE = (200, 150)
CAPTION = 34
_PAPER, _INK = (255, 255, 255), (20, 20, 20)


def covered(image: Image.Image, grid: int = GRID) -> list[Image.Image]:
    """The image with one cell covered in its mean colour, once for each of grid x grid cells, row by row.

    Examples
    --------
    >>> halves = covered(Image.new("RGB", (4, 2), (10, 20, 30)), grid=2)
    >>> len(halves), halves[0].size
    (4, (4, 2))
    """
    pixels = np.asarray(image.convert("RGB"))  # (H, W, 3)
    mean = np.rint(pixels.reshape(-1, 3).mean(axis=0)).astype(np.uint8)
    made = []
    for rows, columns in _cells(image.height, image.width, grid):
        one = pixels.copy()
        one[rows, columns] = mean
        made.append(Image.fromarray(one))
    return made


def occlusion_map(whole: float, without: Sequence[float], size: tuple[int, int]) -> NDArray[np.float64]:
    """How much the class depends on each place: the fall of its probability when that place is covered.

    Parameters
    ----------
    whole : float
        The probability of the class on the image as it is.
    without : (grid * grid,)
        The same with each cell covered, in the order of `covered`.
    size : (width, height)
        Of the image.

    Returns
    -------
    (height, width) array in [0, 1], smooth between the cells' middles. Higher: the class depends more on this place.
    The largest fall is 1; places whose covering does not lower the probability are 0.

    Examples
    --------
    >>> occlusion_map(0.9, [0.9, 0.5, 0.9, 0.9], (2, 2)).tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    grid = round(len(without) ** 0.5)
    if grid * grid != len(without):
        raise ValueError(f"{len(without)} cells are no square")
    falls = np.maximum(whole - np.asarray(without, np.float64), 0).reshape(grid, grid)
    largest = float(falls.max())
    if largest <= 0:
        return np.zeros((size[1], size[0]))
    cells = Image.fromarray((falls / largest).astype(np.float32))
    smooth = np.asarray(cells.resize(size, Image.Resampling.BILINEAR), np.float64)
    return np.clip(smooth, 0, 1)


def strip(examples: Sequence[tuple[Image.Image, str]]) -> Image.Image:
    """Labelled pictures side by side, each over its label; at least one.

    Examples
    --------
    >>> strip([(Image.new("RGB", (30, 20)), "cat"), (Image.new("RGB", (20, 30)), "dog")]).size
    (400, 184)
    """
    width, height = TILE
    drawn = Image.new("RGB", (width * len(examples), height + CAPTION), _PAPER)
    pen, font = ImageDraw.Draw(drawn), ImageFont.load_default(16)
    for place, (picture, label) in enumerate(examples):
        small = picture.convert("RGB")
        small.thumbnail((width - 8, height - 8))
        drawn.paste(small, (place * width + (width - small.width) // 2, (height - small.height) // 2))
        words = _shortened(label, font, width - 8)
        pen.text((place * width + width / 2, height + CAPTION / 2), words, fill=_INK, font=font, anchor="mm")
    return drawn


def stacked(upper: Image.Image, lower: Image.Image) -> Image.Image:
    """One picture over another, both as wide as the wider one."""
    width = max(upper.width, lower.width)
    parts = [part.resize((width, max(1, round(part.height * width / part.width)))) for part in (upper, lower)]
    drawn = Image.new("RGB", (width, sum(part.height for part in parts)), _PAPER)
    drawn.paste(parts[0], (0, 0))
    drawn.paste(parts[1], (0, parts[0].height))
    return drawn


def _cells(height: int, width: int, grid: int) -> Iterator[tuple[slice, slice]]:
    rows, columns = (np.linspace(0, length, grid + 1).round().astype(int) for length in (height, width))
    for top, bottom in zip(rows, rows[1:], strict=False):
        for left, right in zip(columns, columns[1:], strict=False):
            yield slice(top, bottom), slice(left, right)


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    words = text.replace("\n", " ")
    while len(words) > 1 and font.getlength(words) > width:
        words = f"{words[:-2]}…"
    return words
