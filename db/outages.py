"""Which errors say that something is away or full for now, so that trying again later may work, and which are faults.

In: any error. Out: StorageFull, DatabaseDamaged or Unavailable, to be shown to whoever asked; None for everything else.
A database's errors are judged by its own codes: SQLite calls a wrong table's name operational, too.
"""

from __future__ import annotations

import errno
import sqlite3

import sqlalchemy.exc

from labeling.errors import NO_ROOM, SPENT, DatabaseDamaged, StorageFull, Unavailable

__all__ = ["outage_of"]

AWAY = frozenset(
    {
        *SPENT,
        *(errno.EIO, errno.EROFS, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.EACCES, errno.EPERM),  # a disk
        *(errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL),
    }
)
_SQLITE_FULL = frozenset(
    {
        *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE),
        *(sqlite3.SQLITE_IOERR_TRUNCATE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC),
    }
)
"""SQLite says "full" to ENOSPC alone: a quota and a file-size limit are errors of writing or syncing."""
_SQLITE_AWAY = frozenset(
    {
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY),
        *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_PERM),
        *(sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_ABORT, sqlite3.SQLITE_NOLFS),
    }
)
_SQLITE_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_POSTGRES_DAMAGED = ("XX001", "XX002")
_POSTGRES_FULL = "53100"
_POSTGRES_AWAY = ("08", "53", "57", "40", "55")
"""Classes of errors: of a connection, of resources, of a server that restarts, of transactions that clash, of locks."""
_DATABASE = "The database is busy or not there. Try again in a moment."


def outage_of(error: BaseException) -> Unavailable | None:
    """What the error, or what caused it, says about something that is away or full; None if it is a fault."""
    cause: BaseException | None = error
    while cause is not None:
        found = _judged(cause)
        if found is not None:
            return found
        cause = cause.__cause__
    return None


def _judged(error: BaseException) -> Unavailable | None:
    if isinstance(error, Unavailable):
        return error
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, sqlalchemy.exc.TimeoutError):
        return Unavailable(_DATABASE)
    if isinstance(error, sqlalchemy.exc.DBAPIError):
        if isinstance(error.orig, sqlite3.Error) or hasattr(error.orig, "sqlstate"):
            return _of_database(error.orig)
        named = isinstance(error, sqlalchemy.exc.OperationalError | sqlalchemy.exc.InterfaceError)
        return _by_its_words(str(error.orig)) if named else None
    return _of_database(error) if isinstance(error, sqlite3.Error) else None


def _of_system(error: OSError) -> Unavailable | None:
    if error.errno in NO_ROOM:
        return StorageFull()
    if error.errno in AWAY or isinstance(error, ConnectionError | TimeoutError):
        said = error.strerror or type(error).__name__
        return Unavailable(f"The system does not allow it now ({said}). Try again in a moment.")
    return None


def _of_database(error: BaseException | None) -> Unavailable | None:
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0)
        if code in _SQLITE_FULL:
            return StorageFull()
        if code & 0xFF in _SQLITE_DAMAGED:
            return DatabaseDamaged()
        return Unavailable(_DATABASE) if code & 0xFF in _SQLITE_AWAY else None
    state: str | None = getattr(error, "sqlstate", None)
    if state is None:  # no server answered
        return Unavailable(_DATABASE) if type(error).__name__ in ("OperationalError", "InterfaceError") else None
    if state == _POSTGRES_FULL:
        return StorageFull()
    if state in _POSTGRES_DAMAGED:
        return DatabaseDamaged()
    return Unavailable(_DATABASE) if state[:2] in _POSTGRES_AWAY else None


def _by_its_words(said: str) -> Unavailable:
    """For a driver that gives no code."""
    return StorageFull() if "full" in said or "No space left" in said else Unavailable(_DATABASE)
