"""Bytes that nobody trusts, from a generated corpus: each is decoded right or refused with a reason."""

from __future__ import annotations

import io
import resource
import struct
import time
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from labeling.errors import BadImage
from labeling.ingest.decoding import decode, encode_shown
from labeling.ingest.headers import FORMATS, Limits, check_header

LIMITS = Limits()
PILLOWS = [name for name in FORMATS if name not in ("HEIC", "DICOM")]
RED, BLUE = (220, 30, 30), (30, 30, 220)


def halves(mode: str = "RGB") -> Image.Image:
    """Red above blue, 40 wide and 60 high, so that turning shows."""
    image = Image.new("RGB", (40, 60), RED)
    image.paste(BLUE, (0, 30, 40, 60))
    return image.convert(mode)


def saved(image: Image.Image, image_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG header of any size that one likes, with more chunks and no pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(b"\0" * 10)), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return b"\x89PNG\r\n\x1a\n" + body


def near(image: Image.Image, at: tuple[int, int], colour: tuple[int, int, int], by: int = 12) -> bool:
    pixel = image.getpixel(at)
    assert isinstance(pixel, tuple)
    return all(abs(int(a) - b) <= by for a, b in zip(pixel, colour, strict=True))


@pytest.mark.parametrize("image_format", PILLOWS)
def test_every_accepted_format_is_found_by_its_magic_and_decoded(image_format: str) -> None:
    decoded = decode(saved(halves(), image_format), LIMITS)

    assert (decoded.format, decoded.image.mode, decoded.image.size) == (image_format, "RGB", (40, 60))
    assert near(decoded.image, (5, 5), RED, 40)
    assert near(decoded.image, (5, 55), BLUE, 40)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied_and_then_gone(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation

    decoded = decode(saved(halves(), "JPEG", exif=exif, quality=95), LIMITS)

    shown = Image.open(io.BytesIO(encode_shown(decoded)[0]))
    assert shown.size == ((60, 40) if orientation > 4 else (40, 60))
    red_at = {1: (20, 5), 2: (20, 5), 3: (20, 55), 4: (20, 55), 5: (5, 20), 6: (55, 20), 7: (55, 20), 8: (5, 20)}
    assert near(shown, red_at[orientation], RED, 40)
    assert not shown.getexif()


@pytest.mark.parametrize(
    ("mode", "image_format"),
    [("L", "PNG"), ("1", "PNG"), ("P", "PNG"), ("LA", "PNG"), ("RGBA", "PNG"), ("CMYK", "JPEG"), ("CMYK", "TIFF")]
    + [("L", "JPEG"), ("P", "GIF"), ("RGBA", "WEBP"), ("YCbCr", "TIFF")],
)
def test_every_mode_becomes_rgb(mode: str, image_format: str) -> None:
    decoded = decode(saved(halves(mode), image_format), LIMITS)

    assert decoded.image.mode == "RGB"
    if mode not in ("L", "1", "LA"):
        assert near(decoded.image, (5, 5), RED, 60)


@pytest.mark.parametrize("deep", ["<u2", ">u2"])
def test_16_bit_grey_keeps_its_shades(deep: str) -> None:
    ramp = np.linspace(0, 65_535, 256).astype("<u2").reshape(16, 16)
    data = saved(Image.fromarray(ramp), "PNG" if deep == "<u2" else "TIFF")

    grey = np.asarray(decode(data, LIMITS).image)[..., 0].ravel()

    assert np.abs(grey.astype(int) - np.arange(256)).max() <= 1


def test_what_is_transparent_becomes_white() -> None:
    image = halves("RGBA")
    image.putpixel((5, 5), (0, 0, 0, 0))
    palette = Image.new("P", (4, 4), 0)

    assert near(decode(saved(image, "PNG"), LIMITS).image, (5, 5), (255, 255, 255), 0)
    assert near(decode(saved(palette, "PNG", transparency=0), LIMITS).image, (1, 1), (255, 255, 255), 0)


def test_a_colour_profile_is_applied_and_a_broken_one_ignored() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    assert near(decode(saved(halves(), "PNG", icc_profile=lab), LIMITS).image, (5, 5), RED)
    assert near(decode(saved(halves(), "PNG", icc_profile=b"nonsense"), LIMITS).image, (5, 5), RED)


def test_an_animation_is_its_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), BLUE)]

    for image_format in ("GIF", "PNG", "WEBP"):
        data = saved(frames[0], image_format, save_all=True, append_images=frames[1:], duration=50)
        assert check_header(data, LIMITS).frames == 2
        assert near(decode(data, LIMITS).image, (2, 2), RED)


