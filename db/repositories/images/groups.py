"""Near-duplicate groups: fingerprints, the rule in force, where images stand, and moving them to another group.

An image has at most one group. A group's row stays when its last image leaves it. Every move leaves a row that says
why, so whoever holds groups elsewhere can see that they changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.labels.labels import is_current_label
from db.rows import columns, count, newest, read_all, read_first, rows_of, to_row
from db.session import insert_new, update
from db.tables import FingerprintRow, GroupingRow, GroupMoveRow, GroupRow, ImageRow, LabelRow, QueryRow
from labeling.types import ImageId, LabelSource, ProjectId

ADAPTIVE, TOO_MANY, APART, KEPT = "adaptive", "too many", "apart", "kept"
"""Kinds of groupings: measured thresholds; none, for they would join too many images; measured ones by which too many
new images would have joined, so that those stayed apart; and groups of version 0.1.0."""
ROWS_A_FETCH = 5_000


@dataclass(frozen=True, slots=True)
class Grouping:
    """A rule in bits, how it came about (one of the kinds above), from how many images, and why."""

    kind: str
    sure: float
    near: float
    images: int
    reason: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an image stands: its group, that group's founder and position in the random stream."""

    image_id: ImageId
    content_hash: str
    group_id: int
    founder: str
    position: float


@dataclass(frozen=True, slots=True)
class Move:
    """An image that leaves its group for the one that `founder` names; `position` is used if that one is new."""

    image_id: ImageId
    group_id: int
    founder: str
    position: float


def in_force(session: Session, project_id: ProjectId) -> Grouping | None:
    """The rule that was frozen last; None while there is none."""
    rows = sa.select(*columns(Grouping, GroupingRow)).where(GroupingRow.project_id == project_id)
    return read_first(session, Grouping, rows.order_by(GroupingRow.id.desc()))


def freeze(session: Session, project_id: ProjectId, grouping: Grouping) -> None:
    """Put a rule in force."""
    session.add(GroupingRow(project_id=project_id, **to_row(grouping)))
    session.flush()


def has_query(session: Session, project_id: ProjectId) -> bool:
    """Whether people were asked about any image of the project."""
    return session.scalar(newest(QueryRow.id, QueryRow.project_id == project_id)) is not None


def count_grouped(session: Session, project_id: ProjectId) -> int:
    """How many images have a group."""
    return count(session, ImageRow, ImageRow.project_id == project_id, ImageRow.group_id.is_not(None))


def keep_fingerprints(session: Session, fingerprints: Mapping[str, bytes]) -> int:
    """Write the fingerprints that are new, by content hash."""
    return insert_new(session, FingerprintRow, [{"content_hash": k, "content": v} for k, v in fingerprints.items()])


def fingerprints(session: Session, content_hashes: Iterable[str]) -> dict[str, bytes]:
    """Those that there are, by content hash."""
    statement = sa.select(FingerprintRow.content_hash, FingerprintRow.content)
    rows = rows_of(session, statement, FingerprintRow.content_hash, content_hashes)
    return {row.content_hash: row.content for row in rows}


def without_fingerprint(session: Session, project_id: ProjectId, limit: int) -> list[str]:
    """Content hashes of grouped images that have no fingerprint yet, in the order of image ids."""
    has_one = sa.exists().where(FingerprintRow.content_hash == ImageRow.content_hash)
    rows = session.scalars(
        sa.select(ImageRow.content_hash)
        .where(ImageRow.project_id == project_id, ImageRow.group_id.is_not(None), ~has_one)
        .order_by(ImageRow.id)
        .limit(limit)
    )
    return list(rows)


def grouped(session: Session, project_id: ProjectId) -> Iterator[tuple[ImageId, bytes]]:
    """Every image that has a group, with its fingerprint (empty where there is none), in the order of ids."""
    rows = session.execute(
        sa.select(ImageRow.id, FingerprintRow.content)
        .outerjoin(FingerprintRow, FingerprintRow.content_hash == ImageRow.content_hash)
        .where(ImageRow.project_id == project_id, ImageRow.group_id.is_not(None))
        .order_by(ImageRow.id)
        .execution_options(yield_per=ROWS_A_FETCH)
    )
    for image_id, content in rows:
        yield ImageId(image_id), content or b""


def oldest_first(session: Session, project_id: ProjectId) -> list[Standing]:
    """Where every grouped image stands: the oldest group first, in each its founder, then in the order of ids."""
    is_founder = ImageRow.content_hash == GroupRow.founder_hash
    rows = session.execute(
        _standing()
        .where(ImageRow.project_id == project_id)
        .order_by(GroupRow.id, sa.case((is_founder, 0), else_=1), ImageRow.id)
    )
    return read_all(Standing, rows)


def standing(session: Session, image_ids: Iterable[ImageId]) -> list[Standing]:
    """Where these images stand; one without a group is left out."""
    return read_all(Standing, rows_of(session, _standing(), ImageRow.id, image_ids))


