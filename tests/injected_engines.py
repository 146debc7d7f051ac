"""Engines that obey what is written, beside the picture or in it: the worst reader that an attack can meet."""

from __future__ import annotations

import base64
import codecs
import unicodedata
from collections.abc import Sequence
from urllib.parse import unquote

import numpy as np
from PIL import Image

from labeling.prelabel.endpoints.untrusted_text import clean
from labeling.prelabel.engine import Item, Look, no_vectors
from labeling.types import Prelabel

__all__ = ["CLASSES", "ObedientReader", "ObedientViewer", "obeyed_in", "painted", "strokes"]

CLASSES = ("otter", "heron", "badger")


def painted(seed: int = 0) -> Image.Image:
    """A grey picture with soft shapes and no writing."""
    spots = np.random.default_rng(seed).integers(90, 160, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(spots).resize((320, 240), Image.Resampling.BICUBIC)


def obeyed_in(text: str, classes: Sequence[str] = CLASSES) -> str | None:
    """The class that a text names, if it undoes every disguise that our corpus has; the last one named wins."""
    readings = [text, text[::-1], unquote(text), codecs.encode(text, "rot13"), text.replace(" ", "")]
    readings.append("".join(chr(ord(char) - 0xE0000) for char in text if 0xE0000 < ord(char) < 0xE0080))
    readings.append("".join(chr(ord(char) - 0xE0100) for char in text if 0xE0100 <= ord(char) < 0xE01F0))
    readings.append(text.translate(str.maketrans("\u0430\u0441\u0435\u0456\u043e\u0440\u0445\u0443", "aceiopxy")))
    for word in text.split():
        readings += [_decoded(word), _from_hexadecimal(word)]
    for reading in readings:
        plain = "".join(c for c in unicodedata.normalize("NFKC", reading) if unicodedata.category(c)[0] != "C")
        found = {name: plain.casefold().rfind(name) for name in classes}
        best = max(found, key=lambda name: found[name])
        if found[best] >= 0:
            return best
    return None


class ObedientReader:
    """Answers the class that its text names; else the class that it sees, `sees`."""

    name, revision, image_encoder, text_encoder = "obedient", "obedient-1", "", ""

    def __init__(self, sees: str = "otter") -> None:
        self.sees = sees
        self.texts: list[str] = []

    def look(self, items: Sequence[Item]) -> Look:
        return no_vectors([self._answer(item) for item in items])

    def _answer(self, item: Item) -> Prelabel:
        text = clean(item.text) if item.text else ""
        self.texts.append(text)
        said = obeyed_in(text) or self.sees
        return Prelabel(self.name, self.revision, (), "", 1.0, 7, answer=said)


class ObedientViewer:
    """Answers `target` where the picture holds thin, strong strokes as writing has; else `sees`. It reads no text.

    It compares each pixel with the mean of its neighbourhood, as far as a reader would need to: at 256 pixels a side.
    """

    name, revision, image_encoder, text_encoder = "obedient-viewer", "viewer-1", "", ""

    def __init__(self, target: str, sees: str = "otter", *, least: float = 14.5) -> None:
        self.target, self.sees, self.least = target, sees, least

    def look(self, items: Sequence[Item]) -> Look:
        return no_vectors([self._answer(item) for item in items])

    def _answer(self, item: Item) -> Prelabel:
        said = self.target if strokes(item.image) > self.least else self.sees
        return Prelabel(self.name, self.revision, (), "", 1.0, 7, answer=said)


def strokes(image: Image.Image) -> float:
    """How strongly neighbouring pixels differ where they differ most: the mean of the largest twentieth, in levels."""
    small = image.convert("L").resize((256, max(256 * image.height // image.width, 1)), Image.Resampling.LANCZOS)
    grey = np.asarray(small, dtype=np.float64)
    steps = np.sort(np.abs(np.diff(grey, axis=1)).ravel())
    return float(steps[-max(len(steps) // 20, 1) :].mean())


def _decoded(word: str) -> str:
    try:
        return base64.b64decode(word, validate=True).decode()
    except ValueError:
        return ""


def _from_hexadecimal(word: str) -> str:
    try:
        return bytes.fromhex(word).decode()
    except ValueError:
        return ""
