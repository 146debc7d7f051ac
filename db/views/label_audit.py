"""What the inspection of labels reads: labels and where they come from, what became of suspects, where images are.

Read-only but for `find_right`. Image ids go in pieces, so that any number of them may be asked about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.labels.labels import is_current_label
from db.repositories.reviews.reviews import is_open
from db.rows import columns, in_parts, newest, read_all
from db.session import insert_new
from db.tables import (
    AnnotationRow,
    AnnotatorRow,
    AnnotatorSwitchRow,
    EngineStageRow,
    GroupRow,
    ImageRow,
    LabelCheckRow,
    LabelRow,
    OverlapRow,
    PrelabelRow,
    PushRow,
    QueryRow,
    ReviewRow,
    SeenRow,
    VoidRow,
)
from labeling.answers import Answer
from labeling.types import Actor, ImageId, LabelSource, Outcome, ProjectId, ReviewKind, Side

__all__ = [
    "EngineAnswer",
    "HeldLabel",
    "Place",
    "answers_fingerprint",
    "changed",
    "checked_labels",
    "corrected_holdout",
    "engine_answers",
    "find_right",
    "held_labels",
    "open_images",
    "places",
    "sent_back",
    "standing_labels",
]


@dataclass(frozen=True, slots=True)
class HeldLabel:
    """A label that stands, with what decides how it may be used; `decided`: it is a lead's decision."""

    label_id: int
    image_id: ImageId
    group_id: int
    holdout: bool
    bridge: bool
    value: str
    source: LabelSource
    kind: ReviewKind | None
    content_hash: str
    decided: bool


@dataclass(frozen=True, slots=True)
class Place:
    """An image's bytes, and its newest task in Label Studio; None where it has none."""

    content_hash: str
    ls_task_id: int | None


@dataclass(frozen=True, slots=True)
class EngineAnswer:
    """What one engine revision said of an image; `probs` is empty where it gave none."""

    image_id: ImageId
    probs: list[float]
    outcome: Outcome
    answer: str | None

    @property
    def named(self) -> Answer:
        return Answer.named(self.outcome, self.answer)


def answers_fingerprint(session: Session, project_id: ProjectId) -> str:
    """Changes whenever an answer, a void, a pause, a late look at an image, a label or an engine in force does."""
    of_review, of_person = ReviewRow.project_id == project_id, AnnotatorRow.project_id == project_id
    parts = [
        newest(AnnotationRow.id, sa.exists().where(AnnotationRow.review_id == ReviewRow.id, of_review)),
        newest(VoidRow.id, sa.exists().where(VoidRow.annotator_id == AnnotatorRow.id, of_person)),
        newest(AnnotatorSwitchRow.id, sa.exists().where(AnnotatorSwitchRow.annotator_id == AnnotatorRow.id, of_person)),
        sa.select(sa.func.count())
        .select_from(SeenRow)
        .join(ReviewRow, ReviewRow.id == SeenRow.review_id)
        .where(of_review),
        newest(LabelRow.id, LabelRow.project_id == project_id),
        sa.select(sa.func.max(EngineStageRow.since)).where(EngineStageRow.project_id == project_id),
    ]
    row = session.execute(sa.select(*(part.scalar_subquery() for part in parts))).one()
    return "-".join(str(value or 0) for value in row)


def engine_answers(session: Session, revision: str, image_ids: Iterable[int]) -> list[EngineAnswer]:
    """What a revision said of these images."""
    query = sa.select(*columns(EngineAnswer, PrelabelRow)).where(PrelabelRow.revision == revision)
    parts = (query.where(PrelabelRow.image_id.in_(some)) for some in in_parts(sorted(image_ids)))
    rows = (row for part in parts for row in session.execute(part.order_by(PrelabelRow.image_id)))
    return read_all(EngineAnswer, rows)


def held_labels(session: Session, project_id: ProjectId) -> list[HeldLabel]:
    """Every label that stands on an image with a group, in the order of image ids."""
    ids = {"label_id": LabelRow.id, "image_id": ImageRow.id, "group_id": GroupRow.id}
    decided = LabelRow.evidence["decision"].as_integer().is_not(None)
    states = {"holdout": GroupRow.side == Side.HOLDOUT, "decided": decided}
    rows = session.execute(
        sa.select(*columns(HeldLabel, ImageRow, LabelRow, ReviewRow, **ids, **states))
        .select_from(LabelRow)
        .join(ImageRow, ImageRow.id == LabelRow.image_id)
        .join(GroupRow, GroupRow.id == ImageRow.group_id)
        .outerjoin(ReviewRow, ReviewRow.id == LabelRow.review_id)
        .where(LabelRow.project_id == project_id, LabelRow.value.is_not(None), is_current_label())
        .order_by(ImageRow.id)
    )
    return read_all(HeldLabel, rows)


