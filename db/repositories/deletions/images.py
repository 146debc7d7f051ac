"""Removes images with everything that our tables know of them, and says what lies outside that was theirs.

In: images of one project. Out: `Gone`: hashes, texts, uploads, tasks and drawings, to be removed where nobody else has
them. What speaks of several images (groups, plans, voids) goes on without these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.deletions.deletions import Deletion
from db.repositories.deletions.dependents import delete_with_dependents
from db.repositories.deletions.shared_facts import leave_groups, leave_plans, leave_voids
from db.session import delete
from db.tables import (
    AdoptedTaskRow,
    AnnotationRow,
    FailureRow,
    FetchRow,
    ImageRow,
    LabelRow,
    LabelStudioProjectRow,
    PushRow,
    RegionRow,
    RegistrationRow,
    ReviewRow,
)
from labeling.types import DeletionKind, ImageId, ProjectId, ReviewKind


@dataclass(frozen=True, slots=True)
class Gone:
    """What images had outside of our tables; `names` are references and addresses, `tasks` (project, task) there."""

    contents: tuple[str, ...]
    texts: tuple[str, ...]
    names: tuple[str, ...]
    references: tuple[str, ...]
    tasks: tuple[tuple[int, int], ...]
    drawings: tuple[str, ...]


def next_images(session: Session, deletion: Deletion, limit: int) -> list[ImageId]:
    """Some of the images that this deletion still has to remove; none when it has removed all."""
    wanted = sa.select(ImageRow.id).where(
        ImageRow.project_id == deletion.project_id, _goes_with(deletion.kind, deletion.subject)
    )
    return [ImageId(one) for one in session.scalars(wanted.order_by(ImageRow.id).limit(limit))]


def count_what_goes(session: Session, project_id: ProjectId, kind: DeletionKind, subject: int) -> dict[str, int]:
    """What a deletion would remove: images, answers, labels, tasks; `measured` are images of the random stream."""
    going = sa.select(ImageRow.id).where(ImageRow.project_id == project_id, _goes_with(kind, subject))
    asked = ReviewRow.image_id.in_(going)
    ours = {
        "images": sa.select(sa.func.count()).select_from(going.subquery()),
        "answers": sa.select(sa.func.count(AnnotationRow.id)).join(ReviewRow, ReviewRow.id == AnnotationRow.review_id),
        "labels": sa.select(sa.func.count(sa.distinct(LabelRow.image_id))).where(LabelRow.image_id.in_(going)),
        "tasks": sa.select(sa.func.count(PushRow.review_id)).join(ReviewRow, ReviewRow.id == PushRow.review_id),
        "measured": sa.select(sa.func.count(sa.distinct(ReviewRow.image_id))).where(
            ReviewRow.kind == ReviewKind.RANDOM
        ),
    }
    by_review = ("answers", "tasks", "measured")
    found = {name: query.where(asked) if name in by_review else query for name, query in ours.items()}
    return {name: session.scalar(query) or 0 for name, query in found.items()}


def gone_of(session: Session, project_id: ProjectId, image_ids: Sequence[ImageId]) -> Gone:
    """What these images have."""
    images = session.execute(sa.select(ImageRow.content_hash, ImageRow.text).where(ImageRow.id.in_(image_ids))).all()
    named = session.execute(
        sa.select(RegistrationRow.reference, RegistrationRow.address, RegistrationRow.text)
        .join(FetchRow, FetchRow.registration_id == RegistrationRow.id)
        .where(FetchRow.image_id.in_(image_ids))
    ).all()
    drawn = sa.select(RegionRow.picture).join(ReviewRow, ReviewRow.id == RegionRow.review_id)
    return Gone(
        contents=tuple(one.content_hash for one in images),
        texts=tuple({one.text for one in (*images, *named) if one.text}),
        names=tuple(dict.fromkeys(name for one in named for name in (one.reference, one.address))),
        references=tuple(dict.fromkeys(one.reference for one in named)),
        tasks=_tasks(session, project_id, image_ids),
        drawings=tuple(session.scalars(drawn.where(ReviewRow.image_id.in_(image_ids)))),
    )


def remove_images(session: Session, project_id: ProjectId, image_ids: Sequence[ImageId], gone: Gone) -> dict[str, int]:
    """Remove these images and all that our tables know of them; how many images, answers and labels went."""
    fetched = sa.select(FetchRow.registration_id).where(FetchRow.image_id.in_(image_ids))
    registrations = list(session.scalars(fetched))
    _forget_failures(session, project_id, registrations, image_ids, gone.names)
    leave_voids(session, image_ids)
    leave_plans(session, project_id, image_ids)
    groups = leave_groups(session, project_id, image_ids)
    deleted = delete_with_dependents(session, ImageRow, image_ids)
    delete_with_dependents(session, RegistrationRow, registrations)
    groups.remove_emptied(session)
    return {"images": deleted["image"], "answers": deleted["annotation"], "labels": deleted["label"]}


def _goes_with(kind: DeletionKind, subject: int) -> sa.ColumnElement[bool]:
    """The condition on `ImageRow` that it goes; one that another source or person has named too does not."""
    if kind is DeletionKind.IMAGE:
        return ImageRow.id == subject
    if kind is DeletionKind.PROJECT:
        return sa.true()
    named = sa.exists().where(FetchRow.image_id == ImageRow.id, RegistrationRow.id == FetchRow.registration_id)
    elsewhere = RegistrationRow.source_id.is_distinct_from(subject)
    if kind is DeletionKind.SOURCE:
        return named.where(RegistrationRow.source_id == subject) & ~named.where(elsewhere)
    return sa.false()


def _tasks(session: Session, project_id: ProjectId, image_ids: Sequence[ImageId]) -> tuple[tuple[int, int], ...]:
    pushed = sa.select(PushRow.ls_project_id, PushRow.ls_task_id).join(ReviewRow, ReviewRow.id == PushRow.review_id)
    adopted = (
        sa.select(LabelStudioProjectRow.ls_project_id, AdoptedTaskRow.ls_task_id)
        .join(AdoptedTaskRow, AdoptedTaskRow.project_id == LabelStudioProjectRow.project_id)
        .join(FetchRow, FetchRow.registration_id == AdoptedTaskRow.registration_id)
        .where(LabelStudioProjectRow.project_id == project_id, FetchRow.image_id.in_(image_ids))
    )
    rows = [
        *session.execute(pushed.where(ReviewRow.image_id.in_(image_ids))),
        *session.execute(adopted),
    ]
    return tuple(dict.fromkeys((int(there), int(task)) for there, task in rows))


def _forget_failures(
    session: Session,
    project_id: ProjectId,
    registrations: Sequence[int],
    image_ids: Sequence[ImageId],
    names: Sequence[str],
) -> None:
    """Remove the failures that speak of these: by the number of what they are about, or by a name in their words."""
    of_project = FailureRow.project_id == project_id
    if not session.scalar(sa.select(sa.exists().where(of_project))):
        return
    fetch = (FailureRow.step == "fetch") & FailureRow.subject.in_([str(one) for one in registrations])
    reviews = [str(one) for one in session.scalars(sa.select(ReviewRow.id).where(ReviewRow.image_id.in_(image_ids)))]
    by_review = FailureRow.step.in_(("explanation", "regions")) & FailureRow.subject.in_(reviews)
    delete(session, FailureRow, of_project, fetch | by_review)
    for image_id in image_ids:
        subject = FailureRow.subject
        by_image = (subject == str(image_id)) | subject.startswith(f"{image_id} by ", autoescape=True)
        delete(session, FailureRow, of_project, FailureRow.step.in_(("prelabel", "escalate")), by_image)
    for name in names:
        says = FailureRow.subject.contains(name, autoescape=True) | FailureRow.reason.contains(name, autoescape=True)
        delete(session, FailureRow, of_project, says)
