"""What an error says: full, away, or a fault. With the errors that SQLite, PostgreSQL and the system really give."""

from __future__ import annotations

import errno
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from db.outages import outage_of
from db.session import make_engine, reading, transaction
from labeling.errors import DatabaseDamaged, Invalid, StorageFull, Unavailable

NO_ROOM = [errno.ENOSPC, errno.EDQUOT, errno.EFBIG]
AWAY = [errno.EMFILE, errno.ENFILE, errno.EIO, errno.EROFS, errno.ESTALE, errno.EACCES, errno.ECONNREFUSED, errno.EPIPE]


@pytest.mark.parametrize("number", NO_ROOM)
def test_no_room_of_the_system_is_full(number: int) -> None:
    assert isinstance(outage_of(OSError(number, "no room")), StorageFull)


@pytest.mark.parametrize("number", AWAY)
def test_what_the_system_does_not_allow_now_is_an_outage(number: int) -> None:
    found = outage_of(OSError(number, "no"))

    assert found is not None
    assert not isinstance(found, StorageFull)


@pytest.mark.parametrize(
    "error", [FileNotFoundError(2, "no file"), ValueError("x"), Invalid("x"), IsADirectoryError(21)]
)
def test_a_fault_is_none(error: Exception) -> None:
    assert outage_of(error) is None


def test_what_caused_an_error_is_judged_too() -> None:
    error = RuntimeError("the library's own words")
    error.__cause__ = OSError(errno.ENOSPC, "no room")

    assert isinstance(outage_of(error), StorageFull)


def _raised(statement: str, **options: object) -> sa.exc.SQLAlchemyError:
    engine = sa.create_engine("sqlite://", **options)  # type: ignore[arg-type]
    with engine.connect() as connection, pytest.raises(sa.exc.SQLAlchemyError) as caught:
        connection.exec_driver_sql("PRAGMA max_page_count=2")
        connection.exec_driver_sql("CREATE TABLE t (x BLOB)")
        connection.exec_driver_sql(statement)
    engine.dispose()
    return caught.value


def test_a_full_database_is_full_and_a_wrong_statement_a_fault() -> None:
    assert isinstance(outage_of(_raised("INSERT INTO t VALUES (zeroblob(100000))")), StorageFull)
    assert outage_of(_raised("SELECT * FROM no_such_table")) is None


def test_a_locked_a_read_only_and_a_missing_database_are_away(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    first, second = (sqlite3.connect(path, timeout=0, isolation_level=None) for _ in range(2))
    first.execute("CREATE TABLE t (x)")
    first.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError) as locked:
        second.execute("INSERT INTO t VALUES (1)")
    first.execute("ROLLBACK")
    second.execute("PRAGMA query_only=1")
    with pytest.raises(sqlite3.OperationalError) as read_only:
        second.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(sqlite3.OperationalError) as missing:
        sqlite3.connect(tmp_path / "no" / "a.db")
    first.close()
    second.close()

    for caught in (locked, read_only, missing):
        assert type(outage_of(caught.value)) is Unavailable


def test_a_quota_is_full_though_sqlite_calls_it_an_error_of_the_disk(tmp_path: Path) -> None:
    """A limit on the size of files gives the errors of a quota."""
    script = textwrap.dedent(f"""
        import resource
        from db.outages import outage_of
        from db.session import make_engine, transaction
        engine = make_engine("sqlite:///{tmp_path}/a.db")
        with transaction(engine) as session:
            session.connection().exec_driver_sql("CREATE TABLE t (x BLOB)")
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        put = "INSERT INTO t VALUES (zeroblob(500000))"
        try:
            with transaction(engine) as session:
                session.connection().exec_driver_sql(put)
        except Exception as error:
            print(type(error.orig).__name__, error.orig, type(outage_of(error)).__name__)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        with transaction(engine) as session:
            session.connection().exec_driver_sql(put)
            print(session.connection().exec_driver_sql("PRAGMA integrity_check").scalar())
    """)

    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True).stdout

    assert said.split()[-2:] == ["StorageFull", "ok"]


@pytest.mark.parametrize(
    ("error", "meant"),
    [
        (psycopg.errors.DiskFull("no space left on device"), StorageFull),
        (psycopg.errors.AdminShutdown("terminating connection"), Unavailable),
        (psycopg.errors.CannotConnectNow("starting up"), Unavailable),
        (psycopg.errors.TooManyConnections("too many clients"), Unavailable),
        (psycopg.errors.DeadlockDetected("deadlock"), Unavailable),
        (psycopg.OperationalError("connection refused"), Unavailable),
        (psycopg.errors.UndefinedTable("no such table"), None),
        (psycopg.errors.UniqueViolation("twice"), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_postgresql_is_judged_by_its_codes(error: Exception, meant: type[Unavailable] | None) -> None:
    wrapped = sa.exc.DBAPIError.instance("SELECT 1", {}, error, psycopg.Error)  # type: ignore[arg-type]

    found = outage_of(wrapped)

    assert (None if found is None else type(found)) is meant


def test_a_locked_database_is_an_outage_through_our_own_sessions(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/a.db")
    with transaction(engine) as session:
        session.connection().exec_driver_sql("CREATE TABLE t (x)")
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with engine.connect() as connection, pytest.raises(sa.exc.OperationalError) as caught:
        connection.exec_driver_sql("PRAGMA busy_timeout=10")
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")
    other.execute("ROLLBACK")
    other.close()
    engine.dispose()

    assert type(outage_of(caught.value)) is Unavailable


def test_a_file_that_is_no_database_is_damage_and_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"no database" * 500)
    database = make_engine(f"sqlite:///{tmp_path / 'a.db'}")

    with pytest.raises(sa.exc.DatabaseError) as raised, reading(database) as session:
        session.execute(sa.text("SELECT 1"))
    database.dispose()

    found = outage_of(raised.value)
    assert isinstance(found, DatabaseDamaged) and "doctor --deep" in found.message
