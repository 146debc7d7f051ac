"""Lists in slices, newest first: a cursor says where the next slice begins; a client sends it back unread."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from db.paging import Slice
from db.session import reading
from labeling.errors import Invalid
from labeling.project import Project
from service.web.edge.access import ProjectDep
from service.web.wiring import PartsDep, WebParts

T = TypeVar("T")
_AFTER = re.compile(r"after:([0-9]{1,18})")


class SliceOut(BaseModel, Generic[T]):
    """Some of the list, newest first. Ask again with `cursor=next_cursor` until it is null."""

    items: list[T]
    next_cursor: str | None = Field(description="Null at the end of the list.")


@dataclass(frozen=True, slots=True)
class Cut:
    """Which slice of a list to answer with."""

    parts: WebParts
    after: int | None
    limit: int

    def slice_of(self, listing: Callable[..., Slice[T]], about: object, **filters: object) -> SliceOut[T]:
        """The slice as `listing(session, about, after=..., limit=..., **filters)` reads it."""
        with reading(self.parts.database) as session:
            found = listing(session, about, after=self.after, limit=self.limit, **filters)
        after = found.next_after
        cursor = None if after is None else urlsafe_b64encode(f"after:{after}".encode()).decode().rstrip("=")
        return SliceOut(items=found.items, next_cursor=cursor)


@dataclass(frozen=True, slots=True)
class Paging:
    """Which slice of a project's list to answer with."""

    cut: Cut
    project: Project

    def slice_of(self, listing: Callable[..., Slice[T]], **filters: object) -> SliceOut[T]:
        """The slice as `listing(session, project_id, after=..., limit=..., **filters)` reads it."""
        return self.cut.slice_of(listing, self.project.id, **filters)


def _cut(
    parts: PartsDep,
    cursor: Annotated[str | None, Query(max_length=64, description="`next_cursor` of the slice before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Most items in the answer.")] = 50,
) -> Cut:
    return Cut(parts, None if cursor is None else _read(cursor), limit)


CutDep = Annotated[Cut, Depends(_cut)]


def _paging(cut: CutDep, project: ProjectDep) -> Paging:
    return Paging(cut, project)


PagingDep = Annotated[Paging, Depends(_paging)]


def _read(cursor: str) -> int:
    try:
        text = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode("ascii")
    except ValueError:
        text = ""
    match = _AFTER.fullmatch(text)
    if match is None:
        raise Invalid("This cursor is not one of ours. Start again without `cursor`.")
    return int(match[1])
