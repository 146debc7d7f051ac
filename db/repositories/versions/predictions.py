"""What a version predicts: one array file over the whole project, and rows only for the images that matter.

Rows are the evidence: an image that was asked, accepted or labelled keeps the probabilities it had.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import read, to_row
from db.session import insert_new
from db.tables import ImageRow, LabelRow, PredictionFileRow, PredictionRow, ReviewRow
from labeling.types import ProjectId, QueryId, VersionId

__all__ = ["PredictionFile", "add_evidence", "images_without_evidence", "keep_prediction_file", "prediction_file"]


@dataclass(frozen=True, slots=True)
class PredictionFile:
    """Where a version's predictions lie (relative to `home`), how many images they cover, their checksum and age."""

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


def images_without_evidence(session: Session, project_id: ProjectId, version_id: VersionId) -> list[int]:
    """Images that were asked or labelled and have no row of this version yet."""
    known = sa.exists().where(PredictionRow.image_id == ImageRow.id, PredictionRow.version_id == version_id)
    asked = sa.exists().where(ReviewRow.image_id == ImageRow.id, ReviewRow.project_id == project_id)
    labelled = sa.exists().where(LabelRow.image_id == ImageRow.id)
    return list(
        session.scalars(
            sa.select(ImageRow.id)
            .where(ImageRow.project_id == project_id, asked | labelled, ~known)
            .order_by(ImageRow.id)
        )
    )


def add_evidence(
    session: Session,
    version_id: VersionId,
    predictions: Iterable[tuple[int, Sequence[float]]],
    now: datetime,
    asked_in: QueryId | None = None,
) -> int:
    """Keep (image, probabilities) pairs; one that is there already stays as it is. Returns how many were new."""
    return insert_new(
        session,
        PredictionRow,
        [
            {
                "image_id": image_id,
                "version_id": version_id,
                "probs": [round(float(p), 6) for p in probs],
                "asked_in": asked_in,
                "created_at": now,
            }
            for image_id, probs in predictions
        ],
    )
