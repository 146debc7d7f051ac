"""A classifier as two files, `head.safetensors` and `card.json`: bytes out, and the same classifier back in.

Never pickle. Reading checks the checksum, the shapes and that every number is finite before anything is used; the
card is written last, so a folder without a card is not an artifact.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from labeling.errors import BadArtifact
from labeling.learn.fusions.concatenation import Fusion
from labeling.learn.heads.logistic import FitConfig
from labeling.learn.training import Classifier

__all__ = ["CARD", "WEIGHTS", "Card", "Facts", "pack", "unpack"]

WEIGHTS, CARD = "head.safetensors", "card.json"
FORMAT = 1
_FUSION = ("image_mean", "text_mean", "prelabel_mean", "prelabel_std")


@dataclass(frozen=True, slots=True)
class Facts:
    """Where a classifier comes from. It predicts only with the engine revision and the encoders named here."""

    project: str
    number: int
    classes: tuple[str, ...]
    engine_revision: str
    image_encoder: str
    text_encoder: str
    snapshot_hash: str
    last_label_id: int
    code_version: str
    created_at: datetime
    report: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Card:
    """What stands in `card.json`; `dims` are the widths of image, text and prelabel in the features."""

    format: int
    facts: Facts
    dims: tuple[int, int, int]
    seen: tuple[bool, ...]
    config: FitConfig
    temperature: float
    calibrated: bool
    weights_sha256: str


def pack(classifier: Classifier, facts: Facts) -> dict[str, bytes]:
    """The two files by name, the card last. The same classifier and facts give the same bytes."""
    fusion = classifier.fusion
    tensors = {name: getattr(fusion, name) for name in _FUSION}
    weights = save({**tensors, "weight": classifier.weight, "bias": classifier.bias})
    card = Card(
        format=FORMAT,
        facts=facts,
        dims=(len(fusion.image_mean), len(fusion.text_mean), len(fusion.prelabel_mean)),
        seen=tuple(bool(seen) for seen in classifier.seen),
        config=classifier.config,
        temperature=classifier.temperature,
        calibrated=classifier.calibrated,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
    )
    return {WEIGHTS: weights, CARD: msgspec.json.format(msgspec.json.encode(card), indent=1)}


def unpack(files: dict[str, bytes]) -> tuple[Classifier, Card]:
    """The classifier and its card.

    Raises
    ------
    BadArtifact
        When a file is missing or damaged, or the weights do not fit the card.
    """
    if CARD not in files or WEIGHTS not in files:
        raise BadArtifact(f"A saved classifier needs {CARD} and {WEIGHTS}. Run `hardcase learn` to make a new one.")
    try:
        card = msgspec.json.decode(files[CARD], type=Card)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadArtifact(f"The card cannot be read: {error}. Run `hardcase learn` to make a new one.") from error
    if card.format != FORMAT:
        raise BadArtifact(f"The card has format {card.format}; this hardcase reads format {FORMAT}.")
    if hashlib.sha256(files[WEIGHTS]).hexdigest() != card.weights_sha256:
        raise BadArtifact("The weights are not those that the card names. Restore them, or run `hardcase learn`.")
    tensors = _tensors(files[WEIGHTS], card)
    if not (0 < card.temperature < float("inf")):
        raise BadArtifact("The card names no usable temperature.")
    fusion = Fusion(**{name: tensors[name] for name in _FUSION})
    seen = np.array(card.seen, bool)
    return (
        Classifier(fusion, tensors["weight"], tensors["bias"], seen, card.config, card.temperature, card.calibrated),
        card,
    )


def _tensors(weights: bytes, card: Card) -> dict[str, NDArray[np.float32]]:
    try:
        tensors: dict[str, NDArray[np.float32]] = load(weights)
    except (SafetensorError, ValueError, KeyError) as error:
        raise BadArtifact(f"The weights are not a safetensors file: {error}") from error
    image, text, prelabel = card.dims
    classes = len(card.facts.classes)
    expected = {
        "image_mean": (image,),
        "text_mean": (text,),
        "prelabel_mean": (prelabel,),
        "prelabel_std": (prelabel,),
        "weight": (classes, image + text + prelabel + 2),
        "bias": (classes,),
    }
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if found != expected or prelabel != classes or len(card.seen) != classes:
        raise BadArtifact(f"The weights have shapes {found}; the card asks for {expected}.")
    if not all(tensor.dtype == np.float32 and np.isfinite(tensor).all() for tensor in tensors.values()):
        raise BadArtifact("The weights hold numbers that are not finite 32-bit floats.")
    return tensors
