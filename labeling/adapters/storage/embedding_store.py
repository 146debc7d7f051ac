"""Vectors by key: shards of safetensors in one folder an encoder, memory-mapped; on a folder or an object store.

In: an address (a folder, or any that fsspec knows), then (N, D) float32 with keys that are sha256 in hex. Out: the same
in the order asked. Kept as float16, and read as it is kept, so a vector is the same each time. A key is content plus
encoder, so a vector never changes: each `put` is one shard, durable when it returns, and small shards are merged.
A shard is removed only after all that is kept of it lies in another, so a kill loses nothing, and a view stays good.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

import fsspec
import numpy as np
from filelock import FileLock
from fsspec.implementations.local import LocalFileSystem
from numpy.typing import NDArray

from labeling.adapters.storage.atomic_files import write_whole
from labeling.adapters.storage.object_folder import ObjectFolder
from labeling.adapters.storage.shard_index import ShardIndex
from labeling.adapters.storage.vector_shards import ENDING, KEY, Keys, Shard, VectorRows, name_of, pack_shard
from labeling.errors import Invalid, NotFound

__all__ = ["EmbeddingStore", "MissingVectors"]

Vectors = NDArray[np.float32]

SHARD_BYTES = 32 * 2**20
"""Shards are merged until they are so large; merging holds about four times as much in memory."""
SMALL_SHARD_BYTES = 4 * 2**20
SMALL_SHARDS_ALLOWED = 64
"""More shards under that size than this make `put` merge them by itself."""
LEFTOVER_AFTER_S = 3_600.0
"""A temporary file is that of a killed process when it is so old."""


class MissingVectors(NotFound):
    """Some vectors are not in the store; they are computed again when their images are prelabelled again."""

    def __init__(self, encoder: str, keys: Sequence[str]) -> None:
        super().__init__(f"{len(keys)} vectors of {encoder} are missing; `hardcase status` shows when they are back.")
        self.encoder, self.keys = encoder, tuple(keys)


class EmbeddingStore:
    """All vectors of an installation. Several processes may put and read at once.

    Parameters
    ----------
    address : str
        Where they lie.
    cache : Path, optional
        A folder of this machine for copies of what is read, which an address that is no folder needs. It may be deleted
        at any time.
    """

    def __init__(self, address: str, cache: Path | None = None) -> None:
        files, root = fsspec.url_to_fs(address)
        self._objects: ObjectFolder | None = None
        self._folder = Path(root)
        if not isinstance(files, LocalFileSystem):
            if cache is None:
                raise Invalid("Vectors on an object store need a folder of this machine for copies of what is read.")
            self._objects = ObjectFolder(files, str(root))
            self._folder = cache / sha256(address.encode()).hexdigest()[:16]
        self._indexes: dict[str, ShardIndex] = {}
        self._lock = threading.RLock()  # two jobs of a worker may use one encoder's vectors

    def put(self, encoder: str, keys: Sequence[str], vectors: Vectors) -> int:
        """Add the vectors whose keys are new; return how many that were.

        Parameters
        ----------
        encoder : str
            Name and revision of what made them; letters, digits, ``-``, ``_`` and ``.``.
        keys : sequence of str
            sha256 in hex, one a vector; a key that stands twice is taken once.
        vectors : (N, D) float32
        """
        with self._writing(encoder) as index:
            given = _as_keys(keys)
            _, first = np.unique(given, return_index=True)
            new = np.sort(first[index.locate(given[first]) < 0])
            if not len(new):
                return 0
            if index.shards and vectors.shape[1] != index.dimensions:
                raise Invalid(f"Vectors of {encoder} have {index.dimensions} numbers, not {vectors.shape[1]}.")
            self._write(encoder, pack_shard(given[new], np.asarray(vectors)[new]))
            if sum(_size(shard) < SMALL_SHARD_BYTES for shard in index.shards.values()) >= SMALL_SHARDS_ALLOWED:
                self._merge(encoder, SMALL_SHARD_BYTES)
            return len(new)

    def get(self, encoder: str, keys: Sequence[str]) -> Vectors:
        """The vectors in the order of `keys`, (N, D) float32; MissingVectors names those that are not there."""
        return self.matrix(encoder, keys)[:]

    def matrix(self, encoder: str, keys: Sequence[str | None]) -> VectorRows:
        """The same, read when rows are asked for: for many keys, and nothing is copied into memory before.

        A key that is None gives a row of NaN.
        """
        given = np.array([key is not None for key in keys], bool)
        wanted = [key for key in keys if key is not None]
        rows = np.full(len(keys), -1, np.int64)
        with self._lock:
            index = self._fresh(encoder)
            rows[given] = found = index.locate(_as_keys(wanted))
            if (found < 0).any():
                missing = dict.fromkeys(wanted[at] for at in np.flatnonzero(found < 0))
                raise MissingVectors(encoder, list(missing))
            return index.view(rows)

    def token(self, encoder: str) -> bytes:
        """Changes in this process when vectors of the encoder were removed; empty where there never were any."""
        with self._lock:
            return self._fresh(encoder).token

    def shards(self) -> list[Path]:
        """The files of all vectors as they lie on this machine."""
        return sorted(self._folder.glob(f"*/*{ENDING}"))

    def compact(self) -> None:
        """Merge small shards and remove what killed processes left behind. Called on a schedule."""
        for encoder in self._encoders():
            with self._writing(encoder) as index:
                self._merge(encoder, SHARD_BYTES)
                index.remove_broken()
                _remove_leftovers(self._folder / encoder)

    def collect(self, encoder: str, keep: Set[str]) -> int:
        """Remove the vectors whose keys are not in `keep`; return how many that were."""
        wanted = _as_keys(sorted(keep))
        return self._keep(encoder, lambda keys: np.isin(keys, wanted))

    def remove(self, encoder: str, keys: Sequence[str]) -> int:
        """Remove the vectors of these keys, and any copy of them on this machine; return how many there were."""
        gone = _as_keys(keys)
        return self._keep(encoder, lambda held: ~np.isin(held, gone))

    def _keep(self, encoder: str, is_kept: Callable[[Keys], NDArray[np.bool_]]) -> int:
        """Write the shards that hold anything else again without it."""
        with self._writing(encoder) as index:
            removed = int((~is_kept(index.keys())).sum())
            for name, shard in index.shards.items() if removed else ():
                kept = is_kept(shard.keys)
                if not kept.all():
                    self._replace(encoder, {name}, [Shard(shard.keys[kept], shard.vectors[kept])] if kept.any() else [])
            return removed

    def _merge(self, encoder: str, below_bytes: int) -> None:
        """Write the shards under this size as few, in their order."""
        small = {name: shard for name, shard in self._fresh(encoder).shards.items() if _size(shard) < below_bytes}
        if len(small) > 1:
            self._replace(encoder, small.keys(), _merged(small.values()))

    def _replace(self, encoder: str, names: Set[str], shards: Iterable[Shard]) -> None:
        """Write these shards, then remove the named ones."""
        written = {self._write(encoder, pack_shard(shard.keys, shard.vectors)) for shard in shards}
        for name in names - written:
            if self._objects:
                self._objects.remove(encoder, name)
            (self._folder / encoder / name).unlink(missing_ok=True)

    def _write(self, encoder: str, content: bytes) -> str:
        name = name_of(content)
        if self._objects:
            self._objects.write(encoder, name, content)
        write_whole(self._folder / encoder / name, content)
        return name

    def _fresh(self, encoder: str) -> ShardIndex:
        """What there is of the encoder now."""
        folder = self._folder / _safe(encoder)
        if self._objects:
            self._objects.copy_to(folder, encoder)
        index = self._indexes.setdefault(encoder, ShardIndex(folder))
        index.refresh()
        return index

    @contextmanager
    def _writing(self, encoder: str) -> Iterator[ShardIndex]:
        """One writer at a time among the processes of this machine, so that no key is written twice."""
        (self._folder / _safe(encoder)).mkdir(parents=True, exist_ok=True)
        with self._lock, FileLock(self._folder / encoder / "lock"):
            yield self._fresh(encoder)

    def _encoders(self) -> list[str]:
        if self._objects:
            return self._objects.folders()
        return [lock.parent.name for lock in self._folder.glob("*/lock")]


def _merged(shards: Iterable[Shard]) -> Iterator[Shard]:
    """The same rows in shards of about the full size, one of each key."""
    waiting: list[Shard] = []
    for shard in shards:
        waiting.append(shard)
        if sum(map(_size, waiting)) >= SHARD_BYTES:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(shards: Sequence[Shard]) -> Shard:
    keys = np.concatenate([shard.keys for shard in shards])
    vectors = np.concatenate([shard.vectors for shard in shards])
    once = np.sort(np.unique(keys, return_index=True)[1])
    return Shard(keys, vectors) if len(once) == len(keys) else Shard(keys[once], vectors[once])


def _remove_leftovers(folder: Path) -> None:
    for left in folder.glob(".*.tmp"):
        with suppress(FileNotFoundError):  # somebody is writing it: it has its name by now
            if time.time() - left.stat().st_mtime > LEFTOVER_AFTER_S:
                left.unlink()


def _size(shard: Shard) -> int:
    return shard.keys.nbytes + shard.vectors.nbytes


def _as_keys(keys: Sequence[str]) -> Keys:
    raw = bytes.fromhex("".join(keys))
    if len(raw) != len(keys) * KEY.itemsize:
        raise Invalid("A vector's key is a sha256: 64 hexadecimal digits.")
    return np.frombuffer(raw, KEY)


def _safe(encoder: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,120}", encoder):
        raise Invalid(f"{encoder!r} cannot name an encoder: use letters, digits, '-', '_' and '.'.")
    return encoder
