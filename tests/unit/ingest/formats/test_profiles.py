"""A colour profile belongs to the colours, whatever else the file has: transparency, a palette, depth, planes."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from PIL import Image

from tests.unit.ingest.formats.files import furthest, on_white, png, saved, tiff
from tests.unit.ingest.formats.profiles import INKS, LINEAR_GREY, P3, in_srgb

RGB = Image.new("RGB", (64, 64), (120, 200, 80))
GREY = Image.new("L", (64, 64), 120)
CMYK = Image.new("CMYK", (64, 64), (100, 30, 60, 20))
WANTED = in_srgb(RGB, P3)
WANTED_GREY = in_srgb(GREY, LINEAR_GREY)
WANTED_INKS = in_srgb(CMYK, INKS)
OPAQUE = RGB.copy()
OPAQUE.putalpha(255)
HALF = RGB.copy()
HALF.putalpha(128)
DEEP = np.asarray(RGB).astype("u2") * 257
DEEP_ALPHA = np.concatenate([DEEP, np.full((64, 64, 1), 65_535, "u2")], axis=2)
ICCP, GREY_ICCP = ((b"iCCP", b"p\0\0" + zlib.compress(profile)) for profile in (P3, LINEAR_GREY))
PALETTE = RGB.quantize(4)

COLOURS = {
    "PNG RGB": saved(RGB, "PNG", icc_profile=P3),
    "PNG RGBA": saved(OPAQUE, "PNG", icc_profile=P3),
    "PNG with a transparent colour": saved(RGB, "PNG", icc_profile=P3, transparency=(1, 2, 3)),
    "PNG palette": saved(PALETTE, "PNG", icc_profile=P3),
    "PNG palette with transparency": saved(PALETTE, "PNG", icc_profile=P3, transparency=3),
    "PNG RGB of 16 bits": png(DEEP, 16, 2, extra=[ICCP]),
    "PNG RGBA of 16 bits": png(DEEP_ALPHA, 16, 6, extra=[ICCP]),
    "TIFF RGB": saved(RGB, "TIFF", icc_profile=P3),
    "TIFF RGBA": saved(OPAQUE, "TIFF", icc_profile=P3),
    "TIFF RGB of 16 bits": tiff(DEEP, photometric="rgb", iccprofile=P3),
    "TIFF RGBA of 16 bits": tiff(DEEP_ALPHA, photometric="rgb", extrasamples=["unassalpha"], iccprofile=P3),
    "TIFF in planes": tiff(
        np.ascontiguousarray(DEEP.transpose(2, 0, 1)), photometric="rgb", planarconfig="separate", iccprofile=P3
    ),
    "WEBP RGB": saved(RGB, "WEBP", lossless=True, icc_profile=P3),
    "WEBP RGBA": saved(OPAQUE, "WEBP", lossless=True, icc_profile=P3),
    "JPEG": saved(RGB, "JPEG", quality=100, icc_profile=P3),
}
GREYS = {
    "PNG L": saved(GREY, "PNG", icc_profile=LINEAR_GREY),
    "PNG LA": saved(GREY.convert("LA"), "PNG", icc_profile=LINEAR_GREY),
    "PNG with a transparent grey": saved(GREY, "PNG", icc_profile=LINEAR_GREY, transparency=3),
    "PNG of 16 bits": png(np.full((64, 64, 1), 120 * 257), 16, 0, extra=[GREY_ICCP]),
    "JPEG": saved(GREY, "JPEG", icc_profile=LINEAR_GREY),
    "TIFF": saved(GREY, "TIFF", icc_profile=LINEAR_GREY),
    "TIFF of 16 bits": tiff(np.full((64, 64), 120 * 257, "u2"), photometric="minisblack", iccprofile=LINEAR_GREY),
    "inverted TIFF": tiff(np.full((64, 64), 135, "u1"), photometric="miniswhite", iccprofile=LINEAR_GREY),
}
INK = np.asarray(CMYK)
PRINTED = {
    "JPEG": saved(CMYK, "JPEG", quality=100, icc_profile=INKS),
    "TIFF": saved(CMYK, "TIFF", icc_profile=INKS),
    "TIFF of 16 bits": tiff(INK.astype("u2") * 257, photometric="separated", planarconfig="contig", iccprofile=INKS),
    "TIFF in planes": tiff(
        np.ascontiguousarray(INK.transpose(2, 0, 1)), photometric="separated", planarconfig="separate", iccprofile=INKS
    ),
}


@pytest.mark.parametrize("what", COLOURS)
def test_a_profile_of_colours_is_applied(what: str) -> None:
    assert furthest(COLOURS[what], WANTED) <= 2


@pytest.mark.parametrize("what", GREYS)
def test_a_profile_of_grey_is_applied(what: str) -> None:
    assert furthest(GREYS[what], WANTED_GREY) <= 2


@pytest.mark.parametrize("what", PRINTED)
def test_a_profile_of_inks_is_applied(what: str) -> None:
    assert furthest(PRINTED[what], WANTED_INKS) <= 3


def test_what_is_half_transparent_has_the_colours_of_the_profile_on_white() -> None:
    laid = on_white(WANTED, np.full((64, 64), 128))

    assert furthest(saved(HALF, "PNG", icc_profile=P3), laid) <= 2


def test_a_profile_that_does_not_fit_the_colours_is_ignored() -> None:
    assert furthest(saved(GREY, "PNG", icc_profile=P3), np.asarray(GREY)) == 0
    assert furthest(saved(RGB, "PNG", icc_profile=LINEAR_GREY), np.asarray(RGB)) == 0
    assert furthest(saved(OPAQUE, "PNG", icc_profile=INKS), np.asarray(RGB)) == 0
