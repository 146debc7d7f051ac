"""Removes rows with all rows that point at them, in the order that foreign keys allow; a new table needs no word here.

In: a table and ids. Out: how many rows of each table went.
"""

from __future__ import annotations

from collections.abc import Collection
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
    root: sa.Table = table.__table__
    conditions: dict[sa.Table, sa.ColumnElement[bool]] = {root: root.c.id.in_(list(ids))}
    for one in Base.metadata.sorted_tables:  # whom others point at comes first
        if one not in conditions:
            leading = [_points_at(key, conditions) for key in one.foreign_keys if key.column.table in conditions]
            if leading:
                conditions[one] = sa.or_(*leading)
    connection = session.connection()
    deleted = {}
    for one in reversed(Base.metadata.sorted_tables):
        if one in conditions:
            deleted[one.name] = connection.execute(sa.delete(one).where(conditions[one])).rowcount
    session.expire_all()
    return deleted


def _points_at(key: sa.ForeignKey, conditions: dict[sa.Table, sa.ColumnElement[bool]]) -> sa.ColumnElement[bool]:
    there = key.column.table
    return key.parent.in_(sa.select(key.column).where(conditions[there]))
