"""Cursors: where a list goes on, as text that a client hands back and does not read."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from db.paging import Slice
from labeling.errors import Invalid

T = TypeVar("T")
_AFTER = re.compile(r"after:([0-9]{1,18})")


class Paging(BaseModel):
    """Where to go on and how far."""

    after: int | None
    limit: int


class SliceOut(BaseModel, Generic[T]):
    """Some of the list, newest first. Ask again with `cursor=next_cursor` until it is null."""

    items: list[T]
    next_cursor: str | None = Field(description="Null at the end of the list.")


def _paging(
    cursor: Annotated[str | None, Query(max_length=64, description="`next_cursor` of the slice before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Most items in the answer.")] = 50,
) -> Paging:
    return Paging(after=None if cursor is None else _read(cursor), limit=limit)


PagingDep = Annotated[Paging, Depends(_paging)]


def slice_out(found: Slice[T]) -> SliceOut[T]:
    """A slice as answered."""
    after = found.next_after
    cursor = None if after is None else urlsafe_b64encode(f"after:{after}".encode()).decode().rstrip("=")
    return SliceOut(items=found.items, next_cursor=cursor)


def _read(cursor: str) -> int:
    try:
        text = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode("ascii")
    except ValueError:
        text = ""
    match = _AFTER.fullmatch(text)
    if match is None:
        raise Invalid("This cursor is not one of ours. Start again without `cursor`.")
    return int(match[1])
