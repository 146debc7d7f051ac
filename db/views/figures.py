"""What the figures are made of, as aggregates, and where they are kept.

A figure is a cache: it can be deleted and is made again. The one named `state` says what the others were computed
from (`db.views.tallies.fingerprint`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.labels.labels import is_current_label
from db.repositories.reviews.reviews import is_current
from db.rows import columns, in_parts, read_all
from db.tables import (
    AnnotationRow,
    FigureRow,
    ImageRow,
    LabelRow,
    PredictionRow,
    PushRow,
    ReviewEndRow,
    ReviewRow,
)
from labeling.types import AnnotationAction, ImageId, LabelSource, ProjectId, VersionId

STATE = "state"
"""The figure that says what the others were computed from."""


@dataclass(frozen=True, slots=True)
class NewFigure:
    """A figure to be kept: its data and, where there is one, its picture."""

    name: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """One image that people were asked about, with its label where there is one."""

    image_id: ImageId
    content_hash: str
    review_id: int
    kind: str
    ls_task_id: int | None
    label: str | None


def kept_fingerprint(session: Session, project_id: ProjectId, part: str = "") -> str | None:
    """What the figures that are kept were computed from; None before the first time. `part` as for `keep`."""
    row = session.get(FigureRow, (project_id, STATE + part))
    return None if row is None else str(row.data.get("fingerprint"))


def data_of(session: Session, project_id: ProjectId, name: str) -> dict[str, Any] | None:
    """The data of one figure; None before it was computed."""
    row = session.get(FigureRow, (project_id, name))
    return None if row is None else dict(row.data)


def shown_and_kept(session: Session, project_id: ProjectId) -> list[tuple[str, int, int]]:
    """Per class that stood pre-selected: how many answers saw it, and how many kept it. Blind reviews saw nothing."""
    rows = session.execute(
        sa.select(
            AnnotationRow.shown, sa.func.count(), sa.func.sum(sa.case((AnnotationRow.accepted.is_(True), 1), else_=0))
        )
        .join(ReviewRow, ReviewRow.id == AnnotationRow.review_id)
        .where(
            ReviewRow.project_id == project_id,
            ReviewRow.blind.is_(False),
            AnnotationRow.action == AnnotationAction.ANSWERED,
            AnnotationRow.shown.is_not(None),
            is_current(),
        )
        .group_by(AnnotationRow.shown)
    )
    return [(str(label), int(shown), int(kept or 0)) for label, shown, kept in rows]


def evidence(
    session: Session, image_ids: Iterable[int], version_id: VersionId | None = None
) -> dict[VersionId, dict[int, list[float]]]:
    """The kept probabilities of these images: by version, then by image. Of one version, or of every one."""
    query = sa.select(PredictionRow.version_id, PredictionRow.image_id, PredictionRow.probs)
    if version_id is not None:
        query = query.where(PredictionRow.version_id == version_id)
    found: dict[VersionId, dict[int, list[float]]] = {}
    for some in in_parts(image_ids):
        for version, image, probs in session.execute(query.where(PredictionRow.image_id.in_(some))):
            found.setdefault(VersionId(version), {})[image] = probs
    return found


def lately_asked(session: Session, project_id: ProjectId, limit: int) -> list[Asked]:
    """The newest reviews that count, with their image's label. An open blind one is left out: it stays blind."""
    ended = sa.exists().where(ReviewEndRow.review_id == ReviewRow.id)
    rows = session.execute(
        sa.select(*columns(Asked, ReviewRow, ImageRow, PushRow, review_id=ReviewRow.id, label=LabelRow.value))
        .select_from(ReviewRow)
        .join(ImageRow, ImageRow.id == ReviewRow.image_id)
        .outerjoin(PushRow, PushRow.review_id == ReviewRow.id)
        .outerjoin(LabelRow, sa.and_(LabelRow.image_id == ImageRow.id, is_current_label()))
        .where(ReviewRow.project_id == project_id, ~ended, ReviewRow.blind.is_(False) | LabelRow.value.is_not(None))
        .order_by(ReviewRow.id.desc())
        .limit(limit)
    )
    return read_all(Asked, rows)


def people_labels_at(session: Session, project_id: ProjectId, label_ids: Sequence[int]) -> list[int]:
    """How many images had a label by people when each of these labels (ascending ids) was the newest."""
    by_people = sa.case((sa.and_(LabelRow.value.is_not(None), LabelRow.source == LabelSource.PEOPLE), 1), else_=0)
    before = sa.func.lag(by_people, 1, 0).over(partition_by=LabelRow.image_id, order_by=LabelRow.id)
    steps = (
        sa.select(LabelRow.id, (by_people - before).label("step")).where(LabelRow.project_id == project_id).subquery()
    )
    changes = session.execute(sa.select(steps.c.id, steps.c.step).where(steps.c.step != 0).order_by(steps.c.id)).all()
    totals, running, i = [], 0, 0
    for label_id in label_ids:
        while i < len(changes) and changes[i].id <= label_id:
            running += changes[i].step
            i += 1
        totals.append(running)
    return totals


def keep(
    session: Session,
    project_id: ProjectId,
    figures: Sequence[NewFigure],
    fingerprint: str,
    now: datetime,
    part: str = "",
) -> int:
    """Put these figures in the place of those that are kept, with what they were computed from.

    Figures of another `part` (`:team`) are computed by another step, from other facts.
    """
    for figure in (*figures, NewFigure(STATE + part, {"fingerprint": fingerprint})):
        session.merge(FigureRow(project_id=project_id, name=figure.name, data=dict(figure.data), computed_at=now))
    session.flush()
    return len(figures)
