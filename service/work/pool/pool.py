"""All ready images of a project as aligned arrays: the view that select, learn and predict share.

Row i of every array speaks of `image_ids[i]`; rows are in the order of image ids. Reserved groups are in it.
The arrays are mapped, and a pool is put together once for all steps that ask while no image has become ready.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from db.repositories.engines import prelabels
from db.session import transaction
from labeling.adapters.storage.embedding_store import MissingVectors
from labeling.learn.classifier import Inputs
from labeling.prelabel.engine import Engine
from labeling.project import Project
from labeling.vectors import Rows
from service.logs import get_logger
from service.work.pool.columns import Columns, hex_keys, read_columns, state_of
from service.work.wiring import Parts

__all__ = ["EnginePin", "Pool", "load_pool", "pin_of", "pool_of"]

log = get_logger(__name__)

NO_TEXT = "0" * 64


@dataclass(frozen=True, slots=True)
class EnginePin:
    """Which engine revision and encoders the features come from; a version's card keeps it.

    `classes` are those that the revision gives probabilities of: empty where they are the project's of now.
    """

    revision: str
    image_encoder: str
    text_encoder: str
    classes: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Pool:
    """N ready images. NaN rows mean absent: no text came with the image, or the engine gave no probabilities."""

    image_ids: NDArray[np.int64]
    group_ids: NDArray[np.int64]
    content_keys: NDArray[np.void]
    image_vectors: Rows
    text_vectors: Rows
    prelabel_probs: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def inputs(self) -> Inputs:
        """The inputs of a classifier, row for row."""
        return Inputs(self.image_vectors, self.text_vectors, self.prelabel_probs, self.group_ids)

    def content_hash(self, row: int) -> str:
        """The hash of the row's original bytes."""
        return hex_keys(self.content_keys[row : row + 1])[0]

    def rows_of(self, image_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows where these images stand; -1 for an image that is not ready."""
        if not len(self):
            return np.full(len(image_ids), -1, np.int64)
        rows = np.minimum(np.searchsorted(self.image_ids, image_ids), len(self) - 1)
        return np.where(self.image_ids[rows] == image_ids, rows, -1).astype(np.int64)


def pin_of(engine: Engine) -> EnginePin:
    """What a version must pin of the engine that is in force."""
    return EnginePin(engine.revision, engine.image_encoder, engine.text_encoder)


def load_pool(parts: Parts, project: Project, pin: EnginePin | None = None) -> Pool:
    """Read the pool as the project's engine sees it, or as an older version's pinned engine saw it.

    An image whose vector is gone from the store is left out this time; its pre-label is forgotten and made again.
    """
    pin = pin or pin_of(parts.engine_for(project))
    state = state_of(parts, project, pin.revision)
    columns = read_columns(parts, project, pin.revision, state, _n_classes(project, pin))
    vectors = [parts.embeddings.token(encoder) for encoder in (pin.image_encoder, pin.text_encoder) if encoder]
    try:
        return parts.memo.get(("pool", project.id), (pin, state, vectors), lambda: _assemble(parts, pin, columns))
    except MissingVectors as missing:
        return _without(parts, pin, columns, missing)


def pool_of(parts: Parts, project: Project, pin: EnginePin, image_ids: NDArray[np.int64]) -> Pool:
    """Of these images those that are ready and whole now, as that engine saw them; nothing is made again."""
    state = state_of(parts, project, pin.revision)
    columns = read_columns(parts, project, pin.revision, state, _n_classes(project, pin))
    columns = columns[np.isin(columns["image"], image_ids)]
    while True:
        try:
            return _assemble(parts, pin, columns)
        except MissingVectors as missing:
            columns = columns[_whole(columns, frozenset(missing.keys))]


def _n_classes(project: Project, pin: EnginePin) -> int:
    return len(pin.classes or project.config.classes)


def _assemble(parts: Parts, pin: EnginePin, columns: Columns) -> Pool:
    return Pool(
        image_ids=np.ascontiguousarray(columns["image"]),
        group_ids=np.ascontiguousarray(columns["group"]),
        content_keys=columns["content"],
        image_vectors=parts.embeddings.matrix(pin.image_encoder, hex_keys(columns["content"])),
        text_vectors=_text_vectors(parts, pin.text_encoder, columns["text"]),
        prelabel_probs=columns["probs"],
    )


def _text_vectors(parts: Parts, encoder: str, keys: NDArray[np.void]) -> Rows:
    given = [key if key != NO_TEXT else None for key in hex_keys(keys)]
    if not any(given):
        return np.empty((len(keys), 0), np.float32)
    return parts.embeddings.matrix(encoder, given)


def _without(parts: Parts, pin: EnginePin, columns: Columns, missing: MissingVectors) -> Pool:
    """The pool without the images of missing vectors, which are made pending again."""
    while True:
        columns = _forget(parts, pin, columns, frozenset(missing.keys))
        try:
            return _assemble(parts, pin, columns)
        except MissingVectors as more:
            missing = more


def _forget(parts: Parts, pin: EnginePin, columns: Columns, missing: frozenset[str]) -> Columns:
    """Make the images of missing vectors pending again; returns the other rows."""
    hashes, whole = hex_keys(columns["content"]), _whole(columns, missing)
    gone = [hashes[row] for row in np.flatnonzero(~whole)]
    with transaction(parts.database) as session:
        prelabels.forget_vectors(session, pin.image_encoder, gone)
    log.warning("vectors are missing and will be made again", encoder=pin.image_encoder, images=len(gone))
    return columns[whole]


def _whole(columns: Columns, missing: frozenset[str]) -> NDArray[np.bool_]:
    """Which rows need none of the missing vectors."""
    return ~(_among(hex_keys(columns["content"]), missing) | _among(hex_keys(columns["text"]), missing - {NO_TEXT}))


def _among(keys: Sequence[str], missing: frozenset[str]) -> NDArray[np.bool_]:
    return np.fromiter((key in missing for key in keys), bool, count=len(keys))
