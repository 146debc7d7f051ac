"""Takes names out of files that other processes are appending to, and what was deleted out of SQLite's files.

In: log files and texts, or a database file. Out: the same files without them. A log keeps its length: other processes
write on at its end. In a database a deleted row's bytes stay in the file until it is written anew.
"""

from __future__ import annotations

import mmap
import re
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from labeling.errors import Unavailable

__all__ = ["blank_out", "empty_out", "rewrite_database"]

BUSY_TIMEOUT_S = 30.0
SHORTEST = 4
"""A shorter text says nothing alone, and stands in half of all words."""
TEXTS_AT_ONCE = 500


def blank_out(files: Iterable[Path], texts: Iterable[str]) -> int:
    """Overwrite these texts wherever they stand as words of their own, in place; how many places that were."""
    words = sorted({text for text in texts if len(text) >= SHORTEST}, key=len, reverse=True)
    places = 0
    for path in files if words else ():
        places += _blank(path, words)
    return places


def empty_out(files: Iterable[Path]) -> None:
    """Overwrite whole files, as they are now."""
    for path in files:
        with path.open("r+b") as file:
            size = path.stat().st_size
            for start in range(0, size, 2**20):
                file.write(b" " * min(2**20, size - start))


def rewrite_database(path: Path) -> None:
    """Write a SQLite database anew, so that nothing of what was deleted is left in its file or in its log.

    Raises
    ------
    Unavailable
        Others use it all the time; try again.
    """
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as database:
        database.execute("VACUUM")
        if database.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            busy = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            if busy:
                raise Unavailable(f"{path.name} is in use; what was deleted is taken out of its files in a moment.")


def _blank(path: Path, words: Sequence[str]) -> int:
    if not path.stat().st_size:
        return 0
    places = 0
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        for start in range(0, len(words), TEXTS_AT_ONCE):
            for found in list(_pattern(words[start : start + TEXTS_AT_ONCE]).finditer(content)):
                content[found.start() : found.end()] = b"x" * (found.end() - found.start())
                places += 1
        content.flush()
    return places


def _pattern(words: Sequence[str]) -> re.Pattern[bytes]:
    """As they are, and as a log in JSON writes what is not ASCII."""
    forms = {form for word in words for form in (word.encode(), word.encode("ascii", "backslashreplace"))}
    either = b"|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    return re.compile(rb"(?<![0-9A-Za-z_])(?:" + either + rb")(?![0-9A-Za-z_])")
