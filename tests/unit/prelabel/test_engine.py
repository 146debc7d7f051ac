"""What an engine answers is checked before it is stored."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from labeling.errors import BadImage, Invalid
from labeling.prelabel.encoders.decode import open_shown
from labeling.prelabel.engine import Look, check_look
from labeling.types import Prelabel

PRELABEL = Prelabel("scripted", "r", (0.25, 0.75), "", 0.0, 0)
WHOLE = Look([PRELABEL], np.ones((1, 4), np.float32), [None])


def test_a_whole_look_passes_unchanged() -> None:
    assert check_look(WHOLE, items=1, classes=2) is WHOLE


@pytest.mark.parametrize(
    "look",
    [
        Look([replace(PRELABEL, probs=(0.5, 0.7))], WHOLE.image_vectors, [None]),
        Look([replace(PRELABEL, probs=(float("nan"), 1.0))], WHOLE.image_vectors, [None]),
        Look([replace(PRELABEL, probs=(1.0,))], WHOLE.image_vectors, [None]),
        Look([PRELABEL], np.full((1, 4), np.inf, np.float32), [None]),
        Look([PRELABEL], WHOLE.image_vectors, [np.full(3, np.nan, np.float32)]),
        Look([PRELABEL], np.ones((2, 4), np.float32), [None]),
        Look([PRELABEL], WHOLE.image_vectors, []),
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


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\nbroken"])
def test_broken_bytes_are_a_bad_image(data: bytes) -> None:
    with pytest.raises(BadImage):
        open_shown(data)
