"""Removes rows with all rows that point at them, in the order that foreign keys allow; a new table needs no word here.

In: a table and ids. Out: how many rows of each table went.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.tables import Base


def delete_with_dependents(session: Session, table: type[Any], ids: Collection[int]) -> dict[str, int]:
    """Delete these rows and whatever points at them, over as many tables as that leads through.

    A column that may be empty counts too: what names a deleted row speaks of it.
    """
    if not ids:
        return {}
    connection = session.connection()
    deleted = {
        name: connection.execute(statement, {"ids": list(ids)}).rowcount
        for name, statement in _deletes(table.__table__)
    }
    session.expire_all()
    return deleted


@cache  # made once for a table: putting them together costs more than running them
def _deletes(root: sa.Table) -> tuple[tuple[str, sa.Delete], ...]:
    """What deletes the rows of `ids` and all that point at them, the last of these first."""
    conditions: dict[sa.Table, sa.ColumnElement[bool]] = {root: root.c.id.in_(sa.bindparam("ids", expanding=True))}
    for one in Base.metadata.sorted_tables:  # whom others point at comes first
        leading = [_points_at(key, conditions) for key in one.foreign_keys if key.column.table in conditions]
        if leading and one not in conditions:
            conditions[one] = sa.or_(*leading)
    ordered = [one for one in reversed(Base.metadata.sorted_tables) if one in conditions]
    return tuple((one.name, sa.delete(one).where(conditions[one])) for one in ordered)


def _points_at(key: sa.ForeignKey, conditions: dict[sa.Table, sa.ColumnElement[bool]]) -> sa.ColumnElement[bool]:
    there = key.column.table
    return key.parent.in_(sa.select(key.column).where(conditions[there]))
