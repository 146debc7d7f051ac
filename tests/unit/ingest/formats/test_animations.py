"""GIF, WEBP and BMP: first frames on their canvas, every layout of a BMP, and bytes beside the picture."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageCms

from labeling.errors import BadImage
from labeling.ingest.decoding import decode
from labeling.ingest.headers import Limits, check_header
from tests.unit.ingest.formats.files import HEIGHT, WIDTH, Values, furthest, on_white, saved

RNG = np.random.default_rng(2)
RGB = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
PALETTE = RNG.integers(0, 256, (256, 3), dtype=np.uint8)
ON_CANVAS = np.full((20, 30, 3), 255)
ON_CANVAS[5:13, 3:13] = (0, 0, 255)


def gif(*, background: int = 0, transparent: int | None = None) -> bytes:
    """A blue frame of 10 x 8 at (3, 5) of a canvas of 30 x 20, by Pillow's own encoder."""
    frame = Image.new("P", (10, 8), 1)
    frame.putpalette([255, 0, 0, 0, 0, 255, 0, 255, 0, 9, 9, 9])
    made = saved(frame, "GIF")
    table = 13 + 3 * 2 ** ((made[10] & 7) + 1)
    head = b"GIF89a" + struct.pack("<HH", 30, 20) + bytes([made[10], background, 0]) + made[13:table]
    control = b"\x21\xf9\x04" + bytes([transparent is not None, 0, 0, transparent or 0, 0])
    at = made.index(b",", table)
    return head + control + b"," + struct.pack("<HH", 3, 5) + made[at + 5 :]


@pytest.mark.parametrize("background", [0, 1])
@pytest.mark.parametrize("transparent", [None, 2])
def test_what_a_first_frame_leaves_open_is_white(background: int, transparent: int | None) -> None:
    assert furthest(gif(background=background, transparent=transparent), ON_CANVAS) == 0


def test_a_webp_is_its_first_frame_on_its_canvas() -> None:
    first = Image.new("RGBA", (30, 20), (0, 0, 0, 0))
    first.paste((0, 0, 255, 255), (3, 5, 13, 13))
    second = Image.new("RGBA", (30, 20), (255, 0, 0, 255))

    data = saved(first, "WEBP", lossless=True, save_all=True, append_images=[second])

    assert check_header(data, Limits()).frames == 2
    assert furthest(data, ON_CANVAS) == 0
    assert furthest(data + b"ANMF" * 5_000, ON_CANVAS) == 0


def test_letters_in_a_note_are_no_frames() -> None:
    note = b"\x21\xfe" + b"\x04\x21\xf9\x04\x00" * 3_000 + b"\0"
    noted = gif()[:-1] + note + b";"
    described = saved(Image.fromarray(RGB), "WEBP", lossless=True, xmp=b"ANMF" * 3_000)

    assert furthest(noted, ON_CANVAS) == 0
    assert furthest(described, RGB) == 0


def test_a_chunk_of_a_webp_that_nobody_knows_is_passed_over() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = saved(Image.fromarray(RGB), "WEBP", lossless=True, icc_profile=profile)
    unknown = b"ABCD\x03\0\0\0xyz\0"

    assert furthest(data[:30] + unknown + data[30:], RGB) == 0
    assert furthest(data + unknown, RGB) == 0


@pytest.mark.parametrize("size", [0, 12, 10_000_000])
def test_a_wrong_size_in_the_head_of_a_webp_does_not_matter(size: int) -> None:
    data = saved(Image.fromarray(RGB), "WEBP", lossless=True)

    assert furthest(data[:4] + struct.pack("<I", size) + data[8:], RGB) == 0
    assert furthest(data + b"\0junk" * 1_000, RGB) == 0
    with pytest.raises(BadImage, match="cut off"):
        decode(data[:-40], Limits())


