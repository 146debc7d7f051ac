"""Webhook events made durable in a small SQLite file of their own, whatever the main database is doing.

In: events (project, action, ids) under a key. Out: the same, oldest first, to the drain. `put` returns
when the event is on disk (synchronous=FULL). One thread owns the file and commits all that came while it was busy
with the commit before, so many events cost one fsync. The same key twice is one row until it is drained.
"""

from __future__ import annotations

import json
import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from db.outages import outage_of
from db.repositories.reviews.inbox import Event
from labeling.errors import StorageFull, Unavailable

BUSY_TIMEOUT_S = 5.0
LARGEST_GROUP = 1_000
_TABLE = """CREATE TABLE IF NOT EXISTS spool (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, project_id INTEGER NOT NULL,
    action TEXT NOT NULL, hint TEXT NOT NULL, received_at REAL NOT NULL)"""
_INSERT = """INSERT INTO spool (key, project_id, action, hint, received_at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (key) DO NOTHING"""
_OLDEST = "SELECT key, project_id, action, hint, received_at FROM spool ORDER BY id LIMIT ?"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Act:
    """One thing to do with the file, and the future that gets its result once it is committed."""

    do: Callable[[sqlite3.Connection], Any]
    answer: Future[Any]


class Spool:
    """The file at `path`; safe for many threads of this process. `close` commits what was accepted."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._acts: queue.SimpleQueue[_Act | None] = queue.SimpleQueue()
        self._gate = threading.Lock()  # nothing is accepted after `close`
        self._closed = False
        self._file = self._open()
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    def put(self, project_id: int, action: str, hint: Mapping[str, Sequence[int]], *, key: str) -> None:
        """Keep an event; when this returns it survives a power cut. StorageFull or Unavailable if it could not be."""
        self.submit(project_id, action, hint, key=key).result()

    def submit(self, project_id: int, action: str, hint: Mapping[str, Sequence[int]], *, key: str) -> Future[None]:
        """The same without waiting: the answer comes when the event is on disk."""
        row = (key, project_id, action, json.dumps(hint), datetime.now(UTC).timestamp())

        def insert(file: sqlite3.Connection) -> None:
            file.execute(_INSERT, row)

        return self._ask(insert)

    def drain(self, n: int = 1_000) -> list[Event]:
        """The oldest `n` events; they stay until `done`."""
        rows = self._ask(lambda file: file.execute(_OLDEST, (n,)).fetchall()).result()
        return [
            Event(key, project_id, action, json.loads(hint), datetime.fromtimestamp(at, UTC))
            for key, project_id, action, hint, at in rows
        ]

    def done(self, keys: Sequence[str]) -> None:
        """Forget events that are safe in the inbox."""
        rows = [(key,) for key in keys]
        self._ask(lambda file: file.executemany("DELETE FROM spool WHERE key = ?", rows)).result()

    def close(self) -> None:
        """End the thread after all that was submitted, and close the file. A second time does nothing."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._acts.put(None)
        self._thread.join()

    def _open(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
            for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", _TABLE):
                file.execute(statement)
        except (OSError, sqlite3.Error) as error:
            message = f"The spool of webhook events {self._path} cannot be used ({error})."
            raise Unavailable(f"{message} Make it writable or move it away; the sweep finds its events.") from error
        return file

    def _ask(self, do: Callable[[sqlite3.Connection], T]) -> Future[T]:
        answer: Future[T] = Future()
        with self._gate:
            if self._closed:
                raise Unavailable("The spool of webhook events is closed: this process is ending.")
            self._acts.put(_Act(do, answer))
        return answer

    def _run(self) -> None:
        ended = False
        while not ended:
            group, ended = self._next_group()
            self._commit(group)
        self._file.close()

    def _next_group(self) -> tuple[list[_Act], bool]:
        """All that waits, but at least one; and whether `close` was among it."""
        group: list[_Act] = []
        while len(group) < LARGEST_GROUP:
            try:
                act = self._acts.get(block=not group)
            except queue.Empty:
                break
            if act is None:
                return group, True
            group.append(act)
        return group, False

    def _commit(self, group: Sequence[_Act]) -> None:
        """All of the group or nothing; no success is reported before it is on disk."""
        group = [act for act in group if act.answer.set_running_or_notify_cancel()]
        try:
            self._file.execute("BEGIN IMMEDIATE")
            results = [act.do(self._file) for act in group]
            self._file.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - raised again in everyone who waits; this thread must not end
            with suppress(sqlite3.Error):  # many errors have rolled back already
                self._file.execute("ROLLBACK")
            for act in group:
                act.answer.set_exception(_explained(error))
        else:
            for act, result in zip(group, results, strict=True):
                act.answer.set_result(result)


def _explained(error: Exception) -> Exception:
    if not isinstance(error, sqlite3.Error):
        return error
    if isinstance(outage_of(error), StorageFull):
        return StorageFull()
    return Unavailable("The spool of webhook events cannot be written now; nothing was acknowledged.")
