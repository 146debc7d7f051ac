"""From rows to frozen values and back: a field has the column of its name. And the questions that many tables share.

In: a row, or the kinds of rows to take fields from. Out: values, columns. What a column holds as text or list becomes
the enumeration or tuple that the field is; a field without a column keeps its default.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from labeling.conversion import convert
from labeling.slices import batches

KEYS_A_STATEMENT = 500
T = TypeVar("T")


def columns(kind: type[Any], /, *tables: Any, **given: Any) -> list[sa.ColumnElement[Any]]:
    """What to select for values of this kind: `given` by name, else the first of the tables that has such a column."""
    names = [field.name for field in fields(kind)]
    found = {name: getattr(table, name) for table in reversed(tables) for name in names if hasattr(table, name)}
    return [column.label(name) for name, column in {**found, **given}.items()]


def read(kind: type[T], row: object) -> T:
    """One value."""
    return convert(row, kind, from_attributes=True)


def read_first(session: Session, kind: type[T], statement: sa.Select[*tuple[Any, ...]]) -> T | None:
    """The first row's value; None where there is no row."""
    row = session.execute(statement.limit(1)).first()
    return None if row is None else read(kind, row)


def read_all(kind: type[T], rows: Iterable[object]) -> list[T]:
    """All values, in the order of their rows."""
    return [convert(row, kind, from_attributes=True) for row in rows]


def to_row(value: Any, **more: Any) -> dict[str, Any]:
    """A value's fields as a database takes them, and `more` columns."""
    stored: dict[str, Any] = msgspec.to_builtins(value, builtin_types=(datetime,))
    return {**stored, **more}


def in_parts(keys: Iterable[T]) -> Iterator[list[T]]:
    """Each key once, as many at a time as fit into one statement."""
    return batches(dict.fromkeys(keys), KEYS_A_STATEMENT)


def newest(column: InstrumentedAttribute[int], *where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """The highest id of the rows that meet the conditions, searched from the newest row back.

    A condition on another table belongs in an `exists`: a join may be read from that table, all of it.
    """
    return sa.select(column).where(*where).order_by(column.desc()).limit(1)


def rows_of(
    session: Session, statement: sa.Select[*tuple[Any, ...]], column: Any, keys: Iterable[Any]
) -> Iterator[sa.Row[*tuple[Any, ...]]]:
    """The rows whose column has one of these keys, however many keys there are; in order only within a part."""
    for some in in_parts(keys):
        yield from session.execute(statement.where(column.in_(some)))


def count(session: Session, table: type[Any], *where: sa.ColumnElement[bool]) -> int:
    """How many rows of a table there are."""
    return session.scalar(sa.select(sa.func.count()).select_from(table).where(*where)) or 0


def count_by(session: Session, column: Any, *where: sa.ColumnElement[bool]) -> dict[str, int]:
    """How many rows there are of each value of a column, in the order of the values."""
    rows = session.execute(sa.select(column, sa.func.count()).where(*where).group_by(column).order_by(column))
    return {str(value): int(number) for value, number in rows}


def count_if(condition: Any) -> sa.ColumnElement[int]:
    """How many of the rows that a query reads meet a condition, as a column of its result."""
    return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)


def fingerprint_of(session: Session, *parts: sa.Select[Any]) -> str:
    """A short text that changes whenever one of these numbers does."""
    row = session.execute(sa.select(*(part.scalar_subquery() for part in parts))).one()
    return "-".join(str(value or 0) for value in row)


def newest_of(column: Any, owner: Any, on: sa.ColumnElement[bool], project_id: int) -> sa.Select[Any]:
    """The highest id of a project's rows, where the project is a column of their `owner`."""
    return newest(column, sa.exists().where(on, owner.project_id == project_id))
