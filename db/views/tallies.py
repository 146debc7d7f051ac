"""How many images, reviews and labels of a project are in which state: counted from the facts, kept for the pages.

The tally is a cache: it can be deleted and is made again. `fingerprint` changes with every fact that a count or a
figure rests on, so that nothing is computed twice for the same facts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.engines.engines_in_force import first_revision
from db.repositories.labels.labels import is_current_label
from db.repositories.reviews.reviews import is_current, is_open
from db.rows import newest
from db.tables import (
    AnnotationRow,
    CalibrationRow,
    CanaryRow,
    EngineStageRow,
    FailureRow,
    GroupRow,
    ImageRow,
    LabelRow,
    PredictionRow,
    PrelabelRow,
    PromotionRow,
    PushRow,
    RegistrationGoneRow,
    RegistrationRow,
    ReviewEndRow,
    ReviewRow,
    TallyRow,
    VersionRow,
)
from labeling.types import AnnotationAction, LabelSource, ProjectId, Side


def fingerprint(session: Session, project_id: ProjectId) -> str:
    """A short text that changes with every fact that a figure of this project rests on."""
    of_review = ReviewRow.project_id == project_id
    parts = [
        newest(ReviewRow.id, of_review),
        _number(PushRow, ReviewRow.id == PushRow.review_id, ReviewRow, project_id),
        _number(ReviewEndRow, ReviewRow.id == ReviewEndRow.review_id, ReviewRow, project_id),
        newest(AnnotationRow.id, sa.exists().where(AnnotationRow.review_id == ReviewRow.id, of_review)),
        newest(LabelRow.id, LabelRow.project_id == project_id),
        newest(CalibrationRow.id, CalibrationRow.project_id == project_id),
        newest(VersionRow.id, VersionRow.project_id == project_id),
        newest(PromotionRow.id, PromotionRow.project_id == project_id),
        _number(PredictionRow, VersionRow.id == PredictionRow.version_id, VersionRow, project_id),
    ]
    return f"{fingerprint_of_images(session, project_id)}-{_joined(session, parts)}"


def fingerprint_of_images(session: Session, project_id: ProjectId) -> str:
    """The same for facts about images and what engines did: no answer of a person changes it."""
    gone = sa.exists().where(
        RegistrationRow.id == RegistrationGoneRow.registration_id, RegistrationRow.project_id == project_id
    )
    pictured = sa.exists().where(ImageRow.id == PrelabelRow.image_id, ImageRow.project_id == project_id)
    parts = [
        newest(RegistrationRow.id, RegistrationRow.project_id == project_id),
        sa.select(sa.func.count()).select_from(RegistrationGoneRow).where(gone),
        newest(FailureRow.id, FailureRow.project_id == project_id),
        sa.select(sa.func.sum(FailureRow.count)).where(FailureRow.project_id == project_id),
        newest(ImageRow.id, ImageRow.project_id == project_id),
        sa.select(sa.func.count(ImageRow.group_id)).where(ImageRow.project_id == project_id),
        newest(PrelabelRow.id, pictured),
        sa.select(sa.func.count()).select_from(CanaryRow).where(CanaryRow.project_id == project_id),
        sa.select(sa.func.max(EngineStageRow.since)).where(EngineStageRow.project_id == project_id),
    ]
    return _joined(session, parts)


def counts(session: Session, project_id: ProjectId) -> dict[str, Any]:
    """How many images, reviews and labels there are in which state; docs/reference/figures.md names them."""
    return {**counts_of_images(session, project_id), **counts_of_reviews(session, project_id)}


def counts_of_images(session: Session, project_id: ProjectId) -> dict[str, Any]:
    """Those of images. One that the project's first engine has not answered for in its revision in force is not ready.

    They change only with `fingerprint_of_images`.
    """
    registered = sa.select(sa.func.count()).select_from(RegistrationRow).where(RegistrationRow.project_id == project_id)
    gone = _number(
        RegistrationGoneRow, RegistrationRow.id == RegistrationGoneRow.registration_id, RegistrationRow, project_id
    )
    quarantined = (
        sa.select(sa.func.count())
        .select_from(FailureRow)
        .where(FailureRow.project_id == project_id, FailureRow.step == "fetch")
    )
    revision = first_revision(session, project_id) or _newest_revision(session, project_id)
    looked_at = sa.exists().where(PrelabelRow.image_id == ImageRow.id, PrelabelRow.revision == revision)
    ready = sa.and_(looked_at, ImageRow.group_id.is_not(None), ImageRow.bridge.is_(False))
    states = session.execute(
        sa.select(
            sa.func.count().label("fetched"),
            _count_if(looked_at).label("prelabelled"),
            _count_if(ImageRow.bridge).label("bridge"),
            _count_if(ready).label("ready"),
            _count_if(sa.and_(ready, GroupRow.side == Side.POOL)).label("pool"),
            _count_if(sa.and_(ready, GroupRow.side == Side.HOLDOUT)).label("holdout"),
            sa.func.count(sa.distinct(ImageRow.group_id)).label("groups"),
        )
        .select_from(ImageRow)
        .outerjoin(GroupRow, GroupRow.id == ImageRow.group_id)
        .where(ImageRow.project_id == project_id)
    ).one()
    head = {"registered": registered, "gone": gone, "quarantined": quarantined}
    return {name: session.scalar(query) or 0 for name, query in head.items()} | {
        name: int(value or 0) for name, value in states._mapping.items()
    }


def _newest_revision(session: Session, project_id: ProjectId) -> str | None:
    """Who gave the newest prelabel: what there is to go by until a worker has noted who is in force."""
    return session.scalar(
        sa.select(PrelabelRow.revision)
        .join(ImageRow, ImageRow.id == PrelabelRow.image_id)
        .where(ImageRow.project_id == project_id)
        .order_by(PrelabelRow.id.desc())
        .limit(1)
    )


def counts_of_reviews(session: Session, project_id: ProjectId) -> dict[str, Any]:
    """Those of reviews and labels."""
    closed = {
        action: sa.exists().where(AnnotationRow.review_id == ReviewRow.id, AnnotationRow.action == action, is_current())
        for action in (AnnotationAction.ANSWERED, AnnotationAction.SKIPPED)
    }
    row = session.execute(
        sa.select(
            sa.func.count().label("asked"),
            _count_if(is_open()).label("open"),
            _count_if(closed[AnnotationAction.ANSWERED]).label("answered"),
            _count_if(closed[AnnotationAction.SKIPPED]).label("skipped"),
        ).where(ReviewRow.project_id == project_id)
    ).one()
    sources = session.execute(
        sa.select(LabelRow.source, sa.func.count())
        .where(LabelRow.project_id == project_id, LabelRow.value.is_not(None), is_current_label())
        .group_by(LabelRow.source)
    )
    by_source = {source.value: 0 for source in LabelSource} | {source: int(count) for source, count in sources}
    return {
        **{name: int(value or 0) for name, value in row._mapping.items()},
        "labelled": sum(by_source.values()),
        "labels_by_source": by_source,
    }


def keep_tally(session: Session, project_id: ProjectId, counts: Mapping[str, Any], now: datetime) -> None:
    """Put this tally in the place of the one that is kept."""
    session.merge(TallyRow(project_id=project_id, counts=dict(counts), refreshed_at=now))
    session.flush()


def _joined(session: Session, parts: Sequence[sa.Select[Any]]) -> str:
    row = session.execute(sa.select(*(part.scalar_subquery() for part in parts))).one()
    return "-".join(str(value or 0) for value in row)


def _number(table: Any, on: sa.ColumnElement[bool], owner: Any, project_id: ProjectId) -> sa.Select[Any]:
    return sa.select(sa.func.count()).select_from(table).join(owner, on).where(owner.project_id == project_id)


def _count_if(condition: Any) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))
