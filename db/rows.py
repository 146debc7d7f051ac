"""From rows to frozen values and back: a field has the column of its name.

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

from labeling.slices import batches

KEYS_A_STATEMENT = 500
T = TypeVar("T")


def columns(kind: type[Any], *tables: Any, **given: Any) -> list[sa.ColumnElement[Any]]:
    """What to select for values of this kind: `given` by name, else the first of the tables that has such a column."""
    names = [field.name for field in fields(kind)]
    found = {name: getattr(table, name) for table in reversed(tables) for name in names if hasattr(table, name)}
    return [column.label(name) for name, column in {**found, **given}.items()]


def read(kind: type[T], row: object) -> T:
    """One value."""
    return msgspec.convert(row, kind, from_attributes=True)


def read_all(kind: type[T], rows: Iterable[object]) -> list[T]:
    """All values, in the order of their rows."""
    return [msgspec.convert(row, kind, from_attributes=True) for row in rows]


def to_row(value: Any, **more: Any) -> dict[str, Any]:
    """A value's fields as a database takes them, and `more` columns."""
    stored: dict[str, Any] = msgspec.to_builtins(value, builtin_types=(datetime,))
    return {**stored, **more}


def in_parts(keys: Iterable[T]) -> Iterator[list[T]]:
    """Each key once, as many at a time as fit into one statement."""
    return batches(dict.fromkeys(keys), KEYS_A_STATEMENT)


def newest(column: InstrumentedAttribute[int], *where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """The highest id of the rows that meet the conditions, looked for from the newest row back.

    A condition on another table belongs into an `exists`: a join may be read from that table, all of it.
    """
    return sa.select(column).where(*where).order_by(column.desc()).limit(1)


def count(session: Session, table: type[Any], *where: sa.ColumnElement[bool]) -> int:
    """How many rows of a table there are."""
    return session.scalar(sa.select(sa.func.count()).select_from(table).where(*where)) or 0
