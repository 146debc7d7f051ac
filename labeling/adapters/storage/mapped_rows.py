"""Rows of fixed size in one memory-mapped file, appended to, derived, deletable at any time.

In: structured arrays, and a text that says what they were made of. Out: a read-only mapped array. The header is written
after the rows, so what a killed process left behind it does not count; a file made anew replaces the old one whole.
A file whose rows are not those that were written counts for nothing, so it is made anew.
"""

from __future__ import annotations

import logging
import os
import struct
import zlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

__all__ = ["MappedRows", "rows_are_whole"]

_log = logging.getLogger(__name__)

Rows = NDArray[np.void]
HEADER = struct.Struct("<8s32s32sQQ")
"""The mark, hash of the rows' type, hash of what they were made of, their bytes that count, and the CRC-32 of these."""
MARK = b"rows v2\n"
PIECE_BYTES = 4 * 2**20


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
            count = self._write(target, blocks, there if stay else there[:0], state)
            if target != self._path:
                target.replace(self._path)
        return self.read() if count else np.zeros(0, self._dtype)

    def _write(self, path: Path, blocks: Iterable[Rows], there: Rows, state: str) -> int:
        count = len(there)
        checksum = self._header()[2] if count else 0
        with path.open("r+b" if count else "wb") as file:
            file.truncate(HEADER.size + count * self._dtype.itemsize)
            file.seek(0, os.SEEK_END)
            for block in blocks:
                content = np.ascontiguousarray(block, self._dtype).tobytes()
                file.write(content)
                count, checksum = count + len(block), zlib.crc32(content, checksum)
            file.flush()
            file.seek(0)
            file.write(
                HEADER.pack(MARK, self._kind, sha256(state.encode()).digest(), count * self._dtype.itemsize, checksum)
            )
        return count

    def _header(self) -> tuple[bytes, int, int]:
        """What the rows were made of, how many count and their checksum; nothing where they are not whole."""
        try:
            with self._path.open("rb") as file:
                content = file.read(HEADER.size)
                found = os.fstat(file.fileno())
        except FileNotFoundError:
            return b"", 0, 0
        if len(content) < HEADER.size:
            return b"", 0, 0
        mark, kind, state, size, checksum = HEADER.unpack(content)
        if mark != MARK or kind != self._kind:
            return b"", 0, 0
        if _known_sum(self._path, found.st_ino, found.st_mtime_ns, size) != checksum:
            _log.warning("damaged rows are made anew: %s", self._path)
            return b"", 0, 0
        return state, size // self._dtype.itemsize, checksum


def rows_are_whole(path: Path) -> bool:
    """Whether the rows of a file, of whatever type, are those that were written; FileNotFoundError without a file.

    A file without our mark is of an older version: nobody reads it, and it is made anew.
    """
    with path.open("rb") as file:
        content = file.read(HEADER.size)
    if not content.startswith(MARK):
        return True
    if len(content) < HEADER.size:
        return False
    _, _, _, size, checksum = HEADER.unpack(content)
    return bool(_sum_of(path, size) == checksum)


@lru_cache(maxsize=64)
def _known_sum(path: Path, _inode: int, _mtime_ns: int, size: int) -> int:
    """`_sum_of` a file as it stands, taken once."""
    return _sum_of(path, size)


def _sum_of(path: Path, size: int) -> int:
    """The checksum of the rows of a file, read anew; of a file that is too short, none: -1."""
    checksum = 0
    with path.open("rb") as file:
        file.seek(HEADER.size)
        while size:
            content = file.read(min(PIECE_BYTES, size))
            if not content:
                return -1
            checksum, size = zlib.crc32(content, checksum), size - len(content)
    return checksum
