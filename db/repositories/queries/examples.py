"""Current labels as examples to learn from.

The current label of an image is its newest row. Images without a group and images of reserved groups are never
examples. Which kinds may be used for what is decided in `labeling.review.kinds`; the caller asks there and passes the
kinds. What measures is read by `stream`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.images.groups import newest_move
from db.repositories.labels.labels import newest_ids
from db.repositories.queries import imported_samples
from db.repositories.queries.stream import is_reserved, share_in_force
from db.rows import columns, fingerprint_of, newest, newest_of, read_all, rows_of
from db.tables import (
    AnnotationRow,
    AnnotatorRow,
    GroupRow,
    ImageRow,
    LabelRow,
    PrelabelRow,
    ReviewEndRow,
    ReviewRow,
    VoidRow,
)
from labeling.types import Example, ImageId, LabelSource, ProjectId, ReviewKind


@dataclass(frozen=True, slots=True)
class AsOf:
    """A moment in which examples are read: the newest label, the newest review, and the share that was reserved."""

    label_id: int
    review_id: int
    share: float


def read_examples(
    session: Session,
    project_id: ProjectId,
    kinds: Sequence[ReviewKind],
    *,
    imported: bool = False,
    as_of: AsOf | None = None,
    image_id: ImageId | None = None,
) -> list[Example]:
    """Images of groups that are not reserved whose current label comes from a review of these kinds, by image id.

    `imported`: those too whose label was imported, or corrected by a lead. With `as_of`, as it was at that moment;
    with `image_id`, of this image only.
    """
    labels = newest_ids(project_id, as_of.label_id if as_of else None)
    newest = (labels if image_id is None else labels.where(LabelRow.image_id == image_id)).subquery()
    usable: sa.ColumnElement[bool] = ReviewRow.kind.in_(list(kinds))
    if imported:
        corrected = (LabelRow.source == LabelSource.PEOPLE) & LabelRow.review_id.is_(None)  # a lead corrected an import
        by_hand = corrected & ImageRow.id.not_in(imported_samples.sampled(project_id))
        usable = usable | (LabelRow.source == LabelSource.IMPORT) | by_hand
    share = as_of.share if as_of else share_in_force(session, project_id)
    reserved = is_reserved(project_id, share, as_of.review_id if as_of else None)
    label = {"label": LabelRow.value, "label_id": LabelRow.id}
    rows = session.execute(
        sa.select(*columns(Example, ReviewRow, ImageRow, image_id=ImageRow.id, group_id=GroupRow.id, **label))
        .select_from(LabelRow)
        .join(newest, newest.c.id == LabelRow.id)
        .join(ImageRow, ImageRow.id == LabelRow.image_id)
        .join(GroupRow, GroupRow.id == ImageRow.group_id)
        .outerjoin(ReviewRow, ReviewRow.id == LabelRow.review_id)
        .where(LabelRow.value.is_not(None), ~reserved, usable)
        .order_by(ImageRow.id)
    )
    return read_all(Example, rows)


def examples_of_labels(session: Session, label_ids: Sequence[int]) -> list[Example]:
    """What these labels said of their images, whether they still stand or not."""
    label = {"label": LabelRow.value, "label_id": LabelRow.id, "image_id": ImageRow.id}
    query = (
        sa.select(*columns(Example, ReviewRow, ImageRow, **label))
        .select_from(LabelRow)
        .join(ImageRow, ImageRow.id == LabelRow.image_id)
        .outerjoin(ReviewRow, ReviewRow.id == LabelRow.review_id)
    )
    return read_all(Example, rows_of(session, query, LabelRow.id, label_ids))


def now_of(session: Session, project_id: ProjectId) -> AsOf:
    """This moment, to read the same examples again later."""
    return AsOf(
        last_label_id(session, project_id),
        session.scalar(sa.select(sa.func.max(ReviewRow.id)).where(ReviewRow.project_id == project_id)) or 0,
        share_in_force(session, project_id),
    )


def groups_of(session: Session, image_ids: Sequence[ImageId]) -> dict[ImageId, int]:
    """The near-duplicate group of each of these images that has one."""
    grouped = sa.select(ImageRow.id, ImageRow.group_id).where(ImageRow.group_id.is_not(None))
    return {ImageId(image): group for image, group in rows_of(session, grouped, ImageRow.id, image_ids)}


def last_label_id(session: Session, project_id: ProjectId) -> int:
    """The newest label row of the project; 0 if there is none."""
    return session.scalar(sa.select(sa.func.max(LabelRow.id)).where(LabelRow.project_id == project_id)) or 0


def fingerprint(session: Session, project_id: ProjectId) -> str:
    """A short text that changes with every label, answer, review and group: with everything that examples rest on."""
    ended = sa.select(sa.func.count()).join(ReviewRow, ReviewRow.id == ReviewEndRow.review_id)
    return fingerprint_of(
        session,
        newest(LabelRow.id, LabelRow.project_id == project_id),
        newest_of(AnnotationRow.id, ReviewRow, AnnotationRow.review_id == ReviewRow.id, project_id),
        newest(ReviewRow.id, ReviewRow.project_id == project_id),
        newest_of(VoidRow.id, AnnotatorRow, VoidRow.annotator_id == AnnotatorRow.id, project_id),
        ended.select_from(ReviewEndRow).where(ReviewRow.project_id == project_id),
        sa.select(sa.func.count(ImageRow.group_id)).where(ImageRow.project_id == project_id),
        newest_move(project_id),
    )


def unready_labels(session: Session, project_id: ProjectId, engine_revision: str) -> list[tuple[int, ImageId]]:
    """Current labels, with their images, that nothing can be learnt from yet.

    Their image has no group yet, or no prelabel of this engine revision.
    """
    newest = newest_ids(project_id).subquery()
    prelabelled = sa.exists().where(PrelabelRow.image_id == ImageRow.id, PrelabelRow.revision == engine_revision)
    rows = session.execute(
        sa.select(LabelRow.id, LabelRow.image_id)
        .join(newest, newest.c.id == LabelRow.id)
        .join(ImageRow, ImageRow.id == LabelRow.image_id)
        .where(LabelRow.value.is_not(None), ImageRow.group_id.is_(None) | ~prelabelled)
        .order_by(LabelRow.id)
    )
    return [(label_id, ImageId(image_id)) for label_id, image_id in rows]
