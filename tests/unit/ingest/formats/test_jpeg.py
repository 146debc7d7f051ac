"""JPEGs as cameras, phones and scanners leave them, against OpenCV; bytes before, after and missing."""

from __future__ import annotations

import random
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from labeling.errors import BadImage
from labeling.ingest.decoding import decode
from labeling.ingest.headers import Limits, check_header
from tests.unit.ingest.formats.files import by_opencv, furthest, saved, shown

NOISE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
PICTURE = Image.fromarray(cv2.GaussianBlur(NOISE, (9, 9), 0))
KINDS = {
    "baseline": saved(PICTURE, "JPEG", quality=90),
    "progressive": saved(PICTURE, "JPEG", quality=90, progressive=True),
    "without subsampling": saved(PICTURE, "JPEG", quality=95, subsampling=0),
    "restarts": saved(PICTURE, "JPEG", restart_marker_blocks=2),
    "grey": saved(PICTURE.convert("L"), "JPEG"),
    "RGB inside": saved(PICTURE, "JPEG", keep_rgb=True),
    "CMYK": saved(PICTURE.convert("CMYK"), "JPEG", quality=95),
}
FILM = random.Random(1).randbytes(9_000_000)


def with_transform(data: bytes, transform: int) -> bytes:
    """The same JPEG, its Adobe marker saying that the inks are CMYK (0) or YCCK (2)."""
    at = data.index(b"Adobe") + 11
    return data[:at] + bytes([transform]) + data[at + 1 :]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_as_a_second_decoder_has_it(kind: str) -> None:
    assert furthest(KINDS[kind], by_opencv(KINDS[kind])) <= 4


def test_inks_are_read_as_their_marker_says() -> None:
    for transform in (0, 2):
        data = with_transform(KINDS["CMYK"], transform)
        assert furthest(data, by_opencv(data)) <= 4


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_after_the_end_does_not_matter(kind: str) -> None:
    data = KINDS[kind]
    alone = shown(data)

    for after in (FILM, b"\0" * 5_000, data, b"<script>", b"\xff\xda" * 1_000):
        assert (shown(data + after) == alone).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_end_does_not_matter(kind: str) -> None:
    data = KINDS[kind]
    alone = shown(data)

    for other in (data[:-2], data[:-1], data[:-2] + b"\0" * 3_000, data[:-2] + FILM[:3_000].replace(b"\xff", b"\0")):
        assert (shown(other) == alone).all()


@pytest.mark.parametrize("kind", KINDS)
def test_missing_pixels_do(kind: str) -> None:
    data = KINDS[kind]

    for cut in (12, 20, 60, len(data) // 4, len(data) // 2, len(data) - 300):
        with pytest.raises(BadImage, match="cut off|broken"):
            decode(data[:-cut], Limits())


@pytest.mark.parametrize(
    "junk", [b"\r\n", b"\n", b"\0" * 100, b"\xef\xbb\xbf", b"--x\r\nContent-Type: image/jpeg\r\n\r\n"]
)
def test_bytes_before_the_first_do_not_matter(junk: bytes) -> None:
    assert (shown(junk + KINDS["baseline"]) == shown(KINDS["baseline"])).all()


def test_previews_notes_and_further_pictures_are_not_taken_for_the_picture() -> None:
    data = KINDS["baseline"]
    preview = b"\xff\xe2" + struct.pack(">H", len(data) + 6) + b"MPF\0" + data
    noted = data[:2] + preview + b"\xff\xfe" + struct.pack(">H", 2_002) + b"\xff\xda" * 1_000 + data[2:]

    several = saved(PICTURE, "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))], quality=90)

    assert (shown(noted) == shown(data)).all()
    assert check_header(several, Limits()).format == "JPEG"
    assert (shown(several) == shown(data)).all()


def test_kinds_that_are_not_taken_are_named() -> None:
    data = KINDS["baseline"]
    at = data.index(b"\xff\xc0")
    deep = data[: at + 4] + b"\x0c" + data[at + 5 :]

    with pytest.raises(BadImage, match="12 bits a sample"):
        check_header(deep, Limits())
    with pytest.raises(BadImage, match="lossless JPEG"):
        check_header(data[: at + 1] + b"\xc3" + data[at + 2 :], Limits())


def test_a_motion_photo_costs_no_second_look_at_its_film() -> None:
    assert check_header(KINDS["baseline"] + FILM * 5, Limits()).width == 80