def bmp(
    bits: int,
    rows: Values,
    pack: Callable[[Values], bytes],
    *,
    palette: Values | None = None,
    compression: int = 0,
    masks: tuple[int, ...] = (),
    head: int = 40,
    from_top: bool = False,
) -> bytes:
    lines = [pack(row) for row in (rows if from_top else rows[::-1])]
    body = b"".join(line + b"\0" * (-len(line) % 4) for line in lines)
    table = b"" if palette is None else np.pad(palette[:, ::-1], ((0, 0), (0, 1))).astype("u1").tobytes()
    fields = struct.pack(f"<{len(masks)}I", *masks)
    if head == 12:
        info = struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, bits)
    else:
        high = -HEIGHT if from_top else HEIGHT
        info = struct.pack("<IiiHHIIiiII", head, WIDTH, high, 1, bits, compression, len(body), 1, 1, 0, 0) + fields
        info = info.ljust(head, b"\0")
    start = 14 + len(info) + len(table)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + info + table + body


def blue_first(row: Values) -> bytes:
    return row[:, ::-1].tobytes()


def with_fourth(value: int) -> Callable[[Values], bytes]:
    return lambda row: np.pad(row[:, ::-1], ((0, 0), (0, 1)), constant_values=value).astype("u1").tobytes()


def in_bits(*bits: int) -> Callable[[Values], bytes]:
    def pack(row: Values) -> bytes:
        wide = [row[:, n].astype(int) >> 8 - bits[n] for n in range(3)]
        return (wide[0] << bits[1] + bits[2] | wide[1] << bits[2] | wide[2]).astype("<u2").tobytes()

    return pack


def fewer(*bits: int) -> Values:
    return np.stack([np.round((RGB[..., n] >> 8 - bits[n]) / (2 ** bits[n] - 1) * 255) for n in range(3)], axis=2)


MASKS = (0xFF0000, 0xFF00, 0xFF)


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (bmp(24, RGB, blue_first), RGB),
        (bmp(24, RGB, blue_first, from_top=True), RGB),
        (bmp(24, RGB, blue_first, head=12), RGB),
        (bmp(32, RGB, with_fourth(0)), RGB),
        (bmp(32, RGB, with_fourth(128)), RGB),
        (bmp(32, RGB, with_fourth(0), compression=3, masks=MASKS), RGB),
        (
            bmp(32, RGB, with_fourth(128), compression=3, masks=(*MASKS, 0xFF000000), head=124),
            on_white(RGB, np.full((HEIGHT, WIDTH), 128)),
        ),
        (bmp(16, RGB, in_bits(5, 5, 5)), fewer(5, 5, 5)),
        (bmp(16, RGB, in_bits(5, 6, 5), compression=3, masks=(0xF800, 0x7E0, 0x1F)), fewer(5, 6, 5)),
    ],
)
def test_colours_of_a_bmp(data: bytes, wanted: Values) -> None:
    assert furthest(data, wanted) <= 2


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_palettes_of_a_bmp(bits: int) -> None:
    values = RNG.integers(0, 2**bits, (HEIGHT, WIDTH))

    def pack(row: Values) -> bytes:
        return np.packbits((row[:, None] >> np.arange(bits - 1, -1, -1) & 1).astype("u1").ravel()).tobytes()

    grey = np.linspace(255, 0, 2**bits).round().astype("u1")[:, None].repeat(3, axis=1)
    for palette in (PALETTE[: 2**bits], grey):
        assert furthest(bmp(bits, values, pack, palette=palette), palette[values]) == 0


def test_unusual_kinds_of_bmp_are_named() -> None:
    odd = bmp(32, RGB, with_fourth(0), compression=3, masks=(0x3FF << 20, 0x3FF << 10, 0x3FF))
    inside = bmp(24, RGB, blue_first, compression=4)

    with pytest.raises(BadImage, match="32 bits a pixel, bit fields"):
        decode(odd, Limits())
    with pytest.raises(BadImage, match="JPEG inside"):
        check_header(inside, Limits())
