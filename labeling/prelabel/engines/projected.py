"""The bundled engine improved by a project's own texts: an engine that works from vectors, not from pixels.

In: items with a prediction and with their image vector in the text encoder's space (see `Item.in_text_space`). Out: the
prediction and the cosine with each label's texts, combined with equal weight; it abstains where either is missing.
Invariant: it uses no label, and an image is mapped by a map that was not fitted on its own text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy

import numpy as np

from labeling.prelabel.encoders.towers import TextTower, mean_vectors
from labeling.prelabel.engine import Item, Look, digest_of, doublings, no_vectors
from labeling.prelabel.zero_shot.projection import FOLDS, LEAST_TEXTS, PENALTY, combine
from labeling.prelabel.zero_shot.templates import texts_by_label
from labeling.project import EngineUse, LabelClass
from labeling.types import Evidence, Outcome, Prelabel

__all__ = ["ProjectedEngine"]


class ProjectedEngine:
    """Holds the label vectors; costs nothing."""

    name = "projected"
    image_encoder = text_encoder = ""
    needs_text_space = True
    """The map is fitted only for engines with this attribute."""

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
            confidence_from="another engine's prediction and the similarity to the labels' texts, with equal weight",
            prompt=digest_of(prompts),
            config_version=config_version,
        )
        self.revision = f"projected-{digest_of([prompts, texts.name, PENALTY, FOLDS, LEAST_TEXTS])}"

    def as_of(self, labels: int, texts: int) -> ProjectedEngine | None:
        """The engine once there are texts to learn from; another revision at each doubling."""
        if texts * (FOLDS - 1) < LEAST_TEXTS * FOLDS:
            return None
        grown = copy(self)
        grown.revision = f"{self.revision}-{doublings(texts)}"
        return grown

    def look(self, items: Sequence[Item]) -> Look:
        """Probabilities for each item that has a prediction and a vector in the text space."""
        return no_vectors([self._prelabel(item) for item in items])

    def _prelabel(self, item: Item) -> Prelabel:
        started = self._clock()
        if item.prediction is None or item.in_text_space is None:
            reason = "too few of the project's images have a text, or no engine before this one gave probabilities"
            return Prelabel(self.name, self.revision, (), "", 0.0, 0, Outcome.ABSTAINED, None, Evidence(reason))
        scores = item.in_text_space @ self._label_vectors.T  # (K,)
        probs = combine(np.array([item.prediction]), scores[None])[0]
        seconds = self._clock() - started
        return Prelabel(self.name, self.revision, tuple(probs.tolist()), "", seconds, 0, evidence=self._evidence)
