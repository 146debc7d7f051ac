"""Whether the file of a SQLite database is sound, by SQLite's own checks, within a bounded time.

In: a database. Out: what SQLite says is wrong with it, and whether the check came to its end. Nothing is changed but by
`rebuild_indices`. PostgreSQL checks its own pages, where it is set up so.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from db.outages import outage_of

__all__ = ["Soundness", "check_database", "check_file", "rebuild_indices"]

MOST_NAMED = 20
STEPS_BETWEEN = 500
"""SQLite asks after so many of its steps or pages whether it shall go on."""
BUSY_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Soundness:
    """What is `wrong`, in SQLite's words; `complete` is False where the time was over before all was read."""

    wrong: tuple[str, ...]
    complete: bool

    @property
    def only_indices(self) -> bool:
        """Whether all that is wrong is in indices, which are made of what the tables hold."""
        return bool(self.wrong) and all("index" in line for line in self.wrong)


def check_database(database: sa.Engine, *, deep: bool, within_s: float | None = None) -> Soundness:
    """Check all pages and rows of the file, if `deep` its indices too; of PostgreSQL, whether it keeps checksums."""
    if database.dialect.name != "sqlite":
        return _postgres(database)
    return check_file(Path(str(database.url.database)), deep=deep, within_s=within_s)


def check_file(path: Path, *, deep: bool, within_s: float | None = None) -> Soundness:
    """The same for any SQLite file; one that is not there is sound. Unavailable while another process holds it."""
    if not path.exists():
        return Soundness((), True)
    deadline = None if within_s is None else time.monotonic() + within_s

    def over() -> bool:
        return deadline is not None and time.monotonic() > deadline

    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as file:
        file.set_progress_handler(over, STEPS_BETWEEN)
        try:
            rows = file.execute(f"PRAGMA {'integrity_check' if deep else 'quick_check'}({MOST_NAMED})").fetchall()
        except sqlite3.DatabaseError as error:
            return _judged(error, in_time=deadline is None or time.monotonic() <= deadline)
    lines = [part.strip() for row in rows for part in str(row[0]).splitlines()]
    return Soundness(tuple(line for line in lines if line and line != "ok" and not line.startswith("***")), True)


def rebuild_indices(database: sa.Engine) -> None:
    """Make every index of a SQLite database anew from its table; what is wrong in a table stays wrong."""
    with closing(sqlite3.connect(str(database.url.database), timeout=BUSY_TIMEOUT_S, isolation_level=None)) as file:
        file.execute("REINDEX")


def _judged(error: sqlite3.DatabaseError, *, in_time: bool) -> Soundness:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_INTERRUPT:
        if in_time:  # SQLite keeps what was raised while it asked whether to go on: a Ctrl-C
            raise KeyboardInterrupt from error
        return Soundness((), False)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return Soundness((str(error),), True)
    raise outage_of(error) or error


def _postgres(database: sa.Engine) -> Soundness:
    with database.connect() as connection:
        kept = connection.exec_driver_sql("SHOW data_checksums").scalar_one() == "on"
    return Soundness((), kept)
