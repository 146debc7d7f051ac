"""Gold: the images whose answer is known, which of them people may still be asked about, and who is asked first.

A gold image stands in at most one review of kind gold, which wants as many people as the policy allows; when they have
all answered, the image is asked no more. A review that has ended (its task was deleted) leaves its image free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.labels.labels import is_current_label
from db.repositories.queries.stream import is_reserved, share_in_force
from db.repositories.reviews import overlaps
from db.repositories.reviews.reviews import has_ended
from db.tables import AnnotationRow, GroupRow, ImageRow, LabelRow, QueryRow, ReviewRow
from labeling.types import Actor, ImageId, LabelSource, ProjectId, ReviewId, ReviewKind

AUTHOR = "policy"


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """What is known of a gold image; `made_from` are the annotations that it was made from, none where it was given."""

    value: str
    made_from: tuple[int, ...]


def answers(session: Session, project_id: ProjectId) -> dict[ImageId, KnownAnswer]:
    """The gold images of a project, with what is known of them."""
    rows = session.execute(
        sa.select(LabelRow.image_id, LabelRow.value, LabelRow.evidence)
        .where(*_is_gold(project_id))
        .order_by(LabelRow.id)
    )
    return {
        ImageId(image): KnownAnswer(value or "", tuple(known.get("annotations", ()))) for image, value, known in rows
    }


def made_from_answers_of(session: Session, annotator_id: int, made: Mapping[ImageId, KnownAnswer]) -> list[ImageId]:
    """Those of these gold images that this person's answers were made into."""
    theirs = set(session.scalars(sa.select(AnnotationRow.id).where(AnnotationRow.annotator_id == annotator_id)))
    return [image for image, known in made.items() if not theirs.isdisjoint(known.made_from)]


def unasked_images(session: Session, project_id: ProjectId) -> list[ImageId]:
    """Gold images that may be asked about, one of each group of near-duplicates; no reserved one."""
    asked = (
        sa.select(ImageRow.group_id)
        .join(ReviewRow, ReviewRow.image_id == ImageRow.id)
        .where(ReviewRow.project_id == project_id, ReviewRow.kind == ReviewKind.GOLD.value, ~has_ended())
    )
    rows = session.scalars(
        sa.select(sa.func.min(ImageRow.id))
        .join(LabelRow, LabelRow.image_id == ImageRow.id)
        .join(GroupRow, GroupRow.id == ImageRow.group_id)
        .where(
            *_is_gold(project_id),
            ImageRow.group_id.is_not(None),
            ImageRow.group_id.not_in(asked.where(ImageRow.group_id.is_not(None))),
            ~is_reserved(project_id, share_in_force(session, project_id)),
        )
        .group_by(ImageRow.group_id)
    )
    return sorted(ImageId(image) for image in rows)


def asked_reviews(session: Session, project_id: ProjectId, *, first: int | None = None) -> list[ReviewId]:
    """The gold reviews that have not ended, oldest first; with `first`, so many of them."""
    rows = session.scalars(
        sa.select(ReviewRow.id)
        .where(ReviewRow.project_id == project_id, ReviewRow.kind == ReviewKind.GOLD.value, ~has_ended())
        .order_by(ReviewRow.id)
        .limit(first)
    )
    return [ReviewId(review) for review in rows]


def want_people(session: Session, project_id: ProjectId, number: int, people: int, now: datetime) -> int:
    """Let so many different people answer the gold reviews of query `number`."""
    rows = session.scalars(
        sa.select(ReviewRow.id)
        .join(QueryRow, QueryRow.id == ReviewRow.query_id)
        .where(QueryRow.project_id == project_id, QueryRow.number == number, ReviewRow.kind == ReviewKind.GOLD.value)
    )
    wanted = {ReviewId(review): people for review in rows}
    return overlaps.want(session, wanted, Actor(AUTHOR, "gold", now))


def _is_gold(project_id: ProjectId) -> tuple[sa.ColumnElement[bool], ...]:
    of_project = LabelRow.project_id == project_id
    return of_project, LabelRow.source == LabelSource.GOLD.value, LabelRow.value.is_not(None), is_current_label()
