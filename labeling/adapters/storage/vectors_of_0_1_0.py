"""Takes over the vectors of a home that version 0.1.0 made, where they lay in LanceDB with a mapped copy beside it.

In: the folder of the vectors and the store that keeps them now. Out: the rows of the mapped copy put into the store,
and the copy removed. What lay in LanceDB alone is missing, and is computed again as any missing vector is. Killed at
any point and begun again, it does what is left.
"""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import numpy as np
from filelock import FileLock

from labeling.adapters.storage.embedding_store import SHARD_BYTES, EmbeddingStore
from labeling.slices import slices

__all__ = ["old_tables", "take_over"]

HEADER = struct.Struct("<16sQ8x")
"""A token, and D. As long as a key."""


def take_over(folder: Path, store: EmbeddingStore) -> int:
    """Put what the mapped copies hold into the store, then remove them; return how many vectors were new there."""
    mapped = folder / "mapped"
    if not mapped.exists():
        return 0
    with FileLock(mapped / "lock"):
        taken = 0
        for keys in sorted(mapped.glob("*/keys")):
            taken += _take(keys, store)
            keys.unlink()  # before its vectors, which mean nothing without it
        shutil.rmtree(mapped)
    return taken


def old_tables(folder: Path) -> list[Path]:
    """The tables of LanceDB that are still there; nothing reads them."""
    return sorted(folder.glob("*.lance"))


def _take(path: Path, store: EmbeddingStore) -> int:
    """A row counts when its key is there."""
    content, rows = path.read_bytes(), path.with_name("vectors.f32")
    dimensions: int = HEADER.unpack_from(content)[1] if len(content) > HEADER.size else 0
    digits = content[HEADER.size :].hex()
    keys = [digits[at : at + 64] for at in range(0, len(digits) - 63, 64)]
    size_bytes = rows.stat().st_size if rows.exists() else 0
    count = min(len(keys), size_bytes // (4 * dimensions)) if dimensions else 0
    if not count:
        return 0
    vectors = np.memmap(rows, np.float32, "r", shape=(count, dimensions))
    blocks = slices(count, SHARD_BYTES // (2 * dimensions))
    return sum(store.put(path.parent.name, keys[some], vectors[some]) for some in blocks)
