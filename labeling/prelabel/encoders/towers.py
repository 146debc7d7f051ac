"""An encoder of images or of texts as one value: a name that pins it, and the function that computes unit vectors.

In: an engine, and the towers that a project uses in place of the engine's own. Out: the same engine with
those vectors. Invariant: the name changes whenever a vector would, and the engine's revision with the names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from labeling.prelabel.engine import Engine, Item, Look, Vectors, encode_present
from labeling.prelabel.picture_size import PictureSize, picture_size
from labeling.vectors import unit

__all__ = ["ImageTower", "TextTower", "mean_vectors", "with_encoders"]


@dataclass(frozen=True, slots=True)
class ImageTower:
    """`encode` turns N images of this size into unit vectors (N, D)."""

    name: str
    encode: Callable[[Sequence[Image.Image]], Vectors]
    size: PictureSize = PictureSize()


@dataclass(frozen=True, slots=True)
class TextTower:
    """`encode` turns N texts into unit vectors (N, T)."""

    name: str
    encode: Callable[[Sequence[str]], Vectors]


def mean_vectors(texts: TextTower, groups: Sequence[Sequence[str]]) -> Vectors:
    """The direction of the mean of each group of texts, (K, T); every text is encoded once, all in one call."""
    vectors = texts.encode([text for group in groups for text in group])
    ends = np.cumsum([len(group) for group in groups])[:-1]
    means = np.stack([part.mean(axis=0) for part in np.split(vectors, ends)])
    return unit(means)


def with_encoders(engine: Engine, images: ImageTower | None, texts: TextTower | None) -> Engine:
    """The engine, its vectors by these towers; a tower that is None leaves the engine's own vectors."""
    return engine if images is None and texts is None else _WithEncoders(engine, images, texts)


class _WithEncoders:
    """An engine whose probabilities are its own and whose vectors are not."""

    def __init__(self, engine: Engine, images: ImageTower | None, texts: TextTower | None) -> None:
        self._engine, self._images, self._texts = engine, images, texts
        self.name, self.picture_size = engine.name, picture_size(engine)
        self.image_encoder = images.name if images else engine.image_encoder
        self.text_encoder = texts.name if texts else engine.text_encoder
        pinned = "\0".join([engine.revision, self.image_encoder, self.text_encoder])
        self.revision = f"{engine.revision}+{hashlib.sha256(pinned.encode()).hexdigest()[:8]}"

    def look(self, items: Sequence[Item]) -> Look:
        """The engine's prelabels, with the towers' vectors."""
        look = self._engine.look(items)
        prelabels = [replace(prelabel, revision=self.revision) for prelabel in look.prelabels]
        vectors = self._vectors(self._images, items) if self._images else look.image_vectors
        texts = encode_present(self._texts.encode, [item.text for item in items]) if self._texts else look.text_vectors
        return Look(prelabels, vectors, texts)

    def _vectors(self, images: ImageTower, items: Sequence[Item]) -> Vectors:
        """Of the pictures in the size of the tower: its vectors are the same whichever engine it stands beside."""
        same = images.size == self.picture_size
        return images.encode([item.image if same else item.at_size(images.size) for item in items])
