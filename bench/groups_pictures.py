"""Pictures for `bench.groups`: six sets of distinct images that are alike to different degrees, and their copies.

In: how many, and a generator of chance. Out: PIL images. All but the stamps and the digits are drawn here; two images
of a set always differ in what they show: other words, other entries, other grain and scratches.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont
from sklearn.datasets import load_digits

from labeling.prelabel.encoders.decode import open_shown
from service.demo.images import prepare_images

__all__ = ["COPIES", "SETS", "stamps"]

Draw = Callable[[int, np.random.Generator], list[Image.Image]]
PAGE = (360, 480)
PAPER, INK = 250, 30
LETTERS = "etaoinshrdlucmfwypvbg"


def stamps(count: int, rng: np.random.Generator, home: Path) -> list[Image.Image]:
    """Some of the demo's stamps; all where `count` is larger."""
    demo = prepare_images(None, home)
    files = [demo.folder / name for name in sorted(demo.truth)]
    drawn = rng.permutation(len(files))[:count]
    return [open_shown(files[at].read_bytes()) for at in drawn]


def digits(count: int, rng: np.random.Generator) -> list[Image.Image]:
    """Handwritten digits of 8 x 8 points, enlarged."""
    points = load_digits().images  # (1797, 8, 8), 0 to 16
    drawn = rng.permutation(len(points))[:count]
    small = [Image.fromarray((points[at] * 15.9).astype(np.uint8)) for at in drawn]
    return [one.resize((128, 128), Image.Resampling.BICUBIC).convert("RGB") for one in small]


def pages(count: int, rng: np.random.Generator) -> list[Image.Image]:
    """Pages of one layout, each with other words."""
    return [_page(rng) for _ in range(count)]


def forms(count: int, rng: np.random.Generator) -> list[Image.Image]:
    """One printed form, filled in by hand: other entries and ticks on each."""
    return [_form(rng) for _ in range(count)]


def textures(count: int, rng: np.random.Generator) -> list[Image.Image]:
    """Brushed metal under one lamp: other grain on each, and on most one to four scratches or spots."""
    return [_plate(rng) for _ in range(count)]


def gradients(count: int, rng: np.random.Generator) -> list[Image.Image]:
    """Smooth pictures without an edge, as of X-rays: one bright field, with other soft shadows in each."""
    return [_soft(rng) for _ in range(count)]


SETS: dict[str, Draw] = {
    "digits": digits,
    "pages": pages,
    "forms": forms,
    "textures": textures,
    "gradients": gradients,
}


def _page(rng: np.random.Generator) -> Image.Image:
    image = Image.new("L", PAGE, PAPER)
    draw = ImageDraw.Draw(image)
    _write(draw, rng, (30, 30), 22, 3)
    for line in range(24):
        _write(draw, rng, (30, 70 + 16 * line), 12, 9 if (line + 1) % 8 else int(rng.integers(2, 8)))
    return image.convert("RGB")


def _form(rng: np.random.Generator) -> Image.Image:
    image = Image.new("L", PAGE, PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((110, 20), "APPLICATION", fill=INK, font=ImageFont.load_default(22))
    for field in range(8):
        top = 70 + 38 * field
        draw.text((30, top), f"{field + 1}. {LETTERS[field : field + 6]}", fill=INK, font=ImageFont.load_default(11))
        draw.rectangle((130, top - 6, 330, top + 20), outline=INK)
        _write(draw, rng, (138, top - 4), 16, int(rng.integers(1, 4)), shade=60)
    for box in range(6):
        at = (40 + 50 * box, 400)
        draw.rectangle((*at, at[0] + 20, at[1] + 20), outline=INK)
        if rng.random() < 0.5:
            draw.line((*at, at[0] + 20, at[1] + 20), fill=INK, width=3)
            draw.line((at[0], at[1] + 20, at[0] + 20, at[1]), fill=INK, width=3)
    return image.convert("RGB")


def _write(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, at: tuple[int, int], size: int, words: int, shade: int = INK
) -> None:
    text = " ".join("".join(rng.choice(list(LETTERS), int(rng.integers(2, 9)))) for _ in range(words))
    draw.text(at, text, fill=shade, font=ImageFont.load_default(size))


def _plate(rng: np.random.Generator) -> Image.Image:
    grain = rng.normal(0, 1, (256, 1)) * 6 + rng.normal(0, 1, (256, 256)) * 5
    light = 150 + 40 * np.cos(np.linspace(-1.2, 1.2, 256))[None, :]
    image = _as_image(grain + light)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(0, 5))):
        x, y, long, angle = *rng.integers(20, 236, 2), rng.integers(10, 90), rng.uniform(0, np.pi)
        shade = int(rng.integers(40, 110))
        if rng.random() < 0.5:
            end = (x + long * np.cos(angle), y + long * np.sin(angle))
            draw.line((float(x), float(y), *map(float, end)), fill=shade, width=int(rng.integers(1, 4)))
        else:
            r = float(rng.integers(3, 12))
            draw.ellipse((x - r, y - r, x + r, y + r), fill=shade)
    return image.convert("RGB")


def _soft(rng: np.random.Generator) -> Image.Image:
    y, x = np.mgrid[-1:1:256j, -1:1:256j]  # (256, 256) each
    field = 200 * np.exp(-(x**2 / 1.2 + y**2 / 1.8))
    for _ in range(int(rng.integers(3, 8))):
        cx, cy, width = *rng.uniform(-0.7, 0.7, 2), rng.uniform(0.1, 0.35)
        field -= rng.uniform(20, 90) * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / width**2)
    return _as_image(field).filter(ImageFilter.GaussianBlur(2)).convert("RGB")


def _as_image(values: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _again_as_jpeg(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=50)
    return Image.open(buffer).convert("RGB")


def _half(image: Image.Image) -> Image.Image:
    return image.resize((max(1, image.width // 2), max(1, image.height // 2)), Image.Resampling.BICUBIC)


def _cropped(image: Image.Image) -> Image.Image:
    by_x, by_y = round(image.width * 0.03), round(image.height * 0.03)
    return image.crop((by_x, by_y, image.width - by_x, image.height - by_y))


def _brighter(image: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(1.15)


def _turned(image: Image.Image) -> Image.Image:
    return image.rotate(1.5, Image.Resampling.BICUBIC, fillcolor=_edge(image))


def _edge(image: Image.Image) -> tuple[int, int, int]:
    corners = np.asarray(image)[[0, 0, -1, -1], [0, -1, 0, -1]]
    red, green, blue = np.median(corners, axis=0).astype(int).tolist()
    return red, green, blue


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "jpeg_50": _again_as_jpeg,
    "half_size": _half,
    "crop_3": _cropped,
    "brighter": _brighter,
    "turned_1.5": _turned,
}
"""What is done to an image; the result is still the same picture to anybody."""
