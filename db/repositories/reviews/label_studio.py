"""Which Label Studio project belongs to which of ours, and what was last written there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import columns, read_first
from db.session import insert_new, update
from db.tables import LabelStudioProjectRow
from labeling.types import ProjectId


@dataclass(frozen=True, slots=True)
class Place:
    """Our project's place in Label Studio. `webhook_digest` names the secret last written, never the secret.

    `model_version` is what Label Studio was last set to show; `queue_revision` counts the orders begun. `controls` are
    the names in its labelling config where the project was made by others and taken over, None where it is ours.
    """

    project_id: ProjectId
    ls_project_id: int
    base_url: str
    config_hash: str
    webhook_id: int | None
    webhook_digest: str
    queue_revision: int
    model_version: str | None
    swept_until: datetime | None
    swept_at: datetime | None = None
    importing_since: datetime | None = None
    controls: dict[str, Any] | None = None


def get(session: Session, project_id: ProjectId) -> Place | None:
    """None until the first push."""
    found = columns(Place, LabelStudioProjectRow, webhook_digest=LabelStudioProjectRow.webhook_secret)
    return read_first(session, Place, sa.select(*found).where(LabelStudioProjectRow.project_id == project_id))


def add(
    session: Session,
    project_id: ProjectId,
    *,
    ls_project_id: int,
    base_url: str,
    now: datetime,
    controls: dict[str, Any] | None = None,
) -> None:
    """Note which project it is; the first note stands."""
    where = {"ls_project_id": ls_project_id, "base_url": base_url, "controls": controls}
    row: dict[str, Any] = {"project_id": project_id, **where}
    nothing_yet = {"config_hash": "", "webhook_secret": "", "queue_revision": 0}
    insert_new(session, LabelStudioProjectRow, [{**row, **nothing_yet, "created_at": now}])


def holder_of(session: Session, base_url: str, ls_project_id: int) -> ProjectId | None:
    """The project of ours that stands in this project of Label Studio."""
    found = session.scalar(
        sa.select(LabelStudioProjectRow.project_id).where(
            LabelStudioProjectRow.base_url == base_url, LabelStudioProjectRow.ls_project_id == ls_project_id
        )
    )
    return None if found is None else ProjectId(found)


def next_revision(session: Session, project_id: ProjectId) -> int:
    """Begin a new order of the queue; its number was never used before."""
    row = session.get_one(LabelStudioProjectRow, project_id, with_for_update=True)
    row.queue_revision += 1
    session.flush()
    return row.queue_revision


def note(session: Session, project_id: ProjectId, **written: str | int | datetime | None) -> None:
    """Note what was written or read there, under the names of `Place` (the webhook's digest as `webhook_secret`)."""
    update(session, LabelStudioProjectRow, LabelStudioProjectRow.project_id == project_id, **written)
