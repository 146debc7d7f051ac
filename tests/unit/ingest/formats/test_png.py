"""Every kind of PNG that the standard allows, against arrays, and whatever may stand beside its picture."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from labeling.errors import BadImage
from labeling.ingest.decoding import decode
from labeling.ingest.headers import Limits, check_header
from tests.unit.ingest.formats.files import HEIGHT, WIDTH, Values, chunk, furthest, on_white, png, shown

CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
KINDS = [(0, depth) for depth in (1, 2, 4, 8, 16)] + [(colour, depth) for colour in (2, 4, 6) for depth in (8, 16)]


def samples(colour: int, depth: int, most: int | None = None) -> Values:
    rng = np.random.default_rng(7)
    made: Values = rng.integers(0, (most or 2**depth - 1) + 1, (HEIGHT, WIDTH, CHANNELS[colour]))
    made[0, 0] = most or 2**depth - 1
    return made


def wanted(values: Values, white: int, colour: int, *, opaque: int | None = None) -> Values:
    eight = np.round(values / white * 255)
    colours = eight[..., :1].repeat(3, axis=2) if colour in (0, 4) else eight[..., :3]
    return colours if colour in (0, 2) else on_white(colours, np.round(values[..., -1] / (opaque or white) * 255))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour", "depth"), KINDS)
def test_every_colour_type_and_depth_is_as_it_was_measured(colour: int, depth: int, interlaced: bool) -> None:
    values = samples(colour, depth)

    data = png(values, depth, colour, interlaced=interlaced)

    assert furthest(data, wanted(values, 2**depth - 1, colour)) <= 2


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_palettes_with_transparency_of_any_length(depth: int, interlaced: bool) -> None:
    rng = np.random.default_rng(8)
    values = rng.integers(0, 2**depth, (HEIGHT, WIDTH, 1))
    palette, alpha = rng.integers(0, 256, (2**depth, 3)), rng.integers(0, 256, 2**depth)
    alpha[len(alpha) // 2 :] = 255
    table = [(b"PLTE", palette.astype("u1").tobytes())]
    opaque = [(b"tRNS", alpha[: len(alpha) // 2].astype("u1").tobytes())]

    plain = png(values, depth, 3, interlaced=interlaced, extra=table)
    clear = png(values, depth, 3, interlaced=interlaced, extra=table + opaque)

    assert furthest(plain, palette[values[..., 0]]) == 0
    assert furthest(clear, on_white(palette[values[..., 0]], alpha[values[..., 0]])) <= 1


@pytest.mark.parametrize(("colour", "depth"), [kind for kind in KINDS if kind[0] in (0, 2)])
def test_one_colour_that_is_transparent_becomes_white_and_no_other(colour: int, depth: int) -> None:
    values = samples(colour, depth)
    key = values[3, 4]

    data = png(values, depth, colour, extra=[(b"tRNS", key.astype(">u2").tobytes())])

    expected = wanted(values, 2**depth - 1, colour).copy()
    expected[(values == key).all(axis=2)] = 255
    assert furthest(data, expected) <= 1


@pytest.mark.parametrize("colour", [0, 2])
@pytest.mark.parametrize("bits", [8, 10, 12, 14])
@pytest.mark.parametrize("told", [False, True])
def test_fewer_bits_in_sixteen_are_stretched_to_their_range(colour: int, bits: int, told: bool) -> None:
    values = samples(colour, 16, 2**bits - 1)
    extra = [(b"sBIT", bytes([bits] * CHANNELS[colour]))] if told else []

    assert furthest(png(values, 16, colour, extra=extra), wanted(values, 2**bits - 1, colour)) <= 1


@pytest.mark.parametrize("colour", [4, 6])
def test_twelve_bits_of_colour_beside_sixteen_of_alpha(colour: int) -> None:
    values = samples(colour, 16, 4095)
    values[..., -1] *= 16
    values[0, 0, -1] = 65_535

    assert furthest(png(values, 16, colour), wanted(values, 4095, colour, opaque=65_535)) <= 2


def test_dark_pictures_stay_dark_where_the_file_or_their_brightest_sample_says_so() -> None:
    dark, high = samples(0, 16, 20_000), samples(0, 16, 4_095) // 16 * 16

    assert furthest(png(dark, 16, 0), wanted(dark, 65_535, 0)) <= 1
    assert furthest(png(dark // 8, 16, 0, extra=[(b"sBIT", b"\x10")]), wanted(dark // 8, 65_535, 0)) <= 1
    assert furthest(png(high, 16, 0, extra=[(b"sBIT", b"\x0c")]), wanted(high, 65_535, 0)) <= 1  # multiplied up


def test_a_gamma_is_applied_unless_the_file_says_something_better() -> None:
    values = samples(2, 8)
    linear, screen = [(b"gAMA", struct.pack(">I", gamma)) for gamma in (100_000, 45_455)]

    assert furthest(png(values, 8, 2, extra=[linear]), np.round(255 * (values / 255) ** (1 / 2.2))) == 0
    assert furthest(png(values, 8, 2, extra=[screen]), values) == 0
    assert furthest(png(values, 8, 2, extra=[linear, (b"sRGB", b"\0")]), values) == 0


BESIDE = {
    "a text that says acTL": [(b"tEXt", b"Comment\0acTLxxxxxxxx")],
    "a workflow of 3 MB": [(b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(b"0," * 1_600_000))],
    "a packed text of 20 MB": [(b"zTXt", b"prompt\0\0" + zlib.compress(b"0," * 10_000_000))],
    "a text of 1 MB": [(b"tEXt", b"prompt\0" + b"0," * 500_000)],
    "a large broken profile": [(b"iCCP", b"p\0\0" + zlib.compress(b"0" * 3_000_000))],
    "a text that cannot be unpacked": [(b"zTXt", b"prompt\0\0nonsense")],
    "an animation without a frame": [(b"acTL", struct.pack(">II", 3, 0))],
    "an animation that does not say how long it is": [(b"acTL", b"\0\0")],
    "a transparent colour of another kind of picture": [(b"tRNS", b"\0\1")],
    "broken metadata": [(b"eXIf", b"nonsense")],
    "a chunk that nobody knows": [(b"xxXx", b"\0" * 1_000)],
}


@pytest.mark.parametrize("what", BESIDE)
def test_what_stands_beside_the_picture_does_not_matter(what: str) -> None:
    values = samples(2, 8)

    assert furthest(png(values, 8, 2, extra=BESIDE[what]), values) == 0


@pytest.mark.parametrize("colour", [4, 6])
def test_a_transparent_colour_beside_alpha_does_not_count(colour: int) -> None:
    values = samples(colour, 8)

    assert (shown(png(values, 8, colour, extra=[(b"tRNS", b"\0\1")])) == shown(png(values, 8, colour))).all()


def test_a_wrong_checksum_of_what_is_not_needed_does_not_matter() -> None:
    values, good = samples(2, 8), chunk(b"pHYs", b"\0" * 9)

    assert furthest(png(values, 8, 2, extra=[(b"pHYs", b"\0" * 9)]).replace(good, good[:-4] + b"\0\0\0\0"), values) == 0


@pytest.mark.parametrize("junk", [b"\r\n", b"\xef\xbb\xbf", b"\0" * 500, b"Content-Type: image/png\r\n\r\n"])
def test_bytes_before_the_first_and_after_the_last_do_not_matter(junk: bytes) -> None:
    values = samples(2, 8)
    data = png(values, 8, 2)

    assert furthest(junk + data, values) == 0
    assert furthest(data + junk + data[8:], values) == 0


def test_a_missing_end_does_not_matter_and_missing_pixels_do() -> None:
    values = samples(2, 8)
    data = png(values, 8, 2)

    for cut in (4, 8, 12, 16):
        assert (shown(data[:-cut]) == values).all()
    with pytest.raises(BadImage, match="cut off"):
        decode(data[:-200], Limits())


def test_a_text_that_was_made_to_fill_memory_and_apples_own_form_are_refused_by_name() -> None:
    values = samples(2, 8)
    apple = png(values, 8, 2)

    with pytest.raises(BadImage, match="32 MiB"):
        check_header(png(values, 8, 2, extra=[(b"zTXt", b"x\0\0" + zlib.compress(bytes(100 * 2**20)))]), Limits())
    with pytest.raises(BadImage, match="iPhones"):
        check_header(apple[:8] + chunk(b"CgBI", b"\0" * 4) + apple[8:], Limits())
