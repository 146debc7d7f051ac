"""The pixels of a PNG where its decoder's eight bits are not enough: deep samples, and a colour that is transparent.

In: a PNG's layout. Out: a picture of eight bits, with its transparency. Deep samples are read as bytes, by describing
the picture as one of shallower samples that lie alike, or in two passes, upper bytes and lower bytes.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from labeling.ingest.formats.depth import Bytes, scaled, white_of
from labeling.ingest.formats.png import Png

__all__ = ["picture_of"]

_AS_BYTES = {0: b"\x08\x04", 4: b"\x08\x06"}
"""Depth and colour type whose pixels have as many bytes as those of deep grey, without and with alpha."""
_SCREEN = 1 / 2.2
_DARK = 64


def picture_of(data: bytes, png: Png) -> Image.Image:
    """The picture, not yet decoded where the decoder alone gets it right; its gamma applied where it has one."""
    key = png.first(data, b"tRNS") if png.colour in (0, 2) else b""
    image: Image.Image = _image(png.content(data)) if png.depth < 16 and not key else _keyed(data, png, key)
    exponent = _exponent(data, png)
    if exponent is None:
        return image
    image.load()  # what comes later is made of these pixels
    table = [round(255 * (value / 255) ** exponent) for value in range(256)]
    plain = image.convert("RGBA" if image.has_transparency_data else "RGB")
    bands = plain.split()
    return Image.merge(plain.mode, [band.point(table) for band in bands[:3]] + list(bands[3:]))


def _keyed(data: bytes, png: Png, key: bytes) -> Image.Image:
    """A picture of deep samples, or with one colour that is transparent."""
    samples: NDArray[np.integer] = _deep(data, png, bool(key)) if png.depth == 16 else _shallow(data, png)
    opaque = samples[..., -1:] if png.colour in (4, 6) else _unlike(samples, key) if key else None
    colours = samples[..., : 1 if png.colour in (0, 4) else 3]
    white = _white(data, png, colours)
    parts = [scaled(colours, white)]
    if opaque is not None:
        alpha = opaque if opaque.dtype == np.uint8 else scaled(opaque, white_of(opaque, 16, 65_535))
        parts.append(np.broadcast_to(alpha, (*samples.shape[:2], 1)))
    values: Bytes = np.concatenate(parts, axis=2)
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[values.shape[2]]
    image = Image.frombytes(mode, (png.width, png.height), values.tobytes())
    with _image(png.content(data)) as given:  # opened for its orientation, never decoded
        image.getexif().update(given.getexif())
    return image


def _white(data: bytes, png: Png, colours: NDArray[np.integer]) -> int:
    """The sample that is white: by the bits that the file says are significant, where they lie at the lower end."""
    if png.depth < 16 or colours.dtype == np.uint8:
        return 255 if png.depth == 16 else 2**png.depth - 1
    bits = max(png.first(data, b"sBIT")[:3], default=0)
    if bits == 16 or (0 < bits < 16 and _lies_high(colours, bits)):
        return 65_535
    return white_of(colours, 16, 2**bits - 1 if bits else None)


def _lies_high(colours: NDArray[np.integer], bits: int) -> bool:
    """Whether samples of fewer bits were multiplied up to sixteen, as PNG wants it: what is below repeats or is 0."""
    high = colours.astype(np.int64) >> (16 - bits)
    repeated = (high * 65_535 + 2 ** (bits - 1)) // (2**bits - 1)
    return not (colours & (2 ** (16 - bits) - 1)).any() or bool((np.abs(repeated - colours) <= 1).all())


def _unlike(samples: NDArray[np.integer], key: bytes) -> Bytes:
    """Alpha: 0 where all channels are the transparent colour, else 255."""
    wanted = np.frombuffer(key[: 2 * samples.shape[2]], ">u2")
    if len(wanted) < samples.shape[2]:
        return np.full((*samples.shape[:2], 1), 255, np.uint8)
    return np.where((samples == wanted).all(axis=2, keepdims=True), 0, 255).astype(np.uint8)


def _shallow(data: bytes, png: Png) -> NDArray[np.integer]:
    """Samples as the file numbers them, (H, W, C)."""
    with _image(png.content(data, bare=True)) as image:
        values: Bytes = np.asarray(image if image.mode != "1" else image.convert("L"))
    samples: Bytes = (values // np.uint8(255 // (2**png.depth - 1))).astype(np.uint8)
    return samples.reshape(png.height, png.width, -1)


def _deep(data: bytes, png: Png, exact: bool) -> NDArray[np.integer]:
    """Samples of 16 bits, (H, W, C); of colour only the upper bytes, unless they are dark or `exact` is asked for."""
    if png.colour in _AS_BYTES:
        header = data[16:24] + _AS_BYTES[png.colour] + data[26:29]
        with _image(png.content(data, header, bare=True)) as image:
            both: Bytes = np.asarray(image).reshape(png.height, png.width, -1)
        samples: NDArray[np.uint16] = both.view(">u2").astype(np.uint16)
        return samples
    upper = _pass(data, png, "B")
    if not exact and int(upper[..., :3].max(initial=0)) >= _DARK:
        return upper
    exactly: NDArray[np.integer] = upper.astype(np.uint16) << 8 | _pass(data, png, "L")
    return exactly


def _pass(data: bytes, png: Png, which: str) -> Bytes:
    with _image(png.content(data, bare=True)) as image:
        image.tile = [part._replace(args=f"{image.mode};16{which}") for part in image.tile]
        return np.asarray(image)


def _exponent(data: bytes, png: Png) -> float | None:
    """What to raise values to, where the file has a gamma that differs from a screen's and nothing better."""
    gamma = png.gamma(data)
    if gamma is None or png.named_colours(data) is not None or png.profile(data):
        return None
    exponent = _SCREEN * gamma
    return exponent if abs(exponent - 1) > 0.05 else None


def _image(content: bytes) -> ImageFile.ImageFile:
    return Image.open(io.BytesIO(content), formats=["PNG"])
