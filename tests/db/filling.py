"""Rows in every table of a database, whatever its schema: made from what the database says of its own tables.

In: a database at any revision. Out: some rows in each table of ours that has none, so that a new table is filled too.
Texts and numbers tell table, column and row, so what should be unique is, and what is moved is noticed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from db.tables import Base
from tests.factories import NOW

ROWS = 3
Row = dict[str, Any]


def tables_of(engine: sa.Engine) -> list[sa.Table]:
    """Our tables as they are now, each after those that it refers to; the durable engine's are left out.

    It asks the database of every column and key, which costs as much as a few migrations: once for each schema.
    """
    metadata = sa.MetaData()
    metadata.reflect(engine, only=lambda name, _: name in Base.metadata.tables)
    return metadata.sorted_tables


def fill(engine: sa.Engine, tables: Sequence[sa.Table]) -> None:
    """Give each of these tables some rows if it has none."""
    with engine.begin() as connection:
        for table in tables:
            if not _count(connection, table):
                for number in range(ROWS):
                    connection.execute(sa.insert(table).values(**_row(connection, table, number)))


def rows_of(engine: sa.Engine, tables: Sequence[sa.Table]) -> dict[str, list[Row]]:
    """All rows of each of these tables, in the order of their keys."""
    with engine.connect() as connection:
        return {table.name: [dict(row) for row in connection.execute(_ordered(table)).mappings()] for table in tables}


def _ordered(table: sa.Table) -> sa.Select[Any]:
    return sa.select(table).order_by(*table.primary_key.columns)


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def _row(connection: sa.Connection, table: sa.Table, number: int) -> Row:
    return {
        column.name: _value(connection, column, number) for column in table.columns if not _numbered_by_itself(column)
    }


def _numbered_by_itself(column: sa.Column[Any]) -> bool:
    alone = len(column.table.primary_key.columns) == 1
    return column.primary_key and alone and isinstance(column.type, sa.Integer) and not column.foreign_keys


def _value(connection: sa.Connection, column: sa.Column[Any], number: int) -> Any:
    for key in column.foreign_keys:
        known = connection.scalars(sa.select(key.column).order_by(key.column)).all()
        return known[number % len(known)]
    kind = column.type
    if isinstance(kind, sa.JSON):
        return {column.name: number}
    if isinstance(kind, sa.DateTime):
        return NOW
    if isinstance(kind, sa.Boolean):
        return number % 2 == 0
    if isinstance(kind, sa.LargeBinary):
        return f"{column} {number}".encode()
    if isinstance(kind, sa.Integer | sa.Float):
        return number + 1
    assert isinstance(kind, sa.Text | sa.String), f"{column} is of a type that this filler does not know: {kind!r}"
    return f"{column} {number}"
