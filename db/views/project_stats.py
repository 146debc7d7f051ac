"""The state of a project and its changes: when images came and from where, which labels there are, what waits.

Read-only; the figures of label quality and of drift use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.labels.labels import is_current_label, newest_ids
from db.rows import count, count_if
from db.tables import ImageRow, InboxRow, LabelRow, PrelabelRow
from labeling.types import LabelSource, ProjectId


def grouped_images(session: Session, project_id: ProjectId) -> int:
    """How many images have a group."""
    grouped = sa.select(sa.func.count(ImageRow.group_id)).where(ImageRow.project_id == project_id)
    return session.scalar(grouped) or 0


@dataclass(frozen=True, slots=True)
class LabelCount:
    """So many labels of one value and source stand; `several` people answered, or a lead `decided`."""

    value: str
    source: LabelSource
    decided: bool
    several: bool
    count: int


def group_arrivals(session: Session, project_id: ProjectId) -> dict[int, datetime]:
    """When each near-duplicate group's first image was fetched."""
    return {group: first for group, first in session.execute(_arrivals(project_id))}  # noqa: C416 - a row is no tuple


def arrivals_around(session: Session, project_id: ProjectId, at: datetime) -> tuple[int, int]:
    """How many groups came until this time and after it, by their first image."""
    first = sa.func.min(ImageRow.fetched_at).label("first")
    found = sa.select(first).where(ImageRow.project_id == project_id, ImageRow.group_id.is_not(None))
    groups = found.group_by(ImageRow.group_id).subquery()
    row = session.execute(sa.select(count_if(groups.c.first <= at), count_if(groups.c.first > at))).one()
    return int(row[0]), int(row[1])


def _arrivals(project_id: ProjectId) -> sa.Select[*tuple[Any, ...]]:
    grouped = ImageRow.project_id == project_id, ImageRow.group_id.is_not(None)
    return sa.select(ImageRow.group_id, sa.func.min(ImageRow.fetched_at)).where(*grouped).group_by(ImageRow.group_id)


def labels_now(session: Session, project_id: ProjectId) -> list[LabelCount]:
    """How many labels stand, in the order of their values."""
    decided = LabelRow.evidence["decision"].as_integer().is_not(None)
    several = sa.func.coalesce(sa.func.json_array_length(LabelRow.evidence["annotations"]), 0) > 1
    rows = session.execute(
        sa.select(LabelRow.value, LabelRow.source, decided, several, sa.func.count())
        .where(LabelRow.project_id == project_id, LabelRow.value.is_not(None), is_current_label())
        .group_by(LabelRow.value, LabelRow.source, decided, several)
        .order_by(LabelRow.value, LabelRow.source)
    )
    return [LabelCount(value or "", LabelSource(of), bool(by), bool(more), int(n)) for value, of, by, more, n in rows]


def images_now(session: Session, project_id: ProjectId) -> int:
    """How many images a project has."""
    return count(session, ImageRow, ImageRow.project_id == project_id)


def oldest_event(session: Session, project_id: ProjectId) -> datetime | None:
    """When the oldest event of Label Studio came that is not handled yet."""
    waiting = sa.select(sa.func.min(InboxRow.received_at))
    return session.scalar(waiting.where(InboxRow.project_id == project_id, InboxRow.handled_at.is_(None)))


def earlier_revision(session: Session, project_id: ProjectId, revision: str) -> str | None:
    """The other revision of the same engine that labelled the project's images last."""
    engine = sa.select(PrelabelRow.engine).where(PrelabelRow.revision == revision).limit(1).scalar_subquery()
    return session.scalar(
        sa.select(PrelabelRow.revision)
        .join(ImageRow, ImageRow.id == PrelabelRow.image_id)
        .where(ImageRow.project_id == project_id, PrelabelRow.revision != revision, PrelabelRow.engine == engine)
        .order_by(PrelabelRow.id.desc())
        .limit(1)
    )


def labelled_by_both(session: Session, project_id: ProjectId, one: str, other: str, limit: int) -> list[int]:
    """Images that both engine revisions labelled, in the order of content hashes: the same ones each time."""
    labelled = [
        sa.exists().where(PrelabelRow.image_id == ImageRow.id, PrelabelRow.revision == revision)
        for revision in (one, other)
    ]
    query = sa.select(ImageRow.id).where(ImageRow.project_id == project_id, *labelled)
    return list(session.scalars(query.order_by(ImageRow.content_hash).limit(limit)))


def labelled_images(
    session: Session, project_id: ProjectId, up_to: int | None = None, *, certified: bool = True
) -> list[int]:
    """The images with a label in force; with `up_to`, as of the label of that id; those of certificates or not."""
    standing: list[sa.ColumnElement[bool]] = [
        LabelRow.id.in_(newest_ids(project_id, up_to)),
        LabelRow.value.is_not(None),
    ]
    if not certified:
        standing.append(LabelRow.source != LabelSource.CERTIFICATE)
    return list(session.scalars(sa.select(LabelRow.image_id).where(*standing).order_by(LabelRow.image_id)))


def all_images(session: Session, project_id: ProjectId) -> list[int]:
    """Every image."""
    return list(session.scalars(sa.select(ImageRow.id).where(ImageRow.project_id == project_id).order_by(ImageRow.id)))


def count_images(session: Session, project_id: ProjectId) -> int:
    """How many images there are."""
    return count(session, ImageRow, ImageRow.project_id == project_id)
