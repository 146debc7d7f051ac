"""A slice of a list, newest first: where to go on is the id of the last item, so every slice costs the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import read_all

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """Some items, and the `after` that gives those which follow; None at the end."""

    items: list[T]
    next_after: int | None


def slice_of(
    session: Session,
    statement: sa.Select[*tuple[Any, ...]],
    key: Any,
    after: int | None,
    limit: int,
    kind: type[T],
) -> Slice[T]:
    """The next `limit` rows whose `key` is under `after`, each as a value of this kind."""
    if after is not None:
        statement = statement.where(key < after)
    rows = session.execute(statement.order_by(key.desc()).limit(limit + 1)).all()
    items = read_all(kind, rows[:limit])
    return Slice(items, items[-1].id if len(rows) > limit else None)  # type: ignore[attr-defined]
