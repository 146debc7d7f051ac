"""What an engine is: images and their texts in; class probabilities and embeddings out.

In: a batch of items. Out: a `Look` with one prelabel, one image vector and at most one text vector for each of
them, in their order. Invariant: an engine's `revision` pins its weights, its settings and its label set, so equal
revisions give equal prelabels; `image_encoder` and `text_encoder` pin what the vectors depend on, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labeling.errors import Invalid
from labeling.types import Prelabel

__all__ = ["Engine", "Item", "Look", "Vectors", "check_look"]

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Item:
    """One image in RGB as people are shown it, and the text that came with it."""

    image: Image.Image
    text: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What an engine saw in N items: `image_vectors` (N, D), and a text vector (T,) where there was a text."""

    prelabels: list[Prelabel]
    image_vectors: Vectors
    text_vectors: list[Vectors | None]


class Engine(Protocol):
    """Whatever looks at an image and gives class probabilities, in the order of the project's classes."""

    @property
    def name(self) -> str: ...

    @property
    def revision(self) -> str: ...

    @property
    def image_encoder(self) -> str: ...

    @property
    def text_encoder(self) -> str: ...

    def look(self, items: Sequence[Item]) -> Look: ...


def check_look(look: Look, *, items: int, classes: int) -> Look:
    """The look itself if it is whole and finite, so that what is stored needs no second check.

    Parameters
    ----------
    look : Look
        What an engine returned.
    items, classes : int
        How many items it was given, and how many classes the project has.

    Raises
    ------
    Invalid
        When a prelabel, a vector or a class is missing, or a number is not finite.
    """
    shapes = {len(prelabel.probs) for prelabel in look.prelabels} | {classes}
    if len(shapes) > 1 or {len(look.prelabels), len(look.image_vectors), len(look.text_vectors)} != {items}:
        raise Invalid(f"The engine did not answer with {classes} probabilities for each of {items} images.")
    probs = np.array([prelabel.probs for prelabel in look.prelabels], dtype=np.float64).reshape(items, classes)
    arrays: list[NDArray[np.floating]] = [probs, look.image_vectors, *(v for v in look.text_vectors if v is not None)]
    if not all(bool(np.isfinite(array).all()) for array in arrays):
        raise Invalid("The engine answered with numbers that are not finite; the image cannot be used with it.")
    if not (np.abs(probs.sum(axis=1) - 1) < 1e-3).all():
        raise Invalid("The engine answered with probabilities that do not sum to 1.")
    return look
