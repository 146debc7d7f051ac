"""Snapshots and releases: frozen states of a project's labels, each a row that never changes.

The row holds the hash, the labels themselves hold the content: everything up to `last_label_id`. What a deletion takes
from them is appended, with the hash of what is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.paging import Slice, slice_of
from db.rows import columns, count, read_first, to_row
from db.session import insert_new, update
from db.tables import AnnotationRow, LabelRow, ReviewRow, SnapshotRow, WithdrawalRow
from labeling.errors import NotFound
from labeling.types import ProjectId


@dataclass(frozen=True, slots=True)
class NewSnapshot:
    """A state to be kept; `path` is its file, relative to the home folder."""

    name: str
    last_label_id: int
    labels: int
    hash: str
    path: str
    author: str
    note: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A kept state. `report` is empty until it is released.

    `labels` and `hash` are what was frozen. A deletion withdraws labels from it: `withdrawn` counts them, and `state`
    is the hash of what is left, the same as `hash` where none was withdrawn.
    """

    id: int
    name: str
    last_label_id: int
    labels: int
    hash: str
    path: str
    report: dict[str, Any]
    released: bool
    author: str
    note: str
    created_at: datetime
    state: str
    withdrawn: int

    @property
    def left(self) -> int:
        """How many labels are in it now."""
        return self.labels - self.withdrawn


def add(session: Session, project_id: ProjectId, snapshot: NewSnapshot, now: datetime) -> bool:
    """Keep it unless its name is taken; returns whether it is new."""
    row = to_row(snapshot, project_id=project_id, report={}, released=False, created_at=now)
    return bool(insert_new(session, SnapshotRow, [row]))


def find(session: Session, project_id: ProjectId, name: str) -> Snapshot | None:
    """The snapshot of that name, if there is one."""
    return read_first(session, Snapshot, _of(project_id).where(SnapshotRow.name == name))


def by_id(session: Session, project_id: ProjectId, snapshot_id: int) -> Snapshot | None:
    """The snapshot of that number, if it is still there."""
    return read_first(session, Snapshot, _of(project_id).where(SnapshotRow.id == snapshot_id))


def ids(session: Session, project_id: ProjectId) -> list[int]:
    """The numbers of all snapshots."""
    return list(session.scalars(sa.select(SnapshotRow.id).where(SnapshotRow.project_id == project_id)))


def by_name(session: Session, project_id: ProjectId, name: str) -> Snapshot:
    """The snapshot of that name; NotFound says how to see which there are."""
    found = find(session, project_id, name)
    if found is None:
        raise NotFound("This project has no such snapshot. `hardcase snapshot list` shows which there are.")
    return found


def listing(
    session: Session, project_id: ProjectId, *, after: int | None, limit: int, released: bool | None = None
) -> Slice[Snapshot]:
    """The project's snapshots, newest first; all, or only those that were released."""
    statement = _of(project_id)
    if released is not None:
        statement = statement.where(SnapshotRow.released.is_(released))
    return slice_of(session, statement, SnapshotRow.id, after, limit, Snapshot)


def newest_release(session: Session, project_id: ProjectId, *, before: int | None = None) -> Snapshot | None:
    """The release that came last, or last before the snapshot of that id."""
    found = listing(session, project_id, after=before, limit=1, released=True).items
    return found[0] if found else None


def release(session: Session, snapshot_id: int, report: Mapping[str, Any]) -> bool:
    """Note that a snapshot was released: by whom, when, with which files; False where it was before."""
    unreleased = SnapshotRow.id == snapshot_id, SnapshotRow.released.is_(False)
    return bool(update(session, SnapshotRow, *unreleased, released=True, report=dict(report)))


def withdraw(session: Session, snapshot: Snapshot, deletion_id: int, labels: int, state: str, now: datetime) -> bool:
    """Note that a deletion withdrew labels from a snapshot, and what it is now; twice is once.

    A release of it that is being made comes before or after: both change, or lock, the snapshot's own row.
    """
    session.execute(sa.select(SnapshotRow.id).where(SnapshotRow.id == snapshot.id).with_for_update())
    row = {"snapshot_id": snapshot.id, "deletion_id": deletion_id, "labels": labels, "hash": state, "at": now}
    return bool(insert_new(session, WithdrawalRow, [row]))


def replace_report(session: Session, snapshot_id: int, report: Mapping[str, Any]) -> None:
    """Note the files of a release after labels were withdrawn from it."""
    update(session, SnapshotRow, SnapshotRow.id == snapshot_id, report=dict(report))


def withdrawals(session: Session, snapshot_id: int) -> list[tuple[int, datetime, str]]:
    """How many labels each deletion withdrew from a snapshot, when, and the hash of what was left; oldest first."""
    rows = session.execute(
        sa.select(WithdrawalRow.labels, WithdrawalRow.at, WithdrawalRow.hash)
        .where(WithdrawalRow.snapshot_id == snapshot_id)
        .order_by(WithdrawalRow.id)
    )
    return [(int(labels), at, found) for labels, at, found in rows]


def newest_answer_at(session: Session, project_id: ProjectId) -> datetime | None:
    """When the newest answer of the project was recorded; None before the first."""
    newest = sa.select(sa.func.max(AnnotationRow.recorded_at)).join(ReviewRow, ReviewRow.id == AnnotationRow.review_id)
    return session.scalar(newest.where(ReviewRow.project_id == project_id))


def labels_after(session: Session, project_id: ProjectId, label_id: int) -> int:
    """How many labels were appended after this one."""
    return count(session, LabelRow, LabelRow.project_id == project_id, LabelRow.id > label_id)


def _of(project_id: ProjectId) -> sa.Select[*tuple[Any, ...]]:
    of_it = WithdrawalRow.snapshot_id == SnapshotRow.id
    newest = sa.select(WithdrawalRow.hash).where(of_it).order_by(WithdrawalRow.id.desc()).limit(1).scalar_subquery()
    gone = sa.select(sa.func.sum(WithdrawalRow.labels)).where(of_it).scalar_subquery()
    now = {
        "state": sa.func.coalesce(newest, SnapshotRow.hash),
        "withdrawn": sa.cast(sa.func.coalesce(gone, 0), sa.BigInteger),
    }
    return sa.select(*columns(Snapshot, SnapshotRow, **now)).where(SnapshotRow.project_id == project_id)
