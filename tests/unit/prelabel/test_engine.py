"""What an engine answers is checked before it is stored."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from labeling.errors import BadImage, Invalid
from labeling.prelabel.encoders.aspect import fit
from labeling.prelabel.encoders.decode import open_for_engine, open_shown
from labeling.prelabel.endpoints.agent_tools import crop
from labeling.prelabel.engine import Item, Look, check_look
from labeling.prelabel.picture_size import WHOLE, PictureSize, picture_size
from labeling.types import Prelabel

PRELABEL = Prelabel("scripted", "r", (0.25, 0.75), "", 0.0, 0)
GOOD = Look([PRELABEL], np.ones((1, 4), np.float32), [None])


def test_a_whole_look_passes_unchanged() -> None:
    assert check_look(GOOD, items=1, classes=2) is GOOD


@pytest.mark.parametrize(
    "look",
    [
        Look([replace(PRELABEL, probs=(0.5, 0.7))], GOOD.image_vectors, [None]),
        Look([replace(PRELABEL, probs=(float("nan"), 1.0))], GOOD.image_vectors, [None]),
        Look([replace(PRELABEL, probs=(1.0,))], GOOD.image_vectors, [None]),
        Look([PRELABEL], np.full((1, 4), np.inf, np.float32), [None]),
        Look([PRELABEL], GOOD.image_vectors, [np.full(3, np.nan, np.float32)]),
        Look([PRELABEL], np.ones((2, 4), np.float32), [None]),
        Look([PRELABEL], GOOD.image_vectors, []),
    ],
)
def test_a_look_that_is_not_whole_or_not_finite_is_refused(look: Look) -> None:
    with pytest.raises(Invalid):
        check_look(look, items=1, classes=2)


def test_a_large_jpeg_is_decoded_at_a_smaller_scale_and_a_png_is_not() -> None:
    jpeg, png = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (4000, 3000), "red").save(jpeg, "JPEG")
    Image.new("L", (600, 600), 7).save(png, "PNG")

    large, grey = open_shown(jpeg.getvalue()), open_shown(png.getvalue())

    assert large.size == (1000, 750) and large.mode == "RGB"
    assert grey.size == (600, 600) and grey.getpixel((5, 5)) == (7, 7, 7)


def encoded(size: tuple[int, int], form: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "red").save(out, form)
    return out.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    ("size", "asked", "given"),
    [
        ((4000, 3000), PictureSize(longest=768), (768, 576)),
        ((4000, 3000), PictureSize(longest=2_048), (2_048, 1_536)),
        ((3000, 4000), PictureSize(longest=4_096), (3_000, 4_000)),
        ((4000, 3000), WHOLE, (4_000, 3_000)),
        ((640, 480), PictureSize(longest=1_024), (640, 480)),
        ((1, 20_000), PictureSize(), (64, 2_048)),
        ((20_000, 1), PictureSize(longest=768), (768, 24)),
        ((1, 20_000), WHOLE, (1, 20_000)),
    ],
)
def test_an_engine_gets_the_size_that_it_asks_for(
    form: str, size: tuple[int, int], asked: PictureSize, given: tuple[int, int]
) -> None:
    assert open_for_engine(encoded(size, form), asked).size == given


@given(st.integers(1, 3_000), st.integers(1, 3_000), st.integers(1, 1_100))
@example(2_048, 64, 100)
@example(3_000, 94, 72)
@example(1, 3_000, 1)
def test_no_engine_gets_a_picture_narrower_than_32_to_1(width: int, height: int, side: int) -> None:
    data = encoded((width, height), "PNG")
    whole = Image.new("RGB", (width, height))

    fitted = [open_for_engine(data, PictureSize(longest=side)), fit(whole, side)]
    enlarged = crop(whole, 0, 0, 1, 1, side)

    assert fitted[0].size == fitted[1].size
    assert all(max(one.size) <= 32 * min(one.size) for one in (*fitted, enlarged, open_for_engine(data, PictureSize())))
    assert max(fitted[0].size) <= side == max(enlarged.size)


def test_a_jpeg_keeps_at_least_the_pixels_that_are_asked_for_on_its_shorter_side() -> None:
    data = encoded((4000, 3000), "JPEG")

    sides = [min(open_for_engine(data, PictureSize(asked)).size) for asked in (512, 1_024, 2_000)]

    assert sides == [750, 1_500, 3_000]


def test_an_engine_that_says_nothing_gets_the_usual_size() -> None:
    assert picture_size(object()) == PictureSize() == PictureSize(512)


def test_a_changed_picture_cannot_be_opened_again_as_it_was() -> None:
    opened = Image.new("RGB", (9, 9))
    item = Item(Image.new("RGB", (4, 4)), None, "key", open_at=lambda size: opened)

    changed = item.with_picture(Image.new("RGB", (5, 5)), "other")

    assert item.at_size(WHOLE) is opened
    assert (changed.at_size(WHOLE).size, changed.key) == ((5, 5), "other")


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\nbroken"])
def test_broken_bytes_are_a_bad_image(data: bytes) -> None:
    with pytest.raises(BadImage):
        open_shown(data)
