"""Vectors by key in LanceDB, one table an encoder, with a memory-mapped copy beside it for those who read many.

In: an address (a folder, or any URI that LanceDB knows), then (N, D) float32 with keys that are sha256 in hex. Out:
the same in the order asked. Kept as float16; everybody reads the kept form, so a vector is the same each time. A key
is content plus encoder, so a vector never changes: `put` adds what is not there, and the mapped copy is only ever
behind, never wrong. Appends are gathered by `compact`: a vector must be durable before the row that names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from labeling.adapters.storage.mapped_vectors import MappedVectors
from labeling.errors import Invalid, NotFound
from labeling.slices import batches

__all__ = ["EmbeddingStore", "MissingVectors"]

Vectors = NDArray[np.float32]

KEYS_A_LOOKUP = 1_000
OLD_VERSIONS_KEPT = timedelta(minutes=10)
SMALL_FRAGMENTS_ALLOWED = 64
"""More than this many appends since the last compaction make `put` compact by itself."""


class MissingVectors(NotFound):
    """Some vectors are not in the store; they are computed again when their images are prelabelled again."""

    def __init__(self, encoder: str, keys: Sequence[str]) -> None:
        super().__init__(f"{len(keys)} vectors of {encoder} are missing; `hardcase status` shows when they are back.")
        self.encoder, self.keys = encoder, tuple(keys)


class EmbeddingStore:
    """All vectors of an installation. Several processes may put and read at once."""

    def __init__(self, address: str) -> None:
        self._address = address
        remote = "://" in address
        local = (
            Path(gettempdir()) / f"hardcase-{sha256(address.encode()).hexdigest()[:16]}" if remote else Path(address)
        )
        self._mapped_folder = local / "mapped"
        self._database: Any = None
        self._mapped: dict[str, MappedVectors] = {}

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
        first = {key: row for row, key in reversed(list(enumerate(keys)))}
        if not first:
            return 0
        table = self._table(encoder, dimensions=vectors.shape[1])
        rows = _to_arrow(list(first), np.asarray(vectors)[list(first.values())])
        added = table.merge_insert("key").when_not_matched_insert_all().execute(rows).num_inserted_rows
        if table.stats()["fragment_stats"]["num_small_fragments"] > SMALL_FRAGMENTS_ALLOWED:
            table.optimize(cleanup_older_than=OLD_VERSIONS_KEPT)
        return int(added)

    def get(self, encoder: str, keys: Sequence[str]) -> Vectors:
        """The vectors in the order of `keys`, (N, D) float32; MissingVectors names those that are not there."""
        found: dict[str, Vectors] = {}
        for some_keys, some_vectors in self._read(encoder, list(dict.fromkeys(keys))):
            found.update(zip(some_keys, some_vectors, strict=True))
        missing = [key for key in dict.fromkeys(keys) if key not in found]
        if missing:
            raise MissingVectors(encoder, missing)
        return np.stack([found[key] for key in keys]) if keys else np.zeros((0, 0), np.float32)

    def matrix(self, encoder: str, keys: Sequence[str | None]) -> Vectors:
        """The same as `get`, memory-mapped: for many keys, read-only, and nothing is copied into memory.

        A key that is None gives a row of NaN; not all of them may be None.
        """
        return self._up_to_date(encoder, [key for key in keys if key is not None]).matrix(keys)

    def token(self, encoder: str) -> bytes:
        """Changes when vectors were removed since `matrix` was asked for the encoder's; empty where it never was."""
        return self._mapping(encoder).token()

    def compact(self) -> None:
        """Gather small appends and drop versions that nobody reads any more. Called on a schedule."""
        for name in self._tables():
            self._connected().open_table(name).optimize(cleanup_older_than=OLD_VERSIONS_KEPT)

    def collect(self, encoder: str, keep: set[str]) -> int:
        """Remove the vectors whose keys are not in `keep`; return how many that were."""
        table = self._table(encoder)
        if table is None:
            return 0
        gone = [key for key in _keys(table.search().select(["key"]).to_arrow()) if key not in keep]
        for some in batches(gone, KEYS_A_LOOKUP):
            table.delete(_any_of(some))
        if gone:
            self._mapping(encoder).clear()
        return len(gone)

    def _up_to_date(self, encoder: str, keys: Sequence[str]) -> MappedVectors:
        mapped = self._mapping(encoder)
        new = mapped.unknown(keys)
        for some in batches(new, KEYS_A_LOOKUP * 4):
            mapped.append(some, self.get(encoder, some))
        return mapped

    def _mapping(self, encoder: str) -> MappedVectors:
        return self._mapped.setdefault(encoder, MappedVectors(self._mapped_folder / _safe(encoder)))

    def _read(self, encoder: str, keys: list[str]) -> Iterator[tuple[list[str], Vectors]]:
        table = self._table(encoder)
        for some in batches(keys if table is not None else [], KEYS_A_LOOKUP):
            rows = table.search().where(_any_of(some)).limit(2 * len(some)).to_arrow()
            yield _keys(rows), _vectors(rows)

    def _table(self, encoder: str, dimensions: int | None = None) -> Any:
        """The encoder's table; made if `dimensions` are given, else None where there is none yet."""
        name = _safe(encoder)
        if dimensions is not None:
            return self._connected().create_table(name, schema=_schema(dimensions), exist_ok=True)
        return self._connected().open_table(name) if name in self._tables() else None

    def _tables(self) -> list[str]:
        names: list[str] = []
        token = None
        while True:
            page = self._connected().list_tables(page_token=token)
            names += list(page.tables)
            token = page.page_token
            if not token:
                return names

    def _connected(self) -> Any:
        if self._database is None:
            self._database = lancedb.connect(self._address)
        return self._database


def _safe(encoder: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,120}", encoder):
        raise Invalid(f"{encoder!r} cannot name an encoder: use letters, digits, '-', '_' and '.'.")
    return encoder


def _schema(dimensions: int) -> pa.Schema:
    return pa.schema([("key", pa.binary(32)), ("vector", pa.list_(pa.float16(), dimensions))])


def _to_arrow(keys: Sequence[str], vectors: Vectors) -> pa.Table:
    raw = pa.py_buffer(b"".join(bytes.fromhex(key) for key in keys))
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float16).reshape(-1), type=pa.float16())
    columns = [
        pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), len(keys), [None, raw]),
        pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
    ]
    return pa.table(columns, schema=_schema(vectors.shape[1]))


def _keys(rows: pa.Table) -> list[str]:
    return [key.hex() for key in rows.column("key").to_pylist()]


def _vectors(rows: pa.Table) -> Vectors:
    if not rows.num_rows:
        return np.zeros((0, 0), np.float32)
    flat = rows.column("vector").combine_chunks().flatten()
    return np.asarray(flat).reshape(rows.num_rows, -1).astype(np.float32)


def _any_of(keys: Iterable[str]) -> str:
    return "key IN (" + ",".join(f"X'{bytes.fromhex(key).hex()}'" for key in keys) + ")"
