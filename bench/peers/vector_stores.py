"""Other ways to keep vectors by key: LanceDB with a mapped copy, a pair of appended files, shards with an index in SQL.

In: keys (sha256 in hex) with (N, D) float32. Out: the same in the order asked. Each keeps what was put when it returns.
"""

from __future__ import annotations

import os
import sqlite3
import warnings
from collections.abc import Iterable, Sequence, Set
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from labeling.adapters.storage.atomic_files import write_whole
from labeling.adapters.storage.vector_shards import KEY, VectorRows, name_of, open_shard, pack_shard
from labeling.slices import batches, slices

__all__ = ["LanceStore", "PairStore", "SqlStore", "VectorStore"]

Vectors = NDArray[np.float32]
KEYS_A_LOOKUP = 1_000
OLD_VERSIONS_KEPT = timedelta(minutes=10)
SMALL_FRAGMENTS_ALLOWED = 64


class VectorStore(Protocol):
    """One encoder's vectors."""

    def put(self, keys: Sequence[str], vectors: Vectors) -> None: ...

    def get(self, keys: Sequence[str]) -> Vectors: ...

    def rows(self, keys: Sequence[str]) -> Vectors | VectorRows:
        """To be read by slices."""
        ...

    def collect(self, keep: Set[str]) -> object: ...

    def compact(self) -> None: ...


class PairStore:
    """`keys` and `vectors`, row after row, both appended to; a row counts when its key is there. Folders only."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._keys, self._vectors, self._rows = folder / "keys", folder / "vectors.f32", dict[str, int]()
        digits = self._keys.read_bytes().hex() if self._keys.exists() else ""
        self._rows = {digits[at : at + 64]: row for row, at in enumerate(range(0, len(digits), 64))}
        self._dimensions = self._vectors.stat().st_size // 4 // len(self._rows) if self._rows else 0

    def unknown(self, keys: Sequence[str]) -> list[str]:
        return [key for key in keys if key not in self._rows]

    def put(self, keys: Sequence[str], vectors: Vectors) -> None:
        new = [row for row, key in enumerate(keys) if key not in self._rows]
        self._dimensions = vectors.shape[1]
        _append(self._vectors, vectors[new].astype(np.float16).astype(np.float32).tobytes())
        _append(self._keys, bytes.fromhex("".join(keys[row] for row in new)))
        first = len(self._rows)
        self._rows.update((keys[row], first + at) for at, row in enumerate(new))

    def get(self, keys: Sequence[str]) -> Vectors:
        return self._array()[[self._rows[key] for key in keys]]

    def rows(self, keys: Sequence[str]) -> Vectors | VectorRows:
        rows = np.array([self._rows[key] for key in keys])
        return self._array()[rows[0] : rows[-1] + 1] if (np.diff(rows) == 1).all() else self._array()[rows]

    def collect(self, keep: Set[str]) -> None:
        kept, array = [key for key in self._rows if key in keep], self._array()
        new = self._vectors.with_suffix(".new")
        for some in slices(len(kept), 4_096):
            _append(new, array[[self._rows[key] for key in kept[some]]].tobytes())
        new.replace(self._vectors)
        self._keys.write_bytes(bytes.fromhex("".join(kept)))
        self._rows = {key: row for row, key in enumerate(kept)}

    def compact(self) -> None:
        """There is nothing to gather."""

    def _array(self) -> Vectors:
        shape = (len(self._rows), self._dimensions)
        return np.asarray(np.memmap(self._vectors, np.float32, "r", shape=shape))


class SqlStore:
    """A shard a put, and which row of which shard a key is in SQLite. Folders only; nothing is merged."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._index = sqlite3.connect(folder / "index.db")
        self._index.execute("PRAGMA journal_mode=WAL")
        self._index.execute("PRAGMA synchronous=FULL")
        self._index.execute("CREATE TABLE IF NOT EXISTS shard (id INTEGER PRIMARY KEY, name TEXT UNIQUE, rows INT)")
        self._index.execute("CREATE TABLE IF NOT EXISTS key (key BLOB PRIMARY KEY, shard INT, row INT) WITHOUT ROWID")
        self._mapped: dict[int, NDArray[np.float16]] = {}

    def put(self, keys: Sequence[str], vectors: Vectors) -> None:
        content = pack_shard(np.frombuffer(bytes.fromhex("".join(keys)), KEY), vectors)
        write_whole(self._folder / name_of(content), content)
        with self._index:
            found = self._index.execute("INSERT INTO shard (name, rows) VALUES (?, ?)", (name_of(content), len(keys)))
            rows = ((bytes.fromhex(key), found.lastrowid, row) for row, key in enumerate(keys))
            self._index.executemany("INSERT OR IGNORE INTO key VALUES (?, ?, ?)", rows)

    def get(self, keys: Sequence[str]) -> Vectors:
        return self.rows(keys)[:]

    def rows(self, keys: Sequence[str]) -> VectorRows:
        names = dict(self._index.execute("SELECT id, name FROM shard"))
        self._mapped |= {at: open_shard(self._folder / names[at]).vectors for at in names.keys() - self._mapped.keys()}
        starts = dict(zip(self._mapped, np.cumsum([0, *map(len, self._mapped.values())]).tolist(), strict=False))
        place = {
            key: starts[shard] + row
            for some in batches(keys, 30_000)
            for key, shard, row in self._index.execute(
                f"SELECT key, shard, row FROM key WHERE key IN ({','.join('?' * len(some))})",
                [bytes.fromhex(key) for key in some],
            )
        }
        return VectorRows(list(self._mapped.values()), np.array([place[bytes.fromhex(key)] for key in keys]))

    def collect(self, keep: Set[str]) -> None:
        gone = [(key,) for (key,) in self._index.execute("SELECT key FROM key") if key.hex() not in keep]
        with self._index:
            self._index.executemany("DELETE FROM key WHERE key = ?", gone)

    def compact(self) -> None:
        """Left out: it would be the merging of our own store, with its rows in SQL changed as well."""


