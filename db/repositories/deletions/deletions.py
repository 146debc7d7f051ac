"""Deletions: who had what deleted, when and why; and what of each must still be removed outside of the tables.

In: a kind and a number. Out: the deletion, open until nothing is left. No content is ever stored here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.paging import Slice, slice_of
from db.rows import columns, in_parts, read, read_all, read_first
from db.session import delete, insert_new, update
from db.tables import DeletionRow, LeftoverRow
from labeling.errors import NotFound
from labeling.types import Actor, DeletionKind, ProjectId


class Elsewhere(StrEnum):
    """Kinds of what lies outside of our tables."""

    TASK = "task"
    STUDIO_PROJECT = "project in label studio"
    ACCOUNT = "account in label studio"
    PICTURE = "picture"
    UPLOAD = "upload"
    DRAWING = "drawing"
    VECTOR = "vector"
    PREDICTIONS = "predictions"
    SNAPSHOT = "snapshot"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class Deletion:
    """One deletion. `counts` grows while it works; `notes` say what could not be removed and who can."""

    id: int
    project_id: ProjectId
    kind: DeletionKind
    subject: int
    author: str
    reason: str
    counts: dict[str, int]
    notes: list[str]
    asked_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something outside of our tables that must still be removed; `what` names it for its kind."""

    id: int
    deletion_id: int
    kind: str
    what: str


def ask(session: Session, project_id: ProjectId, kind: DeletionKind, subject: int, by: Actor) -> Deletion:
    """Open a deletion; one of the same thing that is open already is joined."""
    for held in of_project(session, project_id):
        if (held.kind, held.subject) == (kind, subject):
            return held
    row = DeletionRow(
        project_id=project_id, kind=kind.value, subject=subject, author=by.author, reason=by.reason, counts={},
        notes=[], asked_at=by.now, ended_at=None,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return read(Deletion, row)


def by_id(session: Session, project_id: ProjectId, deletion_id: int) -> Deletion:
    """One deletion; NotFound says how to see which there are."""
    found = read_first(session, Deletion, _of(project_id).where(DeletionRow.id == deletion_id))
    if found is None:
        raise NotFound("This project has no such deletion. `hardcase delete list` shows which there are.")
    return found


def of_project(session: Session, project_id: ProjectId) -> list[Deletion]:
    """The open deletions of a project, in the order in which they were asked for."""
    rows = session.execute(_of(project_id).where(DeletionRow.ended_at.is_(None)).order_by(DeletionRow.id))
    return read_all(Deletion, rows)


def projects_with_open(session: Session) -> list[ProjectId]:
    """The projects of which something is being deleted."""
    rows = session.scalars(sa.select(DeletionRow.project_id).where(DeletionRow.ended_at.is_(None)).distinct())
    return sorted(ProjectId(one) for one in rows)


def oldest_at_work(session: Session) -> int:
    """The number of the oldest open deletion; without one, that of the next that is asked for."""
    oldest = sa.select(sa.func.min(DeletionRow.id)).where(DeletionRow.ended_at.is_(None))
    newest = sa.select(sa.func.max(DeletionRow.id))
    return session.scalar(oldest) or (session.scalar(newest) or 0) + 1


def has_worked(session: Session, since: int) -> bool:
    """Whether anything was being deleted since `oldest_at_work` gave this number, in whatever project."""
    return bool(session.scalar(sa.select(sa.exists().where(DeletionRow.id >= since))))


def being_deleted(kind: DeletionKind, subject: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """The condition that the row with this number is being deleted."""
    is_open = DeletionRow.ended_at.is_(None), DeletionRow.kind == kind.value
    return sa.exists().where(*is_open, DeletionRow.subject == subject)


def listing(session: Session, project_id: ProjectId, *, after: int | None, limit: int) -> Slice[Deletion]:
    """A project's deletions, newest first."""
    return slice_of(session, _of(project_id), DeletionRow.id, after, limit, Deletion)


def of_projects(session: Session) -> list[Deletion]:
    """The deletions of whole projects, newest first: their projects list them no more."""
    rows = sa.select(*columns(Deletion, DeletionRow)).where(DeletionRow.kind == DeletionKind.PROJECT.value)
    return read_all(Deletion, session.execute(rows.order_by(DeletionRow.id.desc())))


def add_counts(session: Session, deletion_id: int, more: Mapping[str, int]) -> None:
    """Add to what was deleted."""
    row = session.get_one(DeletionRow, deletion_id)
    row.counts = {**row.counts, **{name: row.counts.get(name, 0) + number for name, number in more.items() if number}}
    session.flush()


def note(session: Session, deletion_id: int, words: str) -> None:
    """Say what could not be removed; said once."""
    row = session.get_one(DeletionRow, deletion_id)
    row.notes = [*dict.fromkeys([*row.notes, words])]
    session.flush()


def end(session: Session, deletion_id: int, now: datetime) -> None:
    """Nothing of it is left."""
    update(session, DeletionRow, DeletionRow.id == deletion_id, DeletionRow.ended_at.is_(None), ended_at=now)


def leave(session: Session, deletion_id: int, kind: Elsewhere, what: Iterable[str]) -> None:
    """Note what must be removed outside; what is noted already stays."""
    rows = [{"deletion_id": deletion_id, "kind": kind.value, "what": one} for one in dict.fromkeys(what)]
    insert_new(session, LeftoverRow, rows)


def leftovers(session: Session, project_id: ProjectId, kind: Elsewhere, *, limit: int) -> list[Leftover]:
    """What of this kind must still be removed of the project's open deletions, oldest first."""
    rows = (
        sa.select(*columns(Leftover, LeftoverRow))
        .join(DeletionRow, DeletionRow.id == LeftoverRow.deletion_id)
        .where(DeletionRow.project_id == project_id, DeletionRow.ended_at.is_(None), LeftoverRow.kind == kind.value)
        .order_by(LeftoverRow.id)
    )
    return read_all(Leftover, session.execute(rows.limit(limit)))


def has_leftovers(session: Session, deletion_id: int) -> bool:
    """Whether anything of a deletion must still be removed outside."""
    return bool(session.scalar(sa.select(sa.exists().where(LeftoverRow.deletion_id == deletion_id))))


def is_left(session: Session, kind: Elsewhere, what: str) -> bool:
    """Whether some deletion must still remove this, or write it without what is deleted."""
    noted = LeftoverRow.kind == kind.value, LeftoverRow.what == what
    return bool(session.scalar(sa.select(sa.exists().where(*noted))))


def removed(session: Session, done: Sequence[Leftover]) -> None:
    """These are gone."""
    for some in in_parts(one.id for one in done):
        delete(session, LeftoverRow, LeftoverRow.id.in_(some))


def _of(project_id: ProjectId) -> sa.Select[tuple[object, ...]]:
    return sa.select(*columns(Deletion, DeletionRow)).where(DeletionRow.project_id == project_id)
