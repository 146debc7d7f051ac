"""B27, siblings: colours that a file names by number, or by chromaticities, instead of holding a profile."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.unit.ingest.formats.files import furthest, png, saved
from tests.unit.ingest.formats.profiles import P3, in_srgb
from tests.unit.ingest.formats.test_medical_and_phones import heic

RGB = Image.new("RGB", (64, 64), (120, 200, 80))
PLAIN, WANTED = np.asarray(RGB), in_srgb(RGB, P3)
OF_P3 = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
OF_SRGB = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
GAMMA = (b"gAMA", struct.pack(">I", 45_455))


def code(primaries: int, transfer: int) -> tuple[bytes, bytes]:
    return b"cICP", bytes([primaries, transfer, 0, 1])


def chromaticities(*values: float) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(f">{len(values)}I", *(round(value * 100_000) for value in values))


@pytest.mark.parametrize(
    "extra",
    [
        [code(12, 13)],
        [code(12, 13), (b"sRGB", b"\0"), GAMMA],
        [chromaticities(*OF_P3), GAMMA],
        [chromaticities(*OF_P3)],
    ],
)
@pytest.mark.parametrize("depth", [8, 16])
def test_a_png_that_names_its_colours_is_shown_in_them(extra: list[tuple[bytes, bytes]], depth: int) -> None:
    values = PLAIN if depth == 8 else PLAIN.astype("u2") * 257

    assert furthest(png(values, depth, 2, extra=extra), WANTED) <= 3


@pytest.mark.parametrize(
    "extra",
    [
        [code(1, 13)],
        [code(9, 16)],
        [code(200, 13)],
        [code(200, 13), (b"sRGB", b"\0"), chromaticities(*OF_P3)],
        [chromaticities(*OF_SRGB), GAMMA],
        [chromaticities(*OF_P3), (b"sRGB", b"\0")],
        [chromaticities(*[0.3] * 8)],
        [chromaticities(*[0.0] * 8)],
        [(b"cHRM", b"\xff" * 7)],
        [(b"cICP", b"")],
    ],
)
def test_what_says_srgb_or_nothing_changes_nothing(extra: list[tuple[bytes, bytes]]) -> None:
    """The numbers of HDR are shown as they are: no screen of people who label shows its light."""
    assert furthest(png(PLAIN, 8, 2, extra=extra), PLAIN) == 0


@pytest.mark.parametrize(
    "unusable", [code(200, 13), code(12, 200), code(2, 2), code(9, 16), code(9, 18), (b"cICP", b"\x0c")]
)
@pytest.mark.parametrize(
    "usable", [[(b"iCCP", b"p\0\0" + zlib.compress(P3))], [chromaticities(*OF_P3), GAMMA], [chromaticities(*OF_P3)]]
)
def test_numbers_that_cannot_be_used_hide_nothing_that_can(
    unusable: tuple[bytes, bytes], usable: list[tuple[bytes, bytes]]
) -> None:
    assert furthest(png(PLAIN, 8, 2, extra=[unusable, *usable]), WANTED) <= 3


@pytest.mark.parametrize("broken", [b"", b"nonsense", b"p\0\0nonsense", b"p\0\0" + zlib.compress(b"0" * 3_000)])
def test_a_profile_that_cannot_be_used_hides_nothing_that_can(broken: bytes) -> None:
    linear, darker = [(b"gAMA", struct.pack(">I", 100_000))], np.full((8, 8, 3), 55, np.uint8)

    assert furthest(png(PLAIN, 8, 2, extra=[(b"iCCP", broken), chromaticities(*OF_P3)]), WANTED) <= 3
    assert furthest(png(darker, 8, 2, extra=[(b"iCCP", broken), *linear]), np.full((8, 8, 3), 128)) <= 2
    assert furthest(png(darker, 8, 2, extra=[(b"iCCP", broken), (b"sRGB", b"\0"), *linear]), darker) == 0


def test_numbers_that_can_be_used_count_more_than_a_profile() -> None:
    extra = [code(1, 13), (b"iCCP", b"p\0\0" + zlib.compress(P3))]

    assert furthest(png(PLAIN, 8, 2, extra=extra), PLAIN) == 0


def test_a_linear_png_with_other_chromaticities_is_corrected_once() -> None:
    linear = np.full((8, 8, 3), 55, np.uint8)

    extra = [chromaticities(*OF_P3), (b"gAMA", struct.pack(">I", 100_000))]

    assert furthest(png(linear, 8, 2, extra=extra), np.full((8, 8, 3), 128)) <= 2


@pytest.mark.parametrize("data", [saved(RGB, "AVIF", quality=100), heic(RGB)], ids=["AVIF", "HEIC"])
def test_avif_and_heic_too(data: bytes) -> None:
    at = data.index(b"nclx") + 4
    named = data[:at] + struct.pack(">HH", 12, 13) + data[at + 4 :]

    assert furthest(data, PLAIN) <= 4
    assert furthest(named, WANTED) <= 6
