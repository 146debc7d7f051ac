"""Current labels as examples, by the kind of review that they come from and the side of the hold-out.

The current label of an image is its newest row. Bridges and images without a group are never examples. Which
kinds may be used for what is decided in `labeling.review.kinds`; the caller asks there and passes the kinds.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.images.groups import newest_move
from db.repositories.labels.labels import newest_ids
from db.repositories.reviews.reviews import is_unanswered
from db.rows import columns, fingerprint_of, newest, read_all, rows_of
from db.tables import AnnotationRow, GroupRow, ImageRow, LabelRow, PrelabelRow, ReviewEndRow, ReviewRow, VoidRow
from labeling.types import Example, ImageId, LabelSource, ProjectId, ReviewKind, Side


def read_examples(
    session: Session,
    project_id: ProjectId,
    kinds: Sequence[ReviewKind],
    side: Side,
    *,
    imported: bool = False,
    whole_shares: bool = False,
    up_to: int | None = None,
) -> list[Example]:
    """Images whose current label comes from a review of these kinds, or was imported; in the order of image ids.

    `whole_shares` leaves out every query that still has a review of these kinds that nobody answered: a random share
    represents its population only when all of it was answered or skipped.
    With `up_to`, as of when label `up_to` was the newest.
    """
    newest = newest_ids(project_id, up_to).subquery()
    usable: sa.ColumnElement[bool] = ReviewRow.kind.in_(list(kinds))
    if whole_shares:
        unfinished = sa.select(ReviewRow.query_id).where(
            ReviewRow.project_id == project_id, ReviewRow.kind.in_(list(kinds)), is_unanswered()
        )
        usable = usable & ReviewRow.query_id.not_in(unfinished.correlate(None))
    if imported:
        by_hand = (LabelRow.source == LabelSource.PEOPLE) & LabelRow.review_id.is_(None)  # a lead corrected an import
        usable = usable | (LabelRow.source == LabelSource.IMPORT) | by_hand
    label = {"label": LabelRow.value, "label_id": LabelRow.id}
    rows = session.execute(
        sa.select(*columns(Example, ReviewRow, ImageRow, image_id=ImageRow.id, group_id=GroupRow.id, **label))
        .select_from(LabelRow)
        .join(newest, newest.c.id == LabelRow.id)
        .join(ImageRow, ImageRow.id == LabelRow.image_id)
        .join(GroupRow, GroupRow.id == ImageRow.group_id)
        .outerjoin(ReviewRow, ReviewRow.id == LabelRow.review_id)
        .where(LabelRow.value.is_not(None), ImageRow.bridge.is_(False), GroupRow.side == side, usable)
        .order_by(ImageRow.id)
    )
    return read_all(Example, rows)


def groups_of(session: Session, image_ids: Sequence[ImageId]) -> dict[ImageId, int]:
    """The near-duplicate group of each of these images that has one."""
    grouped = sa.select(ImageRow.id, ImageRow.group_id).where(ImageRow.group_id.is_not(None))
    return {ImageId(image): group for image, group in rows_of(session, grouped, ImageRow.id, image_ids)}


def last_label_id(session: Session, project_id: ProjectId) -> int:
    """The newest label row of the project; 0 if there is none."""
    return session.scalar(sa.select(sa.func.max(LabelRow.id)).where(LabelRow.project_id == project_id)) or 0


def fingerprint(session: Session, project_id: ProjectId) -> str:
    """A short text that changes with every label, answer, review and group: with everything that examples rest on."""
    highest = [newest(row.id) for row in (LabelRow, AnnotationRow, ReviewRow, VoidRow)]
    ended = sa.select(sa.func.count()).select_from(ReviewEndRow)
    grouped = sa.select(sa.func.count(ImageRow.group_id)).where(ImageRow.project_id == project_id)
    return fingerprint_of(session, *highest, ended, grouped, newest_move(project_id))


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