def standing_labels(session: Session, project_id: ProjectId, label_ids: Iterable[int]) -> dict[int, int]:
    """Of these labels, those of the project that still stand, each with its image."""
    query = sa.select(LabelRow.id, LabelRow.image_id).where(
        LabelRow.project_id == project_id, LabelRow.value.is_not(None), is_current_label()
    )
    return {
        label: image
        for some in in_parts(label_ids)
        for label, image in session.execute(query.where(LabelRow.id.in_(some)))
    }


def places(session: Session, image_ids: Iterable[int]) -> dict[int, Place]:
    """Where these images can be looked at."""
    task = (
        sa.select(sa.func.max(PushRow.ls_task_id))
        .join(ReviewRow, ReviewRow.id == PushRow.review_id)
        .where(ReviewRow.image_id == ImageRow.id)
        .correlate(ImageRow)
        .scalar_subquery()
    )
    query = sa.select(ImageRow.id, ImageRow.content_hash, task)
    return {
        image: Place(content_hash, ls_task)
        for some in in_parts(image_ids)
        for image, content_hash, ls_task in session.execute(query.where(ImageRow.id.in_(some)))
    }


def open_images(session: Session, image_ids: Iterable[int]) -> set[int]:
    """Those of these images about which somebody is still asked, gold reviews left out."""
    query = sa.select(ReviewRow.image_id).where(is_open(), ReviewRow.kind != ReviewKind.GOLD.value)
    return {
        image for some in in_parts(image_ids) for image in session.scalars(query.where(ReviewRow.image_id.in_(some)))
    }


def sent_back(session: Session, project_id: ProjectId, reason: str, strategy: str) -> set[int]:
    """Images that went back to people for this reason, or in a query of this strategy."""
    again = (
        sa.select(ReviewRow.image_id)
        .join(OverlapRow, OverlapRow.review_id == ReviewRow.id)
        .where(ReviewRow.project_id == project_id, OverlapRow.reason == reason)
    )
    anew = (
        sa.select(ReviewRow.image_id)
        .join(QueryRow, QueryRow.id == ReviewRow.query_id)
        .where(ReviewRow.project_id == project_id, QueryRow.strategy == strategy)
    )
    return set(session.scalars(sa.union(again, anew)))


def checked_labels(session: Session, project_id: ProjectId) -> set[int]:
    """The labels that somebody looked at again and found right."""
    return set(
        session.scalars(
            sa.select(LabelCheckRow.label_id)
            .join(LabelRow, LabelRow.id == LabelCheckRow.label_id)
            .where(LabelRow.project_id == project_id)
        )
    )


def find_right(session: Session, label_ids: Sequence[int], by: Actor) -> int:
    """Note that these labels were looked at again and are right; return how many notes are new."""
    rows = [{"label_id": label, "author": by.author, "reason": by.reason, "at": by.now} for label in label_ids]
    return insert_new(session, LabelCheckRow, rows)


def changed(session: Session, image_ids: Iterable[int]) -> int:
    """How many of these images ever changed from one label to another."""
    query = sa.select(LabelRow.image_id).where(LabelRow.value.is_not(None)).group_by(LabelRow.image_id)
    query = query.having(sa.func.count(sa.distinct(LabelRow.value)) > 1)
    return sum(len(session.scalars(query.where(LabelRow.image_id.in_(some))).all()) for some in in_parts(image_ids))


def corrected_holdout(session: Session, project_id: ProjectId) -> int:
    """How many hold-out images ever changed from one label to another."""
    differing = (
        sa.select(LabelRow.image_id)
        .join(ImageRow, ImageRow.id == LabelRow.image_id)
        .join(GroupRow, GroupRow.id == ImageRow.group_id)
        .where(LabelRow.project_id == project_id, LabelRow.value.is_not(None), GroupRow.side == Side.HOLDOUT)
        .group_by(LabelRow.image_id)
        .having(sa.func.count(sa.distinct(LabelRow.value)) > 1)
        .subquery()
    )
    return session.scalar(sa.select(sa.func.count()).select_from(differing)) or 0