class LanceStore:
    """A table of LanceDB; with a folder for it, a mapped copy of what is read by many. Folders and object stores."""

    def __init__(self, address: str, mapped: Path | None) -> None:
        import lancedb

        self._database = lancedb.connect(address)
        self._mapped = PairStore(mapped) if mapped else None
        self._table: Any = self._database.open_table("vectors") if "vectors" in self._database.table_names() else None

    def put(self, keys: Sequence[str], vectors: Vectors) -> None:
        if self._table is None:
            schema = pa.schema([("key", pa.binary(32)), ("vector", pa.list_(pa.float16(), vectors.shape[1]))])
            self._table = self._database.create_table("vectors", schema=schema)
        flat = pa.array(np.ascontiguousarray(vectors, np.float16).reshape(-1), type=pa.float16())
        raw = pa.py_buffer(bytes.fromhex("".join(keys)))
        key = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), len(keys), [None, raw])
        vector = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
        rows = pa.table([key, vector], names=["key", "vector"])
        self._table.merge_insert("key").when_not_matched_insert_all().execute(rows)
        if self._table.stats()["fragment_stats"]["num_small_fragments"] > SMALL_FRAGMENTS_ALLOWED:
            self.compact()

    def get(self, keys: Sequence[str]) -> Vectors:
        found: dict[bytes, Vectors] = {}
        for some in batches(keys, KEYS_A_LOOKUP):
            rows = self._table.search().where(_any_of(some)).limit(len(some)).to_arrow()
            flat = rows.column("vector").combine_chunks().flatten()
            vectors = np.asarray(flat).reshape(rows.num_rows, -1).astype(np.float32)
            found.update(zip(rows.column("key").to_pylist(), vectors, strict=True))
        return np.stack([found[bytes.fromhex(key)] for key in keys])

    def rows(self, keys: Sequence[str]) -> Vectors | VectorRows:
        if self._mapped is None:
            return self.get(keys)
        for some in batches(self._mapped.unknown(keys), 4 * KEYS_A_LOOKUP):
            self._mapped.put(some, self.get(some))
        return self._mapped.rows(keys)

    def collect(self, keep: Set[str]) -> None:
        there = [key.hex() for key in self._table.search().select(["key"]).to_arrow().column("key").to_pylist()]
        for some in batches([key for key in there if key not in keep], KEYS_A_LOOKUP):
            self._table.delete(_any_of(some))

    def compact(self) -> None:
        """Old versions are kept for others who read them, so the disk is free only ten minutes later."""
        self._table.optimize(cleanup_older_than=OLD_VERSIONS_KEPT)

    def forget_old_versions(self) -> None:
        """What a compaction ten minutes later would do."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # nobody else reads this table
            self._table.optimize(cleanup_older_than=timedelta(0))


def _any_of(keys: Iterable[str]) -> str:
    return "key IN (" + ",".join(f"X'{key}'" for key in keys) + ")"


def _append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