def test_place_serial_number_comment_and_profile_are_not_in_what_is_shown() -> None:
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0)}
    exif[0xA431] = "SERIAL-4711"
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", "SERIAL-4711")
    jpeg = saved(halves(), "JPEG", exif=exif, comment=b"SERIAL-4711") + b"<script>alert(4711)</script>"
    other = saved(halves(), "PNG", pnginfo=notes, exif=exif, icc_profile=b"SERIAL-4711")

    for data, media_type in ((jpeg, "image/jpeg"), (other, "image/png")):
        shown, shown_type = encode_shown(decode(data, LIMITS))
        assert b"4711" in data
        assert b"4711" not in shown
        assert shown_type == media_type
        assert set(Image.open(io.BytesIO(shown)).info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "SVG"),
        (b"<?xml version='1.0'?><svg/>", "SVG"),
        (b"%PDF-1.7", "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "PostScript"),
        (b"SIMPLE  =                    T", "FITS"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"PK\x03\x04rest", "ZIP"),
        (b"\x7fELF\x02", "program"),
        (b"\0\0\0\x1cftypheic", "HEIC"),
        (b"<html><body>not found</body></html>", "web page"),
        (b"just words", "not an image"),
    ],
)
def test_other_formats_are_refused_by_name_with_a_way_out(data: bytes, said: str) -> None:
    with pytest.raises(BadImage, match=said):
        decode(data, LIMITS)


def huge_webp() -> bytes:
    chunk = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + b"\xff\xff\xff" * 2
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def huge_jpeg() -> bytes:
    small = saved(Image.new("RGB", (8, 8)), "JPEG")
    at = small.index(b"\xff\xc0") + 5
    return small[:at] + struct.pack(">HH", 65_500, 65_500) + small[at + 4 :]


def many_scans() -> bytes:
    data = saved(halves(), "JPEG")
    at = data.index(b"\xff\xda")
    return data[:at] + data[at:-2] * 200 + data[-2:]


def long_gif() -> bytes:
    small = saved(Image.new("P", (1, 1)), "GIF")
    frame = b"\x21\xf9\x04\0\0\0\0\0" + b"\x2c\0\0\0\0\1\0\1\0\0\x02\x02\x44\x01\0"
    return small[:-1] + frame * 10_000 + b";"


def zipped_text(name: bytes) -> bytes:
    packed = zlib.compress(b"A" * (100 * 2**20), 9)
    return png(10, 10, (name, b"key\0" + (b"\0" if name == b"zTXt" else b"\1\0\0\0") + packed))


BOMBS = {
    "13000 x 13000 PNG": lambda: png(13_000, 13_000),
    "1 x 1e9 PNG": lambda: png(1, 10**9),
    "WEBP canvas": huge_webp,
    "JPEG 65500 x 65500": huge_jpeg,
    "GIF of 10,000 frames": long_gif,
    "APNG of 10,000 frames": lambda: png(10, 10, (b"acTL", struct.pack(">II", 10_000, 0))),
    "zTXt": lambda: zipped_text(b"zTXt"),
    "iTXt": lambda: zipped_text(b"iTXt"),
    "scans": many_scans,
    "bytes": lambda: saved(halves(), "PNG") + b"\0" * LIMITS.max_bytes,
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bombs_are_refused_from_the_header_without_memory(bomb: str) -> None:
    data = BOMBS[bomb]()
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()

    with pytest.raises(BadImage):
        check_header(data, LIMITS)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
    assert time.process_time() - started < 1.0  # far above the 0.1 s that it takes, for busy machines


@pytest.mark.parametrize("image_format", PILLOWS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_file_that_is_cut_off_is_refused_or_whole(image_format: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 40, 3), dtype=np.uint8))
    data = saved(noise, image_format)

    for keep in (1, 9, 20, len(data) // 3, len(data) // 2):
        with pytest.raises(BadImage):
            decode(data[:keep], LIMITS)


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(PILLOWS), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8))
def test_flipped_bytes_give_pixels_or_a_reason_and_nothing_else(
    image_format: str, flips: list[tuple[int, int]]
) -> None:
    data = bytearray(saved(halves(), image_format))
    for at, value in flips:
        data[at % len(data)] = value

    try:
        assert decode(bytes(data), Limits(max_pixels=1_000_000)).image.mode == "RGB"
    except BadImage as error:
        assert error.message
