"""Shards of vectors: safetensors files of 32-byte keys and float16 rows, and one view over many of them.

In: keys (N,) of 32 bytes and vectors (N, D). Out: the bytes of a shard, or a shard memory-mapped. A shard is written
once and never changed; its name is the hash of its bytes. A file with other bytes is no shard.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from labeling.adapters.storage.mapped_tensors import map_tensors
from labeling.errors import BadArtifact

__all__ = ["ENDING", "KEY", "Keys", "Shard", "VectorRows", "name_of", "open_shard", "pack_shard"]

ENDING = ".safetensors"
KEY = np.dtype("S32")
Keys = NDArray[np.bytes_]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Shard:
    """Mapped keys (N,) and vectors (N, D) float16."""

    keys: Keys
    vectors: NDArray[np.float16]


def pack_shard(keys: Keys, vectors: NDArray[np.floating]) -> bytes:
    """The bytes of a shard with these rows, in this order; each has an id, so that no new shard has an old name.

    Whoever removes a shard that it once listed then never removes one that was written since with the same rows.
    """
    rows = np.ascontiguousarray(vectors, np.float16)
    tensors = {"keys": np.ascontiguousarray(keys).view(np.uint8).reshape(-1, KEY.itemsize), "vectors": rows}
    return bytes(save(tensors, {"id": uuid.uuid4().hex}))


def name_of(content: bytes) -> str:
    """The name of the shard with these bytes."""
    return sha256(content).hexdigest() + ENDING


def open_shard(path: Path) -> Shard:
    """Map a shard; BadArtifact where the file is not the one that was written: its name is another hash."""
    with path.open("rb") as file:
        if file_digest(file, "sha256").hexdigest() + ENDING != path.name:
            raise BadArtifact(f"{path} is damaged: its bytes have another hash than its name.")
    keys, vectors = map_tensors(path, "keys", "vectors")
    if keys.ndim != 2 or vectors.ndim != 2 or keys.shape[1] != KEY.itemsize or len(keys) != len(vectors):
        raise BadArtifact(f"{path} holds keys {keys.shape} and vectors {vectors.shape}.")
    return Shard(keys.view(KEY).reshape(-1), vectors)


class VectorRows:
    """N vectors (N, D) in an order of its own, read from their shards when rows are asked for.

    Index it by a position, a slice or an array of rows: what comes back is float32 and a copy. A row that stands
    nowhere is one of NaN.

    Parameters
    ----------
    shards : sequence of (M, D) float16
        The arrays that rows are counted through, one after the other.
    rows : (N,) int64
        Which row each vector is; negative for none.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, shards: Sequence[NDArray[np.float16]], rows: NDArray[np.int64]) -> None:
        self._shards, self._rows = shards, rows
        self._starts = np.cumsum([0, *map(len, shards)])[:-1]
        self.shape = (len(rows), shards[0].shape[1] if shards else 0)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, wanted: int | slice | Sequence[int] | NDArray[np.integer | np.bool_]) -> Vectors:
        rows = self._rows[wanted]
        found = self._gather(np.atleast_1d(rows))
        return found if np.ndim(rows) else found[0]

    def __array__(self, dtype: np.dtype[Any] | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("vectors are copied when they are read")
        return self[:].astype(dtype or self.dtype, copy=False)

    def _gather(self, rows: NDArray[np.int64]) -> Vectors:
        found = np.empty((len(rows), self.shape[1]), np.float32)
        of = np.searchsorted(self._starts, rows, side="right") - 1  # (n,); -1 where the row stands nowhere
        for at in np.unique(of):
            places = np.flatnonzero(of == at)
            found[places] = np.nan if at < 0 else self._shards[at][rows[places] - self._starts[at]]
        return found
