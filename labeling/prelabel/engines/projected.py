"""The bundled engine made sharper by a project's own texts: an engine that works from vectors, not from pixels.

In: items with an opinion and with their image vector in the text encoder's space (see `Item.in_text_space`). Out: the
opinion and the nearness to each label's texts, combined as equals; abstained from where either is missing. Invariant:
it has seen no label, and no image's own text has fitted the map that the image went through.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from copy import copy

import numpy as np

from labeling.prelabel.encoders.towers import TextTower, mean_vectors
from labeling.prelabel.engine import Item, Look, doublings, no_vectors
from labeling.prelabel.zero_shot.projection import FOLDS, LEAST_TEXTS, PENALTY, combine
from labeling.prelabel.zero_shot.templates import prompt_hash, texts_by_label
from labeling.project import EngineUse, LabelClass
from labeling.types import Evidence, Outcome, Prelabel

__all__ = ["ProjectedEngine"]


class ProjectedEngine:
    """Holds the label vectors; costs nothing."""

    name = "projected"
    image_encoder = ""
    text_encoder = ""
    needs_text_space = True
    """Whoever makes its items fits the map; other engines are spared the time."""

    def __init__(
        self,
        labels: Sequence[LabelClass],
        use: EngineUse,
        texts: TextTower,
        config_version: int,
        clock: Callable[[], float],
    ) -> None:
        prompts = texts_by_label(labels, use.templates)
        self._label_vectors, self._clock = mean_vectors(texts, prompts), clock  # (K, T)
        self._evidence = Evidence(
            confidence_from="an opinion and the image's place among the project's texts, as equals",
            prompt=prompt_hash(prompts),
            config_version=config_version,
        )
        pinned = json.dumps([prompts, texts.name, PENALTY, FOLDS, LEAST_TEXTS])
        self.revision = f"projected-{hashlib.sha256(pinned.encode()).hexdigest()[:16]}"

    def as_of(self, labels: int, texts: int) -> ProjectedEngine | None:
        """The engine once there are texts to learn from; another revision at each doubling."""
        if texts * (FOLDS - 1) < LEAST_TEXTS * FOLDS:
            return None
        grown = copy(self)
        grown.revision = f"{self.revision}-{doublings(texts)}"
        return grown

    def look(self, items: Sequence[Item]) -> Look:
        """Probabilities for each item that has an opinion and a place in the text space."""
        return no_vectors([self._prelabel(item) for item in items])

    def _prelabel(self, item: Item) -> Prelabel:
        started = self._clock()
        if item.opinion is None or item.in_text_space is None:
            reason = "too few of the project's images have a text, or no engine before this one gave probabilities"
            return Prelabel(self.name, self.revision, (), "", 0.0, 0, Outcome.ABSTAINED, None, Evidence(reason))
        scores = item.in_text_space @ self._label_vectors.T  # (K,)
        probs = combine(np.array([item.opinion]), scores[None])[0]
        seconds = self._clock() - started
        return Prelabel(
            self.name, self.revision, tuple(probs.tolist()), "", seconds, 0, Outcome.LABEL, None, self._evidence
        )
