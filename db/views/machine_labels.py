"""The images of a project that machine labels are counted over: all of them, and those with a label.

In: a project. Out: numbers of images in order. What a version says of them is in a file of arrays; nothing here reads
it.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.labels.labels import newest_ids
from db.rows import count
from db.tables import ImageRow, LabelRow
from labeling.types import ProjectId


def labelled_images(session: Session, project_id: ProjectId, up_to: int | None = None) -> list[int]:
    """The images with a label in force; with `up_to`, as of the label of that id."""
    standing = LabelRow.id.in_(newest_ids(project_id, up_to)), LabelRow.value.is_not(None)
    return list(session.scalars(sa.select(LabelRow.image_id).where(*standing).order_by(LabelRow.image_id)))


def all_images(session: Session, project_id: ProjectId) -> list[int]:
    """Every image."""
    return list(session.scalars(sa.select(ImageRow.id).where(ImageRow.project_id == project_id).order_by(ImageRow.id)))


def count_images(session: Session, project_id: ProjectId) -> int:
    """How many images there are."""
    return count(session, ImageRow, ImageRow.project_id == project_id)
