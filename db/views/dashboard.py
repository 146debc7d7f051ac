"""What the dashboard shows: stored tallies and figures, how far webhooks lag, how jobs stand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import count_by, read, read_all
from db.session import insert_new
from db.tables import FailureRow, FigureRow, ImageRow, InboxRow, LabelStudioProjectRow, ReviewRow, TallyRow, ViewRow
from db.views.figures import STATE
from labeling.types import ProjectId, ReviewId


@dataclass(frozen=True, slots=True)
class Tally:
    """How many images of a project are in which state, as the sweep last counted."""

    counts: dict[str, Any]
    refreshed_at: datetime


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as the worker computed it."""

    name: str
    data: dict[str, Any]
    computed_at: datetime


@dataclass(frozen=True, slots=True)
class LabelStudioPlace:
    """Where a project stands in Label Studio."""

    ls_project_id: int
    base_url: str
    swept_until: datetime | None


def tally(session: Session, project_id: ProjectId) -> Tally | None:
    row = session.get(TallyRow, project_id)
    return None if row is None else read(Tally, row)


def figures(session: Session, project_id: ProjectId) -> dict[str, Figure]:
    """All figures of a project, by name."""
    rows = session.scalars(
        sa.select(FigureRow)
        .where(FigureRow.project_id == project_id, ~FigureRow.name.startswith(STATE))
        .order_by(FigureRow.name)
    )
    return {figure.name: figure for figure in read_all(Figure, rows)}


def failure_counts(session: Session, project_id: ProjectId) -> dict[str, int]:
    """How many things are failing, by step."""
    return count_by(session, FailureRow.step, FailureRow.project_id == project_id)


def label_studio_place(session: Session, project_id: ProjectId) -> LabelStudioPlace | None:
    row = session.get(LabelStudioProjectRow, project_id)
    return None if row is None else read(LabelStudioPlace, row)


def inbox_waiting_since(session: Session, project_ids: Collection[ProjectId] | None = None) -> datetime | None:
    """When the oldest webhook event came that is not handled yet, of these projects (None: of all)."""
    oldest = sa.select(InboxRow.received_at).where(InboxRow.handled_at.is_(None)).order_by(InboxRow.id).limit(1)
    if project_ids is not None:
        oldest = oldest.where(InboxRow.project_id.in_(project_ids))
    return session.scalars(oldest).first()


def job_counts(session: Session, project_ids: Collection[ProjectId] | None = None) -> dict[tuple[str, str], int]:
    """How many jobs the durable engine remembers, by name and state, of these projects (None: of all)."""
    schema = None if session.get_bind().dialect.name == "sqlite" else "dbos"
    columns = [sa.column(name, sa.Text) for name in ("name", "status", "authenticated_user")]  # the last is its project
    table = sa.table("workflow_status", *columns, schema=schema)
    counted = sa.select(table.c.name, table.c.status, sa.func.count()).group_by(table.c.name, table.c.status)
    if project_ids is not None:
        counted = counted.where(table.c.authenticated_user.in_([str(project_id) for project_id in project_ids]))
    rows = session.execute(counted)
    return {(name or "", status or ""): count for name, status, count in rows}


def review_media(session: Session, token: str) -> tuple[ReviewId, str] | None:
    """The review that a token names, and the hash of its image."""
    row = session.execute(
        sa.select(ReviewRow.id, ImageRow.content_hash)
        .join(ImageRow, ImageRow.id == ReviewRow.image_id)
        .where(ReviewRow.token == token)
    ).one_or_none()
    return None if row is None else (ReviewId(row[0]), row[1])


def mark_viewed(session: Session, reviews: Mapping[ReviewId, datetime]) -> int:
    """Write down that these reviews' images were fetched; a second time changes nothing.

    A review that was deleted since is left out: nobody can answer it any more.
    """
    there = session.scalars(sa.select(ReviewRow.id).where(ReviewRow.id.in_(reviews)))
    return insert_new(session, ViewRow, [{"review_id": one, "at": reviews[ReviewId(one)]} for one in there])
