"""All ready images of a project as aligned arrays: the view that select, learn and predict share.

Row i of every array speaks of `image_ids[i]`; rows are in the order of image ids. Both sides of the hold-out are
in it: `holdout` tells them apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from db.repositories.engines import prelabels
from db.repositories.queries.pool import PoolRow, PoolRows, read_pool
from db.session import reading, transaction
from labeling.adapters.storage.embedding_store import MissingVectors
from labeling.ingest.hashing import text_key
from labeling.learn.fusions.concatenation import Inputs
from labeling.prelabel.engine import Engine
from labeling.project import Project
from service.logs import get_logger
from service.work.wiring import Parts

__all__ = ["EnginePin", "Pool", "load_pool", "pin_of"]

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EnginePin:
    """Which engine revision and encoders the features come from; a version's card keeps it."""

    revision: str
    image_encoder: str
    text_encoder: str


@dataclass(frozen=True, slots=True)
class Pool:
    """N ready images. NaN rows mean absent: no text came with the image, or the engine gave no probabilities."""

    image_ids: NDArray[np.int64]
    group_ids: NDArray[np.int64]
    holdout: NDArray[np.bool_]
    content_hashes: list[str]
    image_vectors: NDArray[np.float32]
    text_vectors: NDArray[np.float32]
    prelabel_probs: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def inputs(self) -> Inputs:
        """What a classifier looks at, row for row."""
        return Inputs(self.image_vectors, self.text_vectors, self.prelabel_probs)

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

    An image whose vector is gone from the store is left out this time, and forgotten so that it is looked at again.
    """
    pin = pin or pin_of(parts.engine_for(project))
    with reading(parts.database) as session:
        rows = read_pool(session, project.id, pin.revision)
    while True:
        try:
            return _assemble(parts, pin, rows, len(project.config.labels))
        except MissingVectors as missing:
            rows = _forget(parts, pin, rows, frozenset(missing.keys))


def _assemble(parts: Parts, pin: EnginePin, rows: PoolRows, n_classes: int) -> Pool:
    hashes = [row.content_hash for row in rows]
    return Pool(
        image_ids=np.array([row.image_id for row in rows], np.int64),
        group_ids=np.array([row.group_id for row in rows], np.int64),
        holdout=np.array([row.holdout for row in rows], bool),
        content_hashes=hashes,
        image_vectors=parts.embeddings.matrix(pin.image_encoder, hashes),
        text_vectors=_text_vectors(parts, pin.text_encoder, rows),
        prelabel_probs=_probs(rows, n_classes),
    )


def _forget(parts: Parts, pin: EnginePin, rows: PoolRows, missing: frozenset[str]) -> PoolRows:
    """Make the images of missing vectors pending again; returns the other rows."""

    def is_whole(row: PoolRow) -> bool:
        return row.content_hash not in missing and (not row.text or text_key(row.text) not in missing)

    gone = [row.content_hash for row in rows if not is_whole(row)]
    with transaction(parts.database) as session:
        prelabels.forget_vectors(session, pin.image_encoder, gone)
    log.warning("vectors are missing and will be made again", encoder=pin.image_encoder, images=len(gone))
    return [row for row in rows if is_whole(row)]


def _text_vectors(parts: Parts, encoder: str, rows: PoolRows) -> NDArray[np.float32]:
    keys = [text_key(row.text) if row.text else None for row in rows]
    present = sorted({key for key in keys if key is not None})
    if not present:
        return np.empty((len(rows), 0), np.float32)
    place = {key: i for i, key in enumerate(present)}
    vectors = parts.embeddings.matrix(encoder, present)
    padded = np.vstack([vectors, np.full((1, vectors.shape[1]), np.nan, np.float32)])
    return padded[[place[key] if key is not None else len(present) for key in keys]]


def _probs(rows: PoolRows, n_classes: int) -> NDArray[np.float32]:
    probs = np.full((len(rows), n_classes), np.nan, np.float32)
    for i, row in enumerate(rows):
        if len(row.probs) == n_classes:
            probs[i] = row.probs
    return probs
