"""A classifier as two files, `head.safetensors` and `card.json`: bytes out, and the same classifier back in.

Never pickle. Reading checks the checksum, the shapes and that every number is finite before anything is used; the
card is written last, so a folder without a card is not an artifact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from labeling.conversion import convert, decode
from labeling.errors import BadArtifact
from labeling.learn.classifier import Classifier, Dims, FusionKind, HeadKind, Packed
from labeling.learn.fusions.concatenation import Concatenation
from labeling.learn.fusions.fusions import FUSIONS
from labeling.learn.heads.heads import HEADS
from labeling.learn.heads.logistic import LOGISTIC
from labeling.learn.training import FusedClassifier

__all__ = ["CARD", "WEIGHTS", "Card", "Facts", "pack", "unpack"]

WEIGHTS, CARD = "head.safetensors", "card.json"
FORMAT = 1
Kind = TypeVar("Kind", FusionKind, HeadKind)


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
    """The content of `card.json`; `dims` are the widths of image, text and prelabel in the features.

    `head` and `fusion` are the rows of their tables that read the weights, `config` and `fusion_config` their settings;
    `bias` (K,) is added to shown log probabilities; empty: there is none.
    Older cards do not name them: they are of a logistic head on concatenated features, without a bias.
    """

    format: int
    facts: Facts
    dims: Dims
    seen: tuple[bool, ...]
    config: dict[str, Any]
    temperature: float
    calibrated: bool
    weights_sha256: str
    head: str = LOGISTIC
    fusion: str = Concatenation.name
    fusion_config: dict[str, Any] = field(default_factory=dict)
    bias: tuple[float, ...] = ()


def pack(classifier: Classifier, facts: Facts) -> dict[str, bytes]:
    """The two files by name, the card last. The same classifier and facts give the same bytes."""
    packed = classifier.pack()
    weights = save(dict(packed.tensors))
    card = Card(
        format=FORMAT,
        facts=facts,
        dims=packed.dims,
        seen=packed.present,
        config=msgspec.to_builtins(packed.head),
        temperature=packed.temperature,
        calibrated=packed.calibrated,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        head=packed.head.name,
        fusion=packed.fusion.name,
        fusion_config=msgspec.to_builtins(packed.fusion),
        bias=packed.bias,
    )
    return {WEIGHTS: weights, CARD: msgspec.json.format(msgspec.json.encode(card), indent=1)}


def unpack(files: dict[str, bytes]) -> tuple[Classifier, Card]:
    """The classifier and its card.

    Raises
    ------
    BadArtifact
        When a file is missing or damaged, the weights do not fit the card, or there is no such fusion or head.
    """
    if CARD not in files or WEIGHTS not in files:
        raise BadArtifact(f"A saved classifier needs {CARD} and {WEIGHTS}. Run `hardcase learn` to make a new one.")
    card = _card(files[CARD])
    if hashlib.sha256(files[WEIGHTS]).hexdigest() != card.weights_sha256:
        raise BadArtifact("The weights are not those that the card names. Restore them, or run `hardcase learn`.")
    if not len(card.seen) == len(card.facts.classes) == card.dims[2]:
        raise BadArtifact(f"The card names {len(card.facts.classes)} classes and the weights of another number.")
    if len(card.bias) not in (0, len(card.seen)):
        raise BadArtifact(f"The card gives {len(card.bias)} biases for {len(card.seen)} classes.")
    packed = Packed(
        fusion=_kind(FUSIONS, "fusion", card.fusion, card.fusion_config),
        head=_kind(HEADS, "head", card.head, card.config),
        dims=card.dims,
        present=card.seen,
        temperature=card.temperature,
        calibrated=card.calibrated,
        tensors=_tensors(files[WEIGHTS]),
        bias=card.bias,
    )
    return FusedClassifier.unpack(packed), card


def _card(text: bytes) -> Card:
    try:
        card = decode(text, Card)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadArtifact(f"The card cannot be read: {error}. Run `hardcase learn` to make a new one.") from error
    if card.format != FORMAT:
        raise BadArtifact(f"The card has format {card.format}; this hardcase reads format {FORMAT}.")
    if not (0 < card.temperature < float("inf")):
        raise BadArtifact("The card names no usable temperature.")
    return card


def _kind(table: Mapping[str, Kind], what: str, name: str, settings: dict[str, Any]) -> Kind:
    """The row of a table, with the settings that the card names."""
    if name not in table:
        raise BadArtifact(
            f"The card names the {what} {name!r}; there are: {', '.join(table)}. "
            "Use the hardcase that saved it, or run `hardcase learn` to make a new one."
        )
    kind: Any = type(table[name])
    known = {field.name for field in fields(kind)}
    unknown = ", ".join(sorted(settings.keys() - known))
    if unknown:
        raise BadArtifact(
            f"The card gives the {what} {name!r} settings that this hardcase does not have: {unknown}. "
            "Use the hardcase that saved it, or run `hardcase learn` to make a new one."
        )
    try:
        return convert(settings, type(table[name]))
    except msgspec.ValidationError as error:
        raise BadArtifact(f"The card gives the {what} {name!r} settings that it cannot have: {error}.") from error


def _tensors(weights: bytes) -> dict[str, NDArray[np.float32]]:
    try:
        tensors: dict[str, NDArray[np.float32]] = load(weights)
    except (SafetensorError, ValueError, KeyError) as error:
        raise BadArtifact(f"The weights are not a safetensors file: {error}") from error
    if not all(tensor.dtype == np.float32 and np.isfinite(tensor).all() for tensor in tensors.values()):
        raise BadArtifact("The weights hold numbers that are not finite 32-bit floats.")
    return tensors
