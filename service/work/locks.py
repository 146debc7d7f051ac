"""One job of a project at a time, whatever arguments it was asked with and however many workers there are."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa


class OneAtATime:
    """Locks by name: in this process, and on PostgreSQL among all workers (an advisory lock).

    On SQLite there is one worker process, so the process's own lock is enough.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        with self._locks[name]:
            if self._engine.dialect.name != "postgresql":
                yield
                return
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                key = sa.func.hashtextextended(name, 0)
                connection.execute(sa.select(sa.func.pg_advisory_lock(key)))
                try:
                    yield
                finally:
                    connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))
