"""Database engines and the one commit: `transaction(engine)` yields a session and commits it at the edge.

SQLite runs in WAL mode with BEGIN IMMEDIATE for writers, so two processes never deadlock on an upgrade of a
lock; `synchronous=FULL` for what is acknowledged, NORMAL where `durable=False` (bulk writers, the durable
engine's own tables).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

BUSY_TIMEOUT_MS = 30_000


def make_engine(url: str, *, durable: bool = True, pool_size: int = 5) -> sa.Engine:
    """An engine for SQLite or PostgreSQL, set up as this module's header says."""
    if url.startswith("sqlite"):
        engine = sa.create_engine(url, pool_size=pool_size, max_overflow=20)
        _set_up_sqlite(engine, "FULL" if durable else "NORMAL")
        return engine
    return sa.create_engine(url, pool_size=pool_size, max_overflow=20, pool_pre_ping=True)


def _set_up_sqlite(engine: sa.Engine, synchronous: str) -> None:
    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we emit BEGIN ourselves, below
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            f"synchronous={synchronous}",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        read_only = connection.get_execution_options().get("read_only", False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[Session]:
    """A short read-and-write transaction: commits when the block ends well, rolls back when it does not."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def reading(engine: sa.Engine) -> Iterator[Session]:
    """A read-only transaction: one consistent state that never waits for a writer."""
    with (
        Session(engine.execution_options(read_only=True), expire_on_commit=False) as session,
        session.begin(),
    ):
        yield session


def insert_new(session: Session, table: type[Any], rows: Sequence[dict[str, Any]]) -> int:
    """Insert the rows whose unique keys are not there yet; return how many that were.

    This is where "exactly once" comes from: doing a step again inserts nothing.
    """
    if not rows:
        return 0
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(table.__table__).on_conflict_do_nothing()
    return session.connection().execute(statement, list(rows), execution_options={"preserve_rowcount": True}).rowcount


def update(session: Session, table: type[Any], *where: sa.ColumnElement[bool], **values: Any) -> int:
    """Change the rows that meet the conditions; return how many."""
    return session.connection().execute(sa.update(table).where(*where).values(**values)).rowcount


def delete(session: Session, table: type[Any], *where: sa.ColumnElement[bool]) -> int:
    """Delete the rows that meet the conditions; return how many."""
    return session.connection().execute(sa.delete(table).where(*where)).rowcount
