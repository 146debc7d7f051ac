"""An engine without a model: what is believed so far, moved by the labels of the nearest human-verified images.

In: items with an opinion and shots. Out: probabilities, or none where an item has no shots. Invariant: a shot is never
the image itself or of its near-duplicate group (see `Shot`), so an image's own label never speaks for it: what comes
out is out-of-fold, as a feature that has seen labels must be. The opinion must be so too: a zero-shot engine's is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from labeling.prelabel.engine import Item, Look, no_vectors
from labeling.types import Evidence, Outcome, Prelabel

__all__ = ["SHARPNESS", "WEIGHT", "FewShotEngine", "few_shot_probs"]

SHARPNESS = 5.5
WEIGHT = 1.0
"""Both are carried over from the paper's ImageNet runs (see `few_shot_probs`); nothing is fitted to a project."""


class FewShotEngine:
    """Adapts a cheaper engine's opinion by the nearest labelled images; costs nothing."""

    name = "few-shot"
    image_encoder = ""
    text_encoder = ""

    def __init__(self, classes: Sequence[str], config_version: int, clock: Callable[[], float]) -> None:
        self._classes, self._config_version, self._clock = tuple(classes), config_version, clock
        pinned = json.dumps([self._classes, SHARPNESS, WEIGHT])
        self.revision = f"few-shot-{hashlib.sha256(pinned.encode()).hexdigest()[:16]}"

    def look(self, items: Sequence[Item]) -> Look:
        """Probabilities for each item that has shots; the others are abstained from."""
        return no_vectors([self._prelabel(item) for item in items])

    def _prelabel(self, item: Item) -> Prelabel:
        started = self._clock()
        shots = [shot for shot in item.shots if shot.label in self._classes]
        if not shots:
            evidence = Evidence("no labelled image to learn from yet", config_version=self._config_version)
            return self._answer((), "", started, evidence, Outcome.ABSTAINED)
        labels = np.array([self._classes.index(shot.label) for shot in shots])
        similarities = np.array([shot.similarity for shot in shots])
        opinion = None if item.opinion is None else np.array(item.opinion)
        probs = few_shot_probs(opinion, labels, similarities, len(self._classes))
        evidence = Evidence(
            confidence_from="the nearest labelled images" + ("" if opinion is None else ", added to a cheaper opinion"),
            config_version=self._config_version,
            examples=tuple(shot.image_id for shot in shots),
        )
        nearest = max(shots, key=lambda shot: shot.similarity)
        described = f"nearest labelled image: {nearest.label}, cosine {nearest.similarity:.2f}"
        return self._answer(tuple(probs.tolist()), described, started, evidence)

    def _answer(
        self,
        probs: tuple[float, ...],
        description: str,
        started: float,
        evidence: Evidence,
        outcome: Outcome = Outcome.LABEL,
    ) -> Prelabel:
        seconds = self._clock() - started
        return Prelabel(self.name, self.revision, probs, description, seconds, 0, outcome, None, evidence)


def few_shot_probs(
    opinion: NDArray[np.floating] | None,
    labels: NDArray[np.integer],
    similarities: NDArray[np.floating],
    n_classes: int,
    *,
    weight: float = WEIGHT,
    sharpness: float = SHARPNESS,
) -> NDArray[np.float64]:
    """Probabilities (K,) of one image: each shot adds weight * exp(-sharpness * (1 - similarity)) to its class's logit.

    Parameters
    ----------
    opinion : (K,) array or None
        What is believed without the shots; None: the shots alone speak.
    labels : (S,) int array
        Class of each shot.
    similarities : (S,) array
        Cosine of each shot's image vector with the image's own, at most 1.
    n_classes : int
        K.
    weight, sharpness : float
        How much a shot counts, and how fast that falls with distance.

    Examples
    --------
    >>> few_shot_probs(np.array([0.6, 0.4]), np.array([1]), np.array([1.0]), 2).round(3).tolist()
    [0.356, 0.644]

    Source: R. Zhang et al., "Tip-Adapter: Training-free Adaption of CLIP for Few-shot Classification" (2022), without
    its training.
    """
    affinities = weight * np.exp(-sharpness * (1 - np.asarray(similarities, np.float64)))  # (S,)
    logits = np.bincount(np.asarray(labels), weights=affinities, minlength=n_classes).astype(np.float64)
    if opinion is not None:
        logits += np.log(np.maximum(np.asarray(opinion, np.float64), 1e-12))
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())
