"""Webhook events made durable in a small SQLite file of their own, whatever the main database is doing.

In: events (project, action, ids). Out: the same, oldest first, to whoever drains them. `put` returns when the
event is on disk (synchronous=FULL); calls that come while a commit is under way share the next one, so many
events cost one fsync. The same event twice is one row.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from labeling.errors import StorageFull, Unavailable

__all__ = ["Spool", "Spooled"]

BUSY_TIMEOUT_S = 5.0
_TABLE = """CREATE TABLE IF NOT EXISTS spool (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, project_id INTEGER NOT NULL,
    action TEXT NOT NULL, hint TEXT NOT NULL, received_at REAL NOT NULL)"""


@dataclass(frozen=True, slots=True)
class Spooled:
    """One event on its way to the inbox; the same event always has the same key."""

    key: str
    project_id: int
    action: str
    hint: Mapping[str, list[int]]
    received_at: datetime


@dataclass(slots=True)
class _Waiting:
    row: tuple[str, int, str, str, float]
    done: bool = False
    error: Exception | None = field(default=None)


class Spool:
    """The file at `path`; safe for many threads and for several processes at once."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._gate = threading.Lock()  # guards _waiting
        self._writer = threading.Lock()  # held by the one who commits
        self._waiting: list[_Waiting] = []
        self._file = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", _TABLE):
            self._file.execute(statement)

    def put(self, project_id: int, action: str, hint: Mapping[str, Sequence[int]], *, key: str) -> None:
        """Keep an event; when this returns it survives a power cut."""
        mine = _Waiting((key, project_id, action, json.dumps(hint), time.time()))
        with self._gate:
            self._waiting.append(mine)
        with self._writer:  # whoever gets here first commits for all that wait
            if not mine.done:
                self._commit_waiting()
        if mine.error is not None:
            raise mine.error

    def drain(self, n: int = 1_000) -> list[Spooled]:
        """The oldest `n` events; they stay until `done`."""
        with self._writer:
            rows = self._file.execute(
                "SELECT key, project_id, action, hint, received_at FROM spool ORDER BY id LIMIT ?", (n,)
            ).fetchall()
        return [
            Spooled(key, project_id, action, json.loads(hint), datetime.fromtimestamp(at, UTC))
            for key, project_id, action, hint, at in rows
        ]

    def done(self, keys: Sequence[str]) -> None:
        """Forget events that are safe in the inbox."""
        with self._writer:
            self._write("DELETE FROM spool WHERE key = ?", [(key,) for key in keys])

    def close(self) -> None:
        with self._writer:
            self._file.close()

    def _commit_waiting(self) -> None:
        with self._gate:
            batch, self._waiting = self._waiting, []
        error: Exception | None = None
        try:
            self._write(
                "INSERT INTO spool (key, project_id, action, hint, received_at) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (key) DO NOTHING",
                [waiting.row for waiting in batch],
            )
        except (sqlite3.Error, Unavailable) as failure:
            error = failure
        for waiting in batch:
            waiting.error, waiting.done = error, True

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        try:
            self._file.execute("BEGIN IMMEDIATE")
            self._file.executemany(statement, rows)
            self._file.execute("COMMIT")
        except sqlite3.Error as error:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            if "full" in str(error):
                raise StorageFull from error
            raise Unavailable("The spool of webhook events cannot be written now; nothing was acknowledged.") from error
