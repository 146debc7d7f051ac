"""What a version predicts: one array file over the whole project, and rows only for the images that matter.

Rows are the evidence: what chose an image, what people are asked about now, and what versions are judged on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import fingerprint_of, newest, newest_of, read, to_row
from db.session import delete, insert_new
from db.tables import AnnotationRow, OverlapRow, PredictionFileRow, PredictionRow, ReviewRow, VersionRow
from labeling.types import ProjectId, QueryId, ReviewKind, VersionId


@dataclass(frozen=True, slots=True)
class PredictionFile:
    """Where a version's predictions are (relative to `home`), how many images they cover, their checksum and age."""

    path: str
    rows: int
    sha256: str
    created_at: datetime


def prediction_file(session: Session, version_id: VersionId) -> PredictionFile | None:
    """The version's file; None if it has not predicted yet."""
    row = session.get(PredictionFileRow, version_id)
    return None if row is None else read(PredictionFile, row)


def keep_prediction_file(session: Session, version_id: VersionId, file: PredictionFile) -> None:
    """Name the version's file; it takes the place of an older one."""
    session.merge(PredictionFileRow(**to_row(file, version_id=version_id)))
    session.flush()


def forget_prediction_file(session: Session, version_id: VersionId) -> None:
    """The version's file is gone: the champion predicts again, another version when it is the champion again."""
    delete(session, PredictionFileRow, PredictionFileRow.version_id == version_id)


def images_without_evidence(
    session: Session,
    project_id: ProjectId,
    version_id: VersionId,
    measured: Collection[ReviewKind],
    *,
    lately: int = 1_000,
) -> list[int]:
    """Images for which this version must still have a row of its own; for the others its file has the prediction.

    These are what people are asked about now, the `lately` newest that they were asked about, and reviews of the
    `measured` kinds, whose answers judge versions.
    """
    known = sa.exists().where(PredictionRow.image_id == ReviewRow.image_id, PredictionRow.version_id == version_id)
    answered = sa.exists().where(AnnotationRow.review_id == ReviewRow.id)
    several = sa.exists().where(OverlapRow.review_id == ReviewRow.id)
    newest = sa.select(ReviewRow.id).where(ReviewRow.project_id == project_id).order_by(ReviewRow.id.desc())
    oldest = session.scalar(newest.offset(lately).limit(1)) or 0
    of_interest = sa.or_(ReviewRow.kind.in_(measured), ReviewRow.id > oldest, ~answered, several)
    found = sa.select(ReviewRow.image_id).where(ReviewRow.project_id == project_id, of_interest, ~known)
    return sorted(set(session.scalars(found)))


def evidence_fingerprint(session: Session, project_id: ProjectId) -> str:
    """A short text that changes with every row that decides which images need evidence, and with evidence itself."""
    return fingerprint_of(
        session,
        newest(ReviewRow.id, ReviewRow.project_id == project_id),
        newest_of(AnnotationRow.id, ReviewRow, AnnotationRow.review_id == ReviewRow.id, project_id),
        newest_of(OverlapRow.id, ReviewRow, OverlapRow.review_id == ReviewRow.id, project_id),
        newest_of(PredictionRow.id, VersionRow, PredictionRow.version_id == VersionRow.id, project_id),
    )


def thin(session: Session, project_id: ProjectId, champion_id: VersionId, measured: Collection[ReviewKind]) -> int:
    """Delete what other versions predicted, except for what chose an image and for reviews of the `measured` kinds.

    Returns how many rows went. What chose an image is kept for ever; the measured ones judge versions again.
    """
    others = sa.select(VersionRow.id).where(VersionRow.project_id == project_id, VersionRow.id != champion_id)
    judges = sa.exists().where(ReviewRow.image_id == PredictionRow.image_id, ReviewRow.kind.in_(measured))
    return delete(
        session, PredictionRow, PredictionRow.version_id.in_(others), PredictionRow.asked_in.is_(None), ~judges
    )


def add_evidence(
    session: Session,
    version_id: VersionId,
    predictions: Iterable[tuple[int, Sequence[float]]],
    now: datetime,
    asked_in: QueryId | None = None,
) -> int:
    """Keep (image, probabilities) pairs; one that is there already stays as it is. Returns how many were new."""
    more = {"version_id": version_id, "asked_in": asked_in, "created_at": now}
    rows = [{"image_id": image, "probs": [round(float(p), 6) for p in probs], **more} for image, probs in predictions]
    return insert_new(session, PredictionRow, rows)
