"""What an engine is: images and their texts in; class probabilities and, if it has an encoder, embeddings out.

In: a batch of items. Out: a `Look` with one prelabel for each of them, in their order. Invariant: an engine's
`revision` pins its weights, its settings, its prompts and its label set, so equal revisions ask the same question;
`image_encoder` and `text_encoder` pin what the vectors depend on, and nothing else; empty: it gives no vectors.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labeling.errors import Invalid
from labeling.prelabel.picture_size import OpenPicture, PictureSize
from labeling.project import EngineUse, LabelClass
from labeling.types import ImageId, Outcome, Prelabel

__all__ = [
    "Engine",
    "EngineOrder",
    "Growing",
    "Item",
    "Look",
    "Shot",
    "Vectors",
    "check_look",
    "digest_of",
    "doublings",
    "encode_present",
    "no_vectors",
    "revision_of",
]

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A human-verified image near the item; never the item itself or a near-duplicate of it.

    `similarity` is the cosine of the two image vectors. `open` decodes its pixels when they are needed.
    """

    image_id: ImageId
    label: str
    text: str | None
    similarity: float
    open: Callable[[], Image.Image]


@dataclass(frozen=True, slots=True)
class Item:
    """One image in RGB as people are shown it, and the text that came with it.

    `image` has the size that the engine asks for (labeling.prelabel.picture_size). `open_at` opens the same picture in
    another size, for an engine that enlarges parts or an encoder beside it; None: `image` is all there is.
    `prediction` (K,) is the current prediction: the champion's probabilities, else those of a cheaper engine.
    `description` is an earlier engine's description of the image. `key` names the image's bytes.
    `in_text_space` (T,) is its image vector mapped into the text encoder's space, by a map that was fitted on the
    texts of other near-duplicate groups (labeling.prelabel.zero_shot.projection); None: too few texts.
    """

    image: Image.Image
    text: str | None
    key: str = ""
    shots: tuple[Shot, ...] = ()
    prediction: tuple[float, ...] | None = None
    description: str = ""
    in_text_space: Vectors | None = field(default=None, compare=False)
    open_at: OpenPicture | None = field(default=None, compare=False)

    def at_size(self, size: PictureSize) -> Image.Image:
        """The picture in this size, as far as it can be opened anew."""
        return self.image if self.open_at is None else self.open_at(size)

    def with_picture(self, image: Image.Image, key: str) -> Item:
        """The same with another picture, of which there is nothing but this."""
        return replace(self, image=image, key=key, open_at=None)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """An engine's output for N items: `image_vectors` (N, D), and a text vector (T,) where there was a text.

    An engine without an encoder gives (N, 0) and None: see `no_vectors`.
    """

    prelabels: list[Prelabel]
    image_vectors: Vectors
    text_vectors: list[Vectors | None]


@dataclass(frozen=True, slots=True)
class EngineOrder:
    """What an engine is made from: the project's classes and guidelines, and how the project uses the engine.

    `model` is the part after the colon. `config_version` names the guidelines and prompts.
    """

    labels: tuple[LabelClass, ...]
    guidelines: str
    use: EngineUse
    model: str = ""
    config_version: int = 0

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels)


class Engine(Protocol):
    """A model that gives class probabilities for an image, in the order of the project's classes."""

    @property
    def name(self) -> str: ...

    @property
    def revision(self) -> str: ...

    @property
    def image_encoder(self) -> str: ...

    @property
    def text_encoder(self) -> str: ...

    def look(self, items: Sequence[Item]) -> Look: ...


@runtime_checkable
class Growing(Protocol):
    """An engine of the escalation whose answers depend on a project's labels or texts.

    `as_of` is the engine for so many of them: None while they are too few, and another revision each time that they
    have doubled, so that images which are still in doubt are labelled again.
    """

    def as_of(self, labels: int, texts: int) -> Engine | None: ...


def doublings(n: int) -> int:
    """The largest power of two that n has reached; 0 for none.

    Examples
    --------
    >>> [doublings(n) for n in (0, 1, 3, 64, 100)]
    [0, 1, 2, 64, 64]
    """
    return 1 << (n.bit_length() - 1) if n > 0 else 0


def digest_of(parts: object) -> str:
    """A short hash of an exact prompt or of settings; `parts` are anything that JSON can hold.

    >>> digest_of(["a", 1]) == digest_of(("a", 1))
    True
    """
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def revision_of(engine: str, model: str, *parts: object) -> str:
    """A readable revision: the engine, the last part of the model's name, and a hash of all that it pins.

    >>> revision_of("vlm", "/models/tiny llava/", []).rpartition("-")[0]
    'vlm-tiny-llava'
    """
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", re.split(r"[/\\]", model.rstrip("/\\"))[-1])[:60]
    return f"{engine}-{name}-{digest_of([model, *parts])}"


def encode_present(encode: Callable[[Sequence[str]], Vectors], texts: Sequence[str | None]) -> list[Vectors | None]:
    """A vector (T,) for every text that is there, None for the others."""
    present = [text for text in texts if text]
    vectors = iter(encode(present) if present else ())
    return [next(vectors) if text else None for text in texts]


def no_vectors(prelabels: list[Prelabel]) -> Look:
    """The output of an engine that has no encoder."""
    return Look(prelabels, np.zeros((len(prelabels), 0), np.float32), [None] * len(prelabels))


def check_look(look: Look, *, items: int, classes: int) -> Look:
    """The output itself if it is whole and finite, so that what is stored needs no second check.

    Parameters
    ----------
    look : Look
        What an engine returned.
    items, classes : int
        How many items it was given, and how many classes the project has.

    Raises
    ------
    Invalid
        When a prelabel, a vector or a class is missing, or a number is not finite. Probabilities may be absent only
        where an answer stands without them, or where the outcome is no label.
    """
    given = [prelabel.probs for prelabel in look.prelabels if not _may_lack_probs(prelabel)]
    shapes = {len(probs) for probs in given} | {classes}
    if len(shapes) > 1 or {len(look.prelabels), len(look.image_vectors), len(look.text_vectors)} != {items}:
        raise Invalid(f"The engine did not answer with {classes} probabilities for each of {items} images.")
    probs = np.array(given, dtype=np.float64).reshape(len(given), classes)
    arrays: list[NDArray[np.floating]] = [probs, look.image_vectors, *(v for v in look.text_vectors if v is not None)]
    if not all(bool(np.isfinite(array).all()) for array in arrays):
        raise Invalid("The engine answered with numbers that are not finite; the image cannot be used with it.")
    if not (np.abs(probs.sum(axis=1) - 1) < 1e-3).all():
        raise Invalid("The engine answered with probabilities that do not sum to 1.")
    return look


def _may_lack_probs(prelabel: Prelabel) -> bool:
    return not prelabel.probs and (prelabel.answer is not None or prelabel.outcome is not Outcome.LABEL)
