"""Whether the write-ahead log of a SQLite database still holds all that was committed to it.

In: the database's path, before anybody opens it. Out: what is missing, or nothing. SQLite itself takes a log that ends
early, or has other bytes, for one to which less was committed, and drops the rest without a word. The index beside it
(`-shm`) outlives a killed process and knows better. Source: https://www.sqlite.org/walformat.html
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["lost_of_log"]

INDEX_BYTES, LOG_BYTES, FRAME_BYTES = 48, 32, 24
BACKFILLED = 2 * INDEX_BYTES
"""Where the index says how many frames are in the database already."""
BIG_ENDIAN_MARK = 0x377F0683
LARGEST_SUMMED_BYTES = 32 * 2**20
"""Of a longer log only the length is compared: summing takes some 80 ms for each MiB."""
WORD = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class _Index:
    """What the index says of the log: how many frames of which page size, the checksum of the last, and its salts."""

    page_bytes: int
    frames: int
    sums: tuple[int, int]
    salts: bytes


def lost_of_log(path: Path) -> str | None:
    """What the log of this database has lost, in words; None where nothing is known to be missing."""
    index = _read_index(path)
    lost = None if index is None else _lost(Path(f"{path}-wal"), index)
    return lost if _read_index(path) == index else None  # else somebody writes, and has opened it


def _lost(log: Path, index: _Index) -> str | None:
    wanted = LOG_BYTES + index.frames * (FRAME_BYTES + index.page_bytes)
    try:
        with log.open("rb") as file:
            head = file.read(LOG_BYTES)
            if len(head) == LOG_BYTES and head[16:24] != index.salts:
                return None  # it was begun anew since
            size = log.stat().st_size
            if size >= wanted:
                right = wanted > LARGEST_SUMMED_BYTES or _sums(head, file, index) == index.sums
                return None if right else f"{log} holds other bytes than were written"
    except (FileNotFoundError, NotADirectoryError):
        size = 0
    return f"{log} has {size} bytes, and {wanted} were written"


def _read_index(path: Path) -> _Index | None:
    """The index, where both its copies agree and frames wait in the log alone."""
    try:
        with Path(f"{path}-shm").open("rb") as file:
            content = file.read(BACKFILLED + 4)
    except (FileNotFoundError, NotADirectoryError):
        return None
    whole = len(content) == BACKFILLED + 4 and content[:INDEX_BYTES] == content[INDEX_BYTES:BACKFILLED]
    if not whole or not content[12]:
        return None
    page, frames, _, first, second = struct.unpack_from("=HIIII", content, 14)
    if frames <= struct.unpack_from("=I", content, BACKFILLED)[0]:
        return None
    return _Index(65_536 if page == 1 else page, frames, (first, second), content[32:40])


def _sums(head: bytes, frames: BinaryIO, index: _Index) -> tuple[int, int]:
    """The checksum of the last frame, which runs over all before it."""
    order = ">" if struct.unpack_from(">I", head)[0] == BIG_ENDIAN_MARK else "<"
    sums = _added((0, 0), head[:24], order)
    for _ in range(index.frames):
        frame = frames.read(FRAME_BYTES + index.page_bytes)
        sums = _added(_added(sums, frame[:8], order), frame[FRAME_BYTES:], order)
    return sums


def _added(sums: tuple[int, int], content: bytes, order: str) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(content) // 4}I", content)
    for left, right in zip(words[::2], words[1::2], strict=True):
        first = (first + left + second) & WORD
        second = (second + right + first) & WORD
    return first, second
