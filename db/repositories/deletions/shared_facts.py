"""Facts about several images, which go on without those that are deleted: groups, plans of re-reviews, voids.

In: images that are about to go. Out: the same facts as they are without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from db.repositories.deletions.dependents import delete_with_dependents
from db.session import delete, update
from db.tables import AnnotationRow, GroupRow, ImageRow, LabelRow, ReReviewPlanRow, ReviewRow, VoidRow
from labeling.types import ImageId, ProjectId


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups that images stood in."""

    ids: tuple[int, ...]

    def remove_emptied(self, session: Session) -> None:
        """Remove those that nobody stands in now: they are no part of the collection, nor of the random stream."""
        held = set(session.scalars(sa.select(ImageRow.group_id).where(ImageRow.group_id.in_(self.ids))))
        delete_with_dependents(session, GroupRow, set(self.ids) - held)


def leave_groups(session: Session, project_id: ProjectId, image_ids: Sequence[ImageId]) -> Groups:
    """Give each group that these images founded another founder; its place in the random stream stays."""
    rows = session.execute(sa.select(ImageRow.content_hash, ImageRow.group_id).where(ImageRow.id.in_(image_ids))).all()
    contents = [row.content_hash for row in rows]
    founded = [GroupRow.project_id == project_id, GroupRow.founder_hash.in_(contents)]
    stays = ImageRow.group_id == GroupRow.id, ImageRow.project_id == project_id, ImageRow.id.not_in(image_ids)
    for group in session.scalars(sa.select(GroupRow.id).where(*founded, sa.exists().where(*stays))).all():
        update(session, GroupRow, GroupRow.id == group, founder_hash=_new_founder(session, project_id, group, contents))
    nobodys = sa.literal("deleted:") + sa.cast(GroupRow.id, sa.Text)
    update(session, GroupRow, *founded, founder_hash=nobodys)
    return Groups(tuple({row.group_id for row in rows if row.group_id is not None}))


def _new_founder(session: Session, project_id: ProjectId, group_id: int, gone: Sequence[str]) -> str:
    """The oldest member that stays and founded no other group; else a name that no content can have."""
    other = aliased(GroupRow)
    founds = sa.exists().where(other.project_id == project_id, other.founder_hash == ImageRow.content_hash)
    heirs = sa.select(ImageRow.content_hash).where(
        ImageRow.project_id == project_id, ImageRow.group_id == group_id, ImageRow.content_hash.not_in(gone), ~founds
    )
    return session.scalar(heirs.order_by(ImageRow.id).limit(1)) or f"deleted:{group_id}"


def leave_plans(session: Session, project_id: ProjectId, image_ids: Sequence[ImageId]) -> None:
    """Take the labels of these images out of the plans of re-reviews: what is drawn from is smaller now."""
    gone = set(session.scalars(sa.select(LabelRow.id).where(LabelRow.image_id.in_(image_ids))))
    for plan in session.scalars(sa.select(ReReviewPlanRow).where(ReReviewPlanRow.project_id == project_id)):
        kept = [pair for pair in zip(plan.label_ids, plan.suspicion, strict=True) if pair[0] not in gone]
        if len(kept) < len(plan.label_ids):
            plan.label_ids, plan.suspicion = [label for label, _ in kept], [one for _, one in kept]
    session.flush()


def leave_voids(session: Session, image_ids: Sequence[ImageId]) -> None:
    """Let each void end with the last answer before it that stays, so that it still covers the same answers."""
    ours = sa.select(AnnotationRow.id).join(ReviewRow, ReviewRow.id == AnnotationRow.review_id)
    going = ours.where(ReviewRow.image_id.in_(image_ids))
    voids = session.execute(
        sa.select(VoidRow.id, VoidRow.annotator_id, VoidRow.up_to).where(VoidRow.up_to.in_(going))
    ).all()
    for void, annotator, up_to in voids:
        stays = sa.select(sa.func.max(AnnotationRow.id)).where(
            AnnotationRow.annotator_id == annotator, AnnotationRow.id < up_to, AnnotationRow.id.not_in(going)
        )
        last = session.scalar(stays)
        taken = sa.exists().where(VoidRow.annotator_id == annotator, VoidRow.up_to == last)
        if last is None or session.scalar(sa.select(taken)):
            delete(session, VoidRow, VoidRow.id == void)
        else:
            update(session, VoidRow, VoidRow.id == void, up_to=last)
