"""An engine without a model, for tests and dry runs: everything follows from the pixels and the words.

In: items. Out: a `Look` that is the same on every machine. A class has a colour of its own on the colour wheel; the
nearer an image's mean colour, the likelier the class. Invariant: no model and no torch is imported here.
"""

from __future__ import annotations

import colorsys
import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from labeling.prelabel.engine import Item, Look, Vectors
from labeling.types import Prelabel
from labeling.vectors import softmax, unit

__all__ = ["ScriptedEngine", "class_colour"]

THUMBNAIL = 4
TEXT_DIMENSIONS = 32
SHARPNESS = 6.0


class ScriptedEngine:
    """Answers by `script`, or by mean colour where none is given. Templates change nothing but its revision."""

    name = "scripted"
    image_encoder = f"scripted-thumbnail-{THUMBNAIL}"
    text_encoder = f"scripted-words-{TEXT_DIMENSIONS}"

    def __init__(
        self,
        classes: Sequence[str],
        script: Callable[[Item], Sequence[float]] | None = None,
        templates: Sequence[str] = (),
    ) -> None:
        self._colours = np.array([class_colour(k, len(classes)) for k in range(len(classes))]) / 255
        self._script = script or self._by_colour
        pinned = repr((tuple(classes), *templates)) if templates else repr(tuple(classes))
        self.revision = f"scripted-{hashlib.sha256(pinned.encode()).hexdigest()[:12]}"

    def look(self, items: Sequence[Item]) -> Look:
        vectors = [_thumbnail_vector(item.image) for item in items]
        texts = [_word_vector(item.text) if item.text else None for item in items]
        prelabels = [self._prelabel(item) for item in items]
        return Look(prelabels, np.stack(vectors) if vectors else np.zeros((0, 3 * THUMBNAIL**2 + 1), np.float32), texts)

    def _prelabel(self, item: Item) -> Prelabel:
        probs = tuple(float(p) for p in self._script(item))
        return Prelabel(self.name, self.revision, probs, "scripted: by mean colour", 0.0, 0)

    def _by_colour(self, item: Item) -> Sequence[float]:
        mean = np.asarray(item.image.resize((1, 1), Image.Resampling.BOX), dtype=np.float64)[0, 0] / 255  # (3,)
        closeness = -SHARPNESS * np.linalg.norm(self._colours - mean, axis=1)  # (K,)
        return list(softmax(closeness))


def class_colour(k: int, classes: int) -> tuple[int, int, int]:
    """The colour, as RGB bytes, that the scripted engine takes for class `k` of `classes`.

    Examples
    --------
    >>> class_colour(0, 3), class_colour(1, 3), class_colour(2, 3)
    ((230, 46, 46), (46, 230, 46), (46, 46, 230))
    """
    red, green, blue = colorsys.hsv_to_rgb(k / classes, 0.8, 0.9)
    return round(red * 255), round(green * 255), round(blue * 255)


def _thumbnail_vector(image: Image.Image) -> Vectors:
    pixels = np.asarray(image.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX), dtype=np.float64) / 255
    shifted = np.append(pixels.reshape(-1) - 0.5, 1e-3)  # the last number keeps an all-grey image from being 0
    return unit(shifted).astype(np.float32)


def _word_vector(text: str) -> Vectors:
    """Each word adds or takes one in a place given by its hash, so that texts with common words are near."""
    vector = np.full(TEXT_DIMENSIONS, 1e-3)
    for word in text.lower().split():
        digest = hashlib.sha256(word.encode()).digest()
        vector[digest[0] % TEXT_DIMENSIONS] += 1 if digest[1] % 2 else -1
    return unit(vector).astype(np.float32)
