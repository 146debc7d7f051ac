"""What the figures are computed from, as aggregates, and where they are kept.

A figure is a cache: it can be deleted and is computed again. The one named `state` says what the others were computed
from (`db.views.tallies.fingerprint`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.label_names import names_of
from db.repositories.labels.labels import is_current_label
from db.repositories.reviews.reviews import has_ended, is_current
from db.rows import columns, count_if, read_all, rows_of
from db.tables import AnnotationRow, FigureRow, ImageRow, LabelRow, PredictionRow, PushRow, ReviewRow
from labeling.label_sets.changes import name_now
from labeling.types import AnnotationAction, ImageId, LabelSource, ProjectId, VersionId

STATE = "state"
"""The figure that says what the others were computed from."""


@dataclass(frozen=True, slots=True)
class NewFigure:
    """A figure to be kept: its name and its data."""

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
    """For each class that was pre-selected: how many answers it was shown to and how many kept it; no blind ones."""
    rows = session.execute(
        sa.select(AnnotationRow.shown, sa.func.count(), count_if(AnnotationRow.accepted.is_(True)))
        .join(ReviewRow, ReviewRow.id == AnnotationRow.review_id)
        .where(ReviewRow.project_id == project_id, ReviewRow.blind.is_(False), is_current())
        .where(AnnotationRow.action == AnnotationAction.ANSWERED, AnnotationRow.shown.is_not(None))
        .group_by(AnnotationRow.shown)
    )
    counts: dict[str, list[int]] = {}
    names = names_of(session, project_id)
    for label, shown, kept in rows:
        now = name_now(str(label), names)
        if now is not None:
            of_label = counts.setdefault(now, [0, 0])
            of_label[0] += int(shown)
            of_label[1] += int(kept)
    return [(label, shown, kept) for label, (shown, kept) in counts.items()]


def evidence(session: Session, image_ids: Iterable[int]) -> dict[VersionId, dict[int, list[float]]]:
    """The kept probabilities of these images: by version, then by image."""
    query = sa.select(PredictionRow.version_id, PredictionRow.image_id, PredictionRow.probs)
    found: dict[VersionId, dict[int, list[float]]] = {}
    for version, image, probs in rows_of(session, query, PredictionRow.image_id, image_ids):
        found.setdefault(VersionId(version), {})[image] = probs
    return found


def lately_asked(session: Session, project_id: ProjectId, limit: int) -> list[Asked]:
    """The newest reviews that count, with their image's label. An open blind one is left out: it stays blind."""
    rows = session.execute(
        sa.select(*columns(Asked, ReviewRow, ImageRow, PushRow, review_id=ReviewRow.id, label=LabelRow.value))
        .select_from(ReviewRow)
        .join(ImageRow, ImageRow.id == ReviewRow.image_id)
        .outerjoin(PushRow, PushRow.review_id == ReviewRow.id)
        .outerjoin(LabelRow, sa.and_(LabelRow.image_id == ImageRow.id, is_current_label()))
        .where(
            ReviewRow.project_id == project_id, ~has_ended(), ReviewRow.blind.is_(False) | LabelRow.value.is_not(None)
        )
        .order_by(ReviewRow.id.desc())
        .limit(limit)
    )
    return read_all(Asked, rows)


def people_labels_at(session: Session, project_id: ProjectId, label_ids: Sequence[int]) -> list[int]:
    """How many images had a label by people when each of these labels (ascending ids) was the newest."""
    by_people = sa.case((sa.and_(LabelRow.value.is_not(None), LabelRow.source == LabelSource.PEOPLE), 1), else_=0)
    before = sa.func.lag(by_people, 1, 0).over(partition_by=LabelRow.image_id, order_by=LabelRow.id)
    step = (by_people - before).label("step")
    steps = sa.select(LabelRow.id, step).where(LabelRow.project_id == project_id).subquery()
    changes = session.execute(sa.select(steps.c.id, steps.c.step).where(steps.c.step != 0).order_by(steps.c.id)).all()
    ids, totals = [change.id for change in changes], [0, *accumulate(change.step for change in changes)]
    return [totals[bisect_right(ids, label_id)] for label_id in label_ids]


def keep(
    session: Session,
    project_id: ProjectId,
    figures: Sequence[NewFigure],
    fingerprint: str,
    now: datetime,
    part: str = "",
) -> int:
    """Replace the figures that are kept, with what they were computed from.

    Figures of another `part` (`:team`) are computed by another step, from other facts.
    """
    for figure in (*figures, NewFigure(STATE + part, {"fingerprint": fingerprint})):
        session.merge(FigureRow(project_id=project_id, name=figure.name, data=dict(figure.data), computed_at=now))
    session.flush()
    return len(figures)
