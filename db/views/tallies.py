"""How many images, reviews and labels of a project are in which state: counted from the facts, kept for the pages.

The tally is a cache: it can be deleted and is counted again. `fingerprint` changes with every fact that a count or a
figure is computed from, so that nothing is computed twice for the same facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.engines.engines_in_force import first_revision
from db.repositories.images.groups import newest_move
from db.repositories.images.images import is_quarantined
from db.repositories.labels.labels import is_current_label
from db.repositories.queries.stream import is_reserved, share_in_force
from db.repositories.reviews.reviews import is_current, is_open
from db.rows import count, count_by, count_if, fingerprint_of, newest, newest_of
from db.tables import (
    AnnotationRow,
    AnnotatorRow,
    CalibrationRow,
    CanaryRow,
    EngineStageRow,
    FailureRow,
    GroupRow,
    ImageRow,
    LabelRow,
    OverlapRow,
    PredictionFileRow,
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
    VoidRow,
)
from labeling.types import AnnotationAction, LabelSource, ProjectId


def fingerprint(session: Session, project_id: ProjectId) -> str:
    """A short text that changes with every fact that a figure of this project is computed from."""

    def number(table: Any, on: sa.ColumnElement[bool], owner: Any) -> sa.Select[Any]:
        return sa.select(sa.func.count()).select_from(table).join(owner, on).where(owner.project_id == project_id)

    predicted = sa.select(sa.func.max(PredictionFileRow.created_at)).join(
        VersionRow, VersionRow.id == PredictionFileRow.version_id
    )
    others = fingerprint_of(
        session,
        newest(ReviewRow.id, ReviewRow.project_id == project_id),
        number(PushRow, ReviewRow.id == PushRow.review_id, ReviewRow),
        number(ReviewEndRow, ReviewRow.id == ReviewEndRow.review_id, ReviewRow),
        newest_of(AnnotationRow.id, ReviewRow, AnnotationRow.review_id == ReviewRow.id, project_id),
        newest_of(VoidRow.id, AnnotatorRow, VoidRow.annotator_id == AnnotatorRow.id, project_id),
        newest_of(OverlapRow.id, ReviewRow, OverlapRow.review_id == ReviewRow.id, project_id),
        newest(LabelRow.id, LabelRow.project_id == project_id),
        newest(CalibrationRow.id, CalibrationRow.project_id == project_id),
        newest(VersionRow.id, VersionRow.project_id == project_id),
        newest(PromotionRow.id, PromotionRow.project_id == project_id),
        number(PredictionRow, VersionRow.id == PredictionRow.version_id, VersionRow),
        predicted.where(VersionRow.project_id == project_id),
    )
    return f"{fingerprint_of_images(session, project_id)}-{others}"


def fingerprint_of_images(session: Session, project_id: ProjectId) -> str:
    """The same for facts about images and engines: no answer of a person changes it."""
    gone = sa.exists().where(
        RegistrationRow.id == RegistrationGoneRow.registration_id, RegistrationRow.project_id == project_id
    )
    return fingerprint_of(
        session,
        newest(RegistrationRow.id, RegistrationRow.project_id == project_id),
        sa.select(sa.func.count()).select_from(RegistrationGoneRow).where(gone),
        sa.select(sa.func.count(FailureRow.id)).where(is_quarantined(project_id)),
        newest(ImageRow.id, ImageRow.project_id == project_id),
        sa.select(sa.func.count(ImageRow.group_id)).where(ImageRow.project_id == project_id),
        newest_move(project_id),
        newest_of(PrelabelRow.id, ImageRow, ImageRow.id == PrelabelRow.image_id, project_id),
        sa.select(sa.func.count(CanaryRow.id)).where(CanaryRow.project_id == project_id),
        sa.select(sa.func.max(EngineStageRow.since)).where(EngineStageRow.project_id == project_id),
    )


def counts(session: Session, project_id: ProjectId) -> dict[str, Any]:
    """How many images, reviews and labels there are in which state; docs/reference/figures.md names them."""
    return {**counts_of_images(session, project_id), **counts_of_reviews(session, project_id)}


def counts_of_images(session: Session, project_id: ProjectId) -> dict[str, Any]:
    """Those of images. One is ready only with a prelabel by the revision in force of the project's first engine.

    They change only with `fingerprint_of_images`.
    """
    of_project = RegistrationRow.project_id == project_id
    is_gone = RegistrationRow.id == RegistrationGoneRow.registration_id
    revision = first_revision(session, project_id) or _newest_revision(session, project_id)
    prelabelled = sa.exists().where(PrelabelRow.image_id == ImageRow.id, PrelabelRow.revision == revision)
    ready = sa.and_(prelabelled, ImageRow.group_id.is_not(None))
    reserved = is_reserved(project_id, share_in_force(session, project_id))
    states = session.execute(
        sa.select(
            sa.func.count().label("fetched"),
            count_if(prelabelled).label("prelabelled"),
            count_if(ready).label("ready"),
            count_if(sa.and_(ready, ~reserved)).label("pool"),
            count_if(sa.and_(ready, reserved)).label("reserved"),
            sa.func.count(sa.distinct(ImageRow.group_id)).label("groups"),
        )
        .select_from(ImageRow)
        .outerjoin(GroupRow, GroupRow.id == ImageRow.group_id)
        .where(ImageRow.project_id == project_id)
    ).one()
    return {
        "registered": count(session, RegistrationRow, of_project),
        "gone": count(session, RegistrationGoneRow, is_gone, of_project),
        "quarantined": count(session, FailureRow, is_quarantined(project_id)),
        **{name: int(value) for name, value in states._mapping.items()},
    }


def _newest_revision(session: Session, project_id: ProjectId) -> str | None:
    """The revision of the newest prelabel: used until a worker has noted which engine is in force."""
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
            count_if(is_open()).label("open"),
            count_if(closed[AnnotationAction.ANSWERED]).label("answered"),
            count_if(closed[AnnotationAction.SKIPPED]).label("skipped"),
        ).where(ReviewRow.project_id == project_id)
    ).one()
    standing = LabelRow.project_id == project_id, LabelRow.value.is_not(None), is_current_label()
    by_source = {source.value: 0 for source in LabelSource} | count_by(session, LabelRow.source, *standing)
    return {
        **{name: int(value) for name, value in row._mapping.items()},
        "labelled": sum(by_source.values()),
        "labels_by_source": by_source,
    }


def keep_tally(session: Session, project_id: ProjectId, counts: Mapping[str, Any], now: datetime) -> None:
    """Replace the tally that is kept."""
    session.merge(TallyRow(project_id=project_id, counts=dict(counts), refreshed_at=now))
    session.flush()
