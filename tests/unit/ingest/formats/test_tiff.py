"""TIFFs of every depth, byte order, compression and arrangement, made by tifffile from arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from labeling.errors import BadImage
from labeling.ingest.decoding import decode
from labeling.ingest.headers import Limits
from tests.unit.ingest.formats.files import HEIGHT, WIDTH, Values, furthest, on_white, saved, tiff

WAYS: list[dict[str, Any]] = [
    {},
    {"tile": (16, 32)},
    {"compression": "zlib"},
    {"compression": "zlib", "predictor": True},
    {"compression": "zlib", "predictor": True, "tile": (16, 32)},
    {"compression": "lzma", "rowsperstrip": 5},
]
LAID = pytest.mark.parametrize("way", WAYS, ids=str)
ORDERS = pytest.mark.parametrize("order", "<>")
DEPTHS = pytest.mark.parametrize("kind", ["u1", "u2"])


def samples(kind: str, *channels: int, most: int | None = None) -> Values:
    full = most or np.iinfo(kind).max
    made = np.random.default_rng(3).integers(0, full + 1, (HEIGHT, WIDTH, *channels)).astype(kind)
    made[0, 0] = full
    return made


def eight(values: Values, white: int | None = None) -> Values:
    scaled: Values = np.round(values / (white or np.iinfo(values.dtype).max) * 255)
    return scaled


def planes(values: Values) -> Values:
    return np.ascontiguousarray(values.transpose(2, 0, 1))


@LAID
@ORDERS
@DEPTHS
def test_grey_and_inverted_grey(way: dict[str, Any], order: str, kind: str) -> None:
    grey = samples(kind)

    assert furthest(tiff(grey, byteorder=order, photometric="minisblack", **way), eight(grey)) == 0
    assert furthest(tiff(grey, byteorder=order, photometric="miniswhite", **way), 255 - eight(grey)) == 0


@LAID
@ORDERS
@DEPTHS
def test_colours_in_one_plane_and_in_three(way: dict[str, Any], order: str, kind: str) -> None:
    rgb, options = samples(kind, 3), {"byteorder": order, "photometric": "rgb", **way}

    together = tiff(rgb, planarconfig="contig", **options)
    apart = tiff(planes(rgb), planarconfig="separate", **options)

    assert furthest(together, eight(rgb)) == 0
    assert furthest(apart, eight(rgb)) == 0


@LAID
@ORDERS
@DEPTHS
def test_transparency_of_every_kind(way: dict[str, Any], order: str, kind: str) -> None:
    rgba, options = samples(kind, 4), {"byteorder": order, "photometric": "rgb", **way}
    laid = on_white(eight(rgba[..., :3]), eight(rgba[..., 3]))
    share = rgba[..., 3:] / np.iinfo(kind).max
    multiplied = np.concatenate([(rgba[..., :3] * share).round().astype(kind), rgba[..., 3:]], axis=2)

    contig, separate = {"planarconfig": "contig"}, {"planarconfig": "separate"}
    assert furthest(tiff(rgba, extrasamples=["unassalpha"], **contig, **options), laid) <= 2
    assert furthest(tiff(planes(rgba), extrasamples=["unassalpha"], **separate, **options), laid) <= 2
    assert furthest(tiff(multiplied, extrasamples=["assocalpha"], **contig, **options), laid) <= 3
    assert furthest(tiff(rgba, extrasamples=["unspecified"], **contig, **options), eight(rgba[..., :3])) == 0


@LAID
@ORDERS
@DEPTHS
def test_grey_with_transparency_and_inks(way: dict[str, Any], order: str, kind: str) -> None:
    both, inks, options = samples(kind, 2), samples(kind, 4), {"byteorder": order, **way}
    grey = eight(both[..., :1]).repeat(3, axis=2)
    paper = np.round((255 - eight(inks[..., :3])) * (255 - eight(inks[..., 3:])) / 255)

    clear = tiff(both, photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"], **options)

    assert furthest(clear, on_white(grey, eight(both[..., 1]))) <= 2
    assert furthest(tiff(inks, photometric="separated", planarconfig="contig", **options), paper) <= 2
    assert furthest(tiff(planes(inks), photometric="separated", planarconfig="separate", **options), paper) <= 2


@ORDERS
@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_fewer_bits_in_sixteen_are_stretched_to_their_range(order: str, bits: int) -> None:
    white = 2**bits - 1
    grey, rgb = samples("u2", most=white), samples("u2", 3, most=white)

    assert furthest(tiff(grey, byteorder=order, photometric="minisblack"), eight(grey, white)) == 0
    assert furthest(tiff(grey, byteorder=order, photometric="miniswhite"), 255 - eight(grey, white)) == 0
    assert furthest(tiff(rgb, byteorder=order, photometric="rgb"), eight(rgb, white)) == 0
    apart = tiff(planes(rgb), byteorder=order, photometric="rgb", planarconfig="separate")
    assert furthest(apart, eight(rgb, white)) == 0


def test_the_files_own_white_counts_and_a_dark_picture_stays_dark() -> None:
    dim, dark = samples("u2", most=1_000), samples("u2", most=20_000)

    named = tiff(dim, photometric="minisblack", extratags=[(281, 3, 1, 2_000, True)])

    assert furthest(named, eight(dim, 2_000)) <= 1
    assert furthest(tiff(dark, photometric="minisblack"), eight(dark)) == 0


def packed(values: Values, bits: int) -> bytes:
    every = values.reshape(len(values), -1, 1) >> np.arange(bits - 1, -1, -1) & 1
    return np.packbits(every.reshape(len(values), -1).astype("u1"), axis=1).tobytes()


@ORDERS
@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("channels", [1, 3])
def test_samples_without_gaps_between_them(order: str, bits: int, channels: int) -> None:
    values = samples("u2", channels, most=2**bits - 1)
    body = packed(values, bits)
    made = tiff(np.frombuffer(body, "u1").reshape(HEIGHT, -1), byteorder=order, photometric="minisblack")

    data = edited(made, order, {256: WIDTH, 258: bits, 262: 1 if channels == 1 else 2, 277: channels})

    wanted = eight(values, 2**bits - 1)
    assert furthest(data, wanted[..., 0] if channels == 1 else wanted) == 0


def edited(data: bytes, order: str, numbers: dict[int, int]) -> bytes:
    """A TIFF whose tags of one short say something else."""
    end = "little" if order == "<" else "big"
    result = bytearray(data)
    start = int.from_bytes(data[4:8], end)  # type: ignore[arg-type]
    for n in range(int.from_bytes(data[start : start + 2], end)):  # type: ignore[arg-type]
        at = start + 2 + 12 * n
        tag = int.from_bytes(data[at : at + 2], end)  # type: ignore[arg-type]
        if tag in numbers:
            result[at + 2 : at + 12] = (
                (3).to_bytes(2, end) + (1).to_bytes(4, end) + numbers[tag].to_bytes(2, end) + b"\0\0"  # type: ignore[arg-type]
            )
    return bytes(result)


@ORDERS
@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "f4"])
def test_numbers_without_a_known_range_go_from_darkest_to_brightest(order: str, kind: str) -> None:
    rng = np.random.default_rng(5)
    span = np.iinfo(kind) if kind != "f4" else None
    values = rng.integers(span.min, span.max, (HEIGHT, WIDTH)).astype(kind) if span else rng.random((HEIGHT, WIDTH))
    values = values.astype(kind)
    wide = values.astype(float)

    for way in [way for way in WAYS if kind != "f4" or "predictor" not in way]:
        data = tiff(values, byteorder=order, photometric="minisblack", **way)
        assert furthest(data, np.round((wide - wide.min()) / np.ptp(wide) * 255)) <= 1


@ORDERS
def test_the_predictor_of_floating_point_numbers(order: str) -> None:
    values = np.random.default_rng(5).random((HEIGHT, WIDTH)).astype(">f4")
    apart = values.view("u1").reshape(HEIGHT, WIDTH, 4).transpose(0, 2, 1).reshape(HEIGHT, -1)  # highest bytes first
    signed = apart.view("i1")  # for unsigned samples no tag says what they are
    made = tiff(signed, byteorder=order, photometric="minisblack", compression="zlib", predictor=True)

    data = edited(made, order, {256: WIDTH, 258: 32, 317: 3, 339: 3})

    assert furthest(data, np.round((values - values.min()) / np.ptp(values) * 255)) <= 1


@ORDERS
def test_one_bit_palettes_and_colours_by_eye(order: str) -> None:
    rng = np.random.default_rng(6)
    bits, places = rng.integers(0, 2, (HEIGHT, WIDTH)).astype(bool), samples("u1")
    table = np.stack([rng.permutation(256) for _ in range(3)]).astype("u2")
    lab = ImageCms.profileToProfile(
        Image.new("RGB", (8, 8), (200, 40, 90)),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )

    assert furthest(tiff(bits, byteorder=order, photometric="minisblack"), bits * 255) == 0
    assert furthest(tiff(bits, byteorder=order, photometric="miniswhite"), 255 - bits * 255) == 0
    for scale in (257, 1):  # some programs write a table of eight bits
        data = tiff(places, byteorder=order, photometric="palette", colormap=table * np.uint16(scale))
        assert furthest(data, table.T[places]) == 0
    assert lab is not None
    assert furthest(saved(lab, "TIFF"), np.full((8, 8, 3), (200, 40, 90))) <= 2


@pytest.mark.parametrize("kind", ["u1", "u2"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation(kind: str, orientation: int) -> None:
    values = np.zeros((20, 30), kind)
    values[:10, :15] = np.iinfo(kind).max
    turned = {
        1: values,
        2: values[:, ::-1],
        3: values[::-1, ::-1],
        4: values[::-1],
        5: values.T,
        6: np.rot90(values, -1),
        7: values[::-1, ::-1].T,
        8: np.rot90(values),
    }[orientation]

    data = tiff(values, photometric="minisblack", extratags=[(274, 3, 1, orientation, True)])

    assert furthest(data, eight(turned)) == 0


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        (np.zeros((4, 4, 3), "f4"), {"photometric": "rgb"}, "3 bands of 32-bit floating-point"),
        (np.zeros((4, 4), "f8"), {}, "64-bit floating-point"),
        (np.zeros((4, 4), "f2"), {}, "16-bit floating-point"),
        (np.zeros((4, 4), "c8"), {}, "complex"),
        (np.zeros((4, 4), "u8"), {}, "64-bit unsigned"),
        (np.zeros((4, 4, 5), "u1"), {"photometric": "minisblack", "planarconfig": "contig"}, "5 bands"),
        (np.zeros((5, 4, 4), "u2"), {"photometric": "minisblack", "planarconfig": "separate"}, "5 bands"),
        (np.zeros((4, 4), "u1"), {"bigtiff": True}, "BigTIFF"),
        (np.zeros((4, 4), "u1"), {"extratags": [(50706, 1, 4, (1, 4, 0, 0), True)]}, "raw file"),
        (np.zeros((4, 4), "u1"), {"subfiletype": 1}, "preview"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_kinds_that_are_not_taken_are_named(values: Values, options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadImage, match=said):
        decode(tiff(values, **options), Limits())
