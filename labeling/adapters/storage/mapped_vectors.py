"""One encoder's vectors as one memory-mapped array, appended to, derived, deletable at any time.

In: keys and (N, D) float32. Out: read-only views in the order asked. Two files: `vectors.f32`, row after row, and
`keys`, a header and 32 bytes a row, written after it; a row counts when its key is there. Invariant: rows never change
or move while the header is the same; a new header means that the files were made anew.
"""

from __future__ import annotations

import os
import shutil
import struct
import threading
import uuid
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from labeling.slices import slices

__all__ = ["MappedVectors"]

KEY_BYTES = 32
HEADER = struct.Struct("<16sQ8x")
"""A token that is new with every new file, and D. As long as a key."""
GATHERED_KEPT = 4
ROWS_A_COPY = 4_096


class MappedVectors:
    """The mapped copy in one folder. Processes that share it append one after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows: dict[str, int] = {}
        self._header = b""
        self._lock = threading.RLock()  # two jobs of a worker may read one encoder's vectors

    def unknown(self, keys: Sequence[str]) -> list[str]:
        """Those keys, once each, that have no row yet."""
        with self._lock:
            self._refresh()
            return [key for key in dict.fromkeys(keys) if key not in self._rows]

    def append(self, keys: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Add rows; what another process added meanwhile is left out."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._lock, FileLock(self._folder / "lock"):
            place = {key: row for row, key in enumerate(keys)}
            new = self.unknown(keys)
            rows = np.ascontiguousarray(vectors[[place[key] for key in new]], dtype=np.float32)
            if not self._header:
                (self._folder / "keys").write_bytes(HEADER.pack(uuid.uuid4().bytes, vectors.shape[1]))
            _write_at(self._folder / "vectors.f32", len(self._rows) * vectors.shape[1] * 4, rows.tobytes())
            _write_at(self._folder / "keys", (len(self._rows) + 1) * KEY_BYTES, bytes.fromhex("".join(new)))
            self._refresh()

    def matrix(self, keys: Sequence[str | None]) -> NDArray[np.float32]:
        """(N, D) in the order of `keys`, mapped: a slice where they lie in a row, else a gathered file.

        A key that is None gives a row of NaN; not all of them may be None.
        """
        if not keys:
            return np.zeros((0, 0), np.float32)
        with self._lock:
            rows = self._rows_of(keys)
            if bool((np.diff(rows) == 1).all()):
                return self._array()[rows[0] : rows[-1] + 1]
            path = self._folder / f"gathered-{sha256(rows.tobytes()).hexdigest()[:24]}.f32"
            if not path.exists():
                self._write_gathered(path, rows)
            os.utime(path)
            return np.memmap(path, dtype=np.float32, mode="r").reshape(len(rows), -1)

    def token(self) -> bytes:
        """Changes when the files are made anew; empty where there are none."""
        path = self._folder / "keys"
        if not path.exists():
            return b""
        with path.open("rb") as file:
            return file.read(KEY_BYTES)

    def clear(self) -> None:
        """Forget everything; it is built again from the store when it is asked for."""
        with self._lock:
            self._rows, self._header = {}, b""
            shutil.rmtree(self._folder, ignore_errors=True)

    def _write_gathered(self, path: Path, rows: NDArray[np.int64]) -> None:
        array, temporary = self._array(), path.with_suffix(f".{os.getpid()}")
        with temporary.open("wb") as file:
            for some in slices(len(rows), ROWS_A_COPY):
                file.write(np.where(rows[some, None] < 0, np.float32(np.nan), array[rows[some]]).tobytes())
        temporary.replace(path)
        older = sorted(self._folder.glob("gathered-*.f32"), key=lambda found: found.stat().st_mtime)
        for found in older[:-GATHERED_KEPT]:
            found.unlink(missing_ok=True)  # a process that has it mapped keeps its pages

    def _rows_of(self, keys: Sequence[str | None]) -> NDArray[np.int64]:
        return np.fromiter((-1 if key is None else self._rows[key] for key in keys), dtype=np.int64, count=len(keys))

    def _array(self) -> NDArray[np.float32]:
        dimensions = HEADER.unpack(self._header)[1]
        shape = (len(self._rows), dimensions)
        return np.memmap(self._folder / "vectors.f32", dtype=np.float32, mode="r", shape=shape)

    def _refresh(self) -> None:
        """Read the keys that were added since, or all of them if the files were made anew."""
        path = self._folder / "keys"
        if not path.exists():
            self._rows, self._header = {}, b""
            return
        with path.open("rb") as file:
            header = file.read(KEY_BYTES)
            if header != self._header:
                self._rows, self._header = {}, header
            file.seek((len(self._rows) + 1) * KEY_BYTES)
            content = file.read()
        for start in range(0, len(content) - KEY_BYTES + 1, KEY_BYTES):
            self._rows[content[start : start + KEY_BYTES].hex()] = len(self._rows)


def _write_at(path: Path, offset: int, content: bytes) -> None:
    """Write at `offset` and drop what a killed process left behind it."""
    path.touch()
    with path.open("r+b") as file:
        file.truncate(offset)
        file.seek(offset)
        file.write(content)
        file.flush()