def members(session: Session, group_ids: Iterable[int]) -> list[Standing]:
    """All images of these groups: of each its founder first, then in the order of ids."""
    found = read_all(Standing, rows_of(session, _standing(), GroupRow.id, group_ids))
    return sorted(found, key=lambda one: (one.group_id, one.content_hash != one.founder, one.image_id))


def labels_of_groups(session: Session, group_ids: Iterable[int]) -> dict[int, set[str]]:
    """The labels in force that members of these groups have, by group; a certificate's are left out."""
    found: dict[int, set[str]] = {}
    for row in rows_of(session, _labels(ImageRow.group_id).distinct(), ImageRow.group_id, group_ids):
        found.setdefault(row.of, set()).add(row.value)
    return found


def labels_by_content(
    session: Session, project_id: ProjectId, group_ids: Iterable[int] | None = None
) -> dict[str, str]:
    """The labels in force of images by content hash: of the project, or of these groups; a certificate's left out."""
    statement = _labels(ImageRow.content_hash).where(ImageRow.project_id == project_id)
    if group_ids is None:
        return {row.of: row.value for row in session.execute(statement)}
    return {row.of: row.value for row in rows_of(session, statement, ImageRow.group_id, group_ids)}


def contradicting(session: Session, project_id: ProjectId, limit: int) -> list[int]:
    """The first groups whose members have different labels."""
    statement = _labels(ImageRow.group_id).where(ImageRow.project_id == project_id)
    labels = statement.subquery()
    rows = session.scalars(
        sa.select(labels.c.of)
        .group_by(labels.c.of)
        .having(sa.func.count(sa.distinct(labels.c.value)) > 1)
        .order_by(labels.c.of)
        .limit(limit)
    )
    return list(rows)


def newest_label(session: Session, project_id: ProjectId) -> int:
    """The number of the newest label of a project; 0 where there is none."""
    return session.scalar(newest(LabelRow.id, LabelRow.project_id == project_id)) or 0


def move(session: Session, project_id: ProjectId, moves: Sequence[Move], reason: str, now: datetime) -> int:
    """Put images into other groups, founding those that are new; returns how many moved.

    An image that is no longer in the group that it is to leave stays where it is.
    """
    positions = {one.founder: one.position for one in moves}
    facts = {"project_id": project_id, "created_at": now}
    insert_new(session, GroupRow, [{**facts, "founder_hash": key, "position": at} for key, at in positions.items()])
    ids = ids_of(session, project_id, positions)
    gone = []
    for one in moves:
        there = ImageRow.id == one.image_id, ImageRow.group_id == one.group_id
        target = ids[one.founder]
        if target != one.group_id and update(session, ImageRow, *there, group_id=target):
            gone.append({"image_id": one.image_id, "from_group_id": one.group_id, "to_group_id": target})
    insert_new(session, GroupMoveRow, [{**facts, **one, "reason": reason} for one in gone])
    return len(gone)


def ids_of(session: Session, project_id: ProjectId, founders: Iterable[str]) -> dict[str, int]:
    """The numbers of groups by their founders."""
    statement = sa.select(GroupRow.founder_hash, GroupRow.id).where(GroupRow.project_id == project_id)
    return {row.founder_hash: row.id for row in rows_of(session, statement, GroupRow.founder_hash, founders)}


def newest_move(project_id: ProjectId) -> sa.Select[tuple[int]]:
    """The newest move of a project, to select: it changes when any image comes into another group."""
    return newest(GroupMoveRow.id, GroupMoveRow.project_id == project_id)


def moved(session: Session, project_id: ProjectId) -> dict[int, int]:
    """The group of every image that was ever moved, by image."""
    ids = sa.select(GroupMoveRow.image_id).where(GroupMoveRow.project_id == project_id)
    rows = session.execute(sa.select(ImageRow.id, ImageRow.group_id).where(ImageRow.id.in_(ids)))
    return {row.id: row.group_id for row in rows}


def came_apart(session: Session, project_id: ProjectId) -> set[int]:
    """The groups that were founded by what came out of an older one."""
    younger = GroupMoveRow.project_id == project_id, GroupMoveRow.to_group_id > GroupMoveRow.from_group_id
    return set(session.scalars(sa.select(GroupMoveRow.to_group_id).where(*younger)))


def _standing() -> sa.Select[*tuple[Any, ...]]:
    fields = columns(Standing, ImageRow, GroupRow, image_id=ImageRow.id, founder=GroupRow.founder_hash)
    return sa.select(*fields).join(GroupRow, GroupRow.id == ImageRow.group_id)


def _labels(of: Any) -> sa.Select[*tuple[Any, ...]]:
    """The labels in force of grouped images, with this column of the image as `of`."""
    given = LabelRow.value.is_not(None), LabelRow.source != LabelSource.CERTIFICATE.value, is_current_label()
    return (
        sa.select(of.label("of"), LabelRow.value)
        .join(ImageRow, ImageRow.id == LabelRow.image_id)
        .where(*given, ImageRow.group_id.is_not(None))
    )
