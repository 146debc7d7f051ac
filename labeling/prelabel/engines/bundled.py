"""The bundled zero-shot engine: ImageNet features and a sentence encoder joined. Not a vision-language model.

In: items. Out: probabilities for any label set, by way of the 1,000 ImageNet classes (see `conse`), the likeliest of
these as a description, and both embeddings. Settings were fixed before any project and are never tuned on one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from labeling.prelabel.encoders.encoders import ImageEncoder, SentenceEncoder
from labeling.prelabel.encoders.towers import TextTower, mean_vectors
from labeling.prelabel.engine import Item, Look, Vectors, digest_of, encode_present
from labeling.prelabel.zero_shot.conse import NEAREST, TEMPERATURE, conse
from labeling.prelabel.zero_shot.templates import texts_by_label
from labeling.project import EngineUse, LabelClass
from labeling.types import Evidence, Prelabel

__all__ = ["BundledEngine", "KnownClasses", "known_class_text"]

TAGS_SHOWN = 3


@dataclass(frozen=True, slots=True, eq=False)
class KnownClasses:
    """The C classes that the network was trained on: names, the texts that stand for them, their vectors (C, T)."""

    names: Sequence[str]
    texts: Sequence[str]
    vectors: Vectors


class BundledEngine:
    """Keeps the models and the text vectors loaded; costs nothing."""

    name = "bundled"

    def __init__(
        self,
        labels: Sequence[LabelClass],
        images: ImageEncoder,
        sentences: SentenceEncoder,
        known: KnownClasses,
        clock: Callable[[], float],
        use: EngineUse | None = None,
        config_version: int = 0,
    ) -> None:
        self._images, self._sentences, self._known, self._clock = images, sentences, known, clock
        prompts = texts_by_label(labels, use.templates if use else ())
        self._label_vectors = mean_vectors(TextTower(sentences.name, sentences.encode), prompts)  # (K, T)
        self.image_encoder, self.text_encoder = images.name, sentences.name
        settings = {
            "prompts": prompts,
            "encoders": [images.name, sentences.name],
            "known": list(known.texts),
            "nearest": NEAREST,
            "temperature": TEMPERATURE,
        }
        self.revision = f"bundled-{digest_of(settings)}"
        self._evidence = Evidence(
            confidence_from="softmax of cosines between words",
            prompt=digest_of(prompts),
            config_version=config_version,
        )

    def look(self, items: Sequence[Item]) -> Look:
        """Embed the images and their texts, and give each image probabilities for the label set."""
        started = self._clock()
        vectors, known_probs = self._images.encode([item.image for item in items])
        texts = encode_present(self._sentences.encode, [item.text for item in items])
        if not items:
            return Look([], vectors, texts)
        probs = conse(known_probs, self._known.vectors, self._label_vectors)  # (N, K)
        seconds = (self._clock() - started) / len(items)
        rows = [(tuple(row.tolist()), self._describe(known)) for row, known in zip(probs, known_probs, strict=True)]
        made = [Prelabel(self.name, self.revision, *row, seconds, 0, evidence=self._evidence) for row in rows]
        return Look(made, vectors, texts)

    def _describe(self, known_probs: Vectors) -> str:
        top = np.argsort(-known_probs)[:TAGS_SHOWN]
        return ", ".join(f"{self._known.names[i]} {known_probs[i]:.0%}" for i in top)


def known_class_text(name: str, description: str) -> str:
    """The text that stands for an ImageNet class: its name and one sentence about it.

    Examples
    --------
    >>> known_class_text("goldfish", "A small carp. It is orange.")
    'goldfish: A small carp.'
    """
    first = description.split(". ")[0].rstrip(".")
    return f"{name}: {first}." if first else name
