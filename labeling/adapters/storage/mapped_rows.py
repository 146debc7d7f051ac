"""Rows of fixed size in one memory-mapped file, appended to, derived, deletable at any time.

In: structured arrays, and a text that says what they were made of. Out: a read-only mapped array. The header is written
after the rows, so what a killed process left behind it does not count; a file made anew replaces the old one whole.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

__all__ = ["MappedRows"]

Rows = NDArray[np.void]
HEADER = struct.Struct("<32s32sQ")
"""Hash of the rows' type, hash of what they were made of, and how many rows count."""


class MappedRows:
    """One file; processes that share it write one after the other."""

    def __init__(self, path: Path, dtype: np.dtype[np.void]) -> None:
        self._path, self._dtype = path, dtype
        self._kind = sha256(repr(dtype.descr).encode()).digest()

    def made_of(self, state: str) -> bool:
        """Whether the rows that are there were made of exactly this."""
        return self._header()[0] == sha256(state.encode()).digest()

    def read(self) -> Rows:
        """All rows that count, mapped; none where there is no file, or one of another type."""
        count = self._header()[1]
        if not count:
            return np.zeros(0, self._dtype)
        return np.memmap(self._path, dtype=self._dtype, mode="r", offset=HEADER.size, shape=(count,))

    def update(self, state: str, added: Callable[[Rows], tuple[bool, Iterable[Rows]]]) -> Rows:
        """Bring the file up to `state`.

        Parameters
        ----------
        state : str
            What the rows are made of from now on.
        added : function
            Gets the rows that are there. Says whether they stay (else the file is made anew), and gives blocks of rows
            that follow them.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._path.with_suffix(".lock")):
            there = self.read()
            stay, blocks = added(there)
            target = self._path if stay and len(there) else self._path.with_suffix(f".{os.getpid()}")
            count = self._write(target, blocks, len(there) if stay else 0, state)
            if target != self._path:
                target.replace(self._path)
        return self.read() if count else np.zeros(0, self._dtype)

    def _write(self, path: Path, blocks: Iterable[Rows], count: int, state: str) -> int:
        with path.open("r+b" if count else "wb") as file:
            file.truncate(HEADER.size + count * self._dtype.itemsize)
            file.seek(0, os.SEEK_END)
            for block in blocks:
                file.write(np.ascontiguousarray(block, self._dtype).tobytes())
                count += len(block)
            file.flush()
            file.seek(0)
            file.write(HEADER.pack(self._kind, sha256(state.encode()).digest(), count))
        return count

    def _header(self) -> tuple[bytes, int]:
        try:
            with self._path.open("rb") as file:
                content = file.read(HEADER.size)
        except FileNotFoundError:
            return b"", 0
        if len(content) < HEADER.size:
            return b"", 0
        kind, state, count = HEADER.unpack(content)
        return (state, count) if kind == self._kind else (b"", 0)
