"""What the audit of labels reads: labels and where they come from, what became of suspects, where images are.

Read-only but for `find_right`. Image ids are asked for in parts, so there may be any number of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.labels.labels import is_current_label
from db.repositories.queries.stream import is_reserved, share_in_force, was_drawn
from db.repositories.reviews.reviews import is_open
from db.rows import columns, fingerprint_of, newest, newest_of, read_all, rows_of
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
    ReReviewRow,
    ReviewRow,
    ViewRow,
    VoidRow,
)
from labeling.types import Actor, ImageId, LabelSource, ProjectId, ReviewKind


@dataclass(frozen=True, slots=True)
class HeldLabel:
    """A label that stands, with what decides how it may be used; `decided`: it is a lead's decision."""

    label_id: int
    image_id: ImageId
    group_id: int
    reserved: bool
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


def answers_fingerprint(session: Session, project_id: ProjectId) -> str:
    """Changes whenever an answer, a void, a pause, a late view of an image, a label or an engine in force does."""
    of_annotator = AnnotatorSwitchRow.annotator_id == AnnotatorRow.id
    viewed = sa.select(sa.func.count()).select_from(ViewRow).join(ReviewRow, ReviewRow.id == ViewRow.review_id)
    return fingerprint_of(
        session,
        newest_of(AnnotationRow.id, ReviewRow, AnnotationRow.review_id == ReviewRow.id, project_id),
        newest_of(VoidRow.id, AnnotatorRow, VoidRow.annotator_id == AnnotatorRow.id, project_id),
        newest_of(AnnotatorSwitchRow.id, AnnotatorRow, of_annotator, project_id),
        viewed.where(ReviewRow.project_id == project_id),
        newest(LabelRow.id, LabelRow.project_id == project_id),
        sa.select(sa.func.max(EngineStageRow.since)).where(EngineStageRow.project_id == project_id),
    )


def agreement_fingerprint(session: Session, project_id: ProjectId) -> str:
    """The same, and whenever an engine says something of an image or somebody is asked about one."""
    said = newest_of(PrelabelRow.id, ImageRow, PrelabelRow.image_id == ImageRow.id, project_id)
    more = fingerprint_of(session, said, newest(ReviewRow.id, ReviewRow.project_id == project_id))
    return f"{answers_fingerprint(session, project_id)}-{more}"


def held_labels(session: Session, project_id: ProjectId) -> list[HeldLabel]:
    """Every label that stands on an image with a group, in the order of image ids."""
    return _held_labels(session, project_id, sa.and_(LabelRow.value.is_not(None), is_current_label()))


def labels_as_given(session: Session, project_id: ProjectId) -> list[HeldLabel]:
    """The same, but of an image whose label is re-reviewed that label, whatever has become of it since."""
    again = sa.select(ReReviewRow.label_id).join(ReviewRow, ReviewRow.id == ReReviewRow.review_id)
    labels = again.where(ReviewRow.project_id == project_id).correlate(None)
    images = labels.with_only_columns(ReviewRow.image_id)
    others = sa.and_(LabelRow.value.is_not(None), is_current_label(), LabelRow.image_id.not_in(images))
    return _held_labels(session, project_id, sa.or_(LabelRow.id.in_(labels), others))


def _held_labels(session: Session, project_id: ProjectId, which: sa.ColumnElement[bool]) -> list[HeldLabel]:
    ids = {"label_id": LabelRow.id, "image_id": ImageRow.id, "group_id": GroupRow.id}
    decided = LabelRow.evidence["decision"].as_integer().is_not(None)
    reserved = is_reserved(project_id, share_in_force(session, project_id))
    states = {"reserved": reserved, "decided": decided}
    rows = session.execute(
        sa.select(*columns(HeldLabel, ImageRow, LabelRow, ReviewRow, **ids, **states))
        .select_from(LabelRow)
        .join(ImageRow, ImageRow.id == LabelRow.image_id)
        .join(GroupRow, GroupRow.id == ImageRow.group_id)
        .outerjoin(ReviewRow, ReviewRow.id == LabelRow.review_id)
        .where(LabelRow.project_id == project_id, which)
        .order_by(ImageRow.id)
    )
    return read_all(HeldLabel, rows)


def standing_labels(session: Session, project_id: ProjectId, label_ids: Iterable[int]) -> dict[int, int]:
    """Of these labels, those of the project that still stand, each with its image."""
    query = sa.select(LabelRow.id, LabelRow.image_id).where(
        LabelRow.project_id == project_id, LabelRow.value.is_not(None), is_current_label()
    )
    return {label: image for label, image in rows_of(session, query, LabelRow.id, label_ids)}  # noqa: C416 - a row is no tuple


def places(session: Session, image_ids: Iterable[int]) -> dict[int, Place]:
    """The bytes of these images, and the newest task of each."""
    task = (
        sa.select(sa.func.max(PushRow.ls_task_id))
        .join(ReviewRow, ReviewRow.id == PushRow.review_id)
        .where(ReviewRow.image_id == ImageRow.id)
        .correlate(ImageRow)
        .scalar_subquery()
    )
    query = sa.select(ImageRow.id, ImageRow.content_hash, task)
    found = rows_of(session, query, ImageRow.id, image_ids)
    return {image: Place(content_hash, ls_task) for image, content_hash, ls_task in found}


def open_images(session: Session, image_ids: Iterable[int]) -> set[int]:
    """Those of these images about which somebody is still asked, gold reviews left out."""
    query = sa.select(ReviewRow.image_id).where(is_open(), ReviewRow.kind != ReviewKind.GOLD.value)
    return {row.image_id for row in rows_of(session, query, ReviewRow.image_id, image_ids)}


def handled_fingerprint(session: Session, project_id: ProjectId, reason: str, strategy: str) -> str:
    """Changes whenever a label is found right, or an image goes back to people for this reason or by this strategy."""
    checked = (
        sa.select(sa.func.count()).select_from(LabelCheckRow).join(LabelRow, LabelRow.id == LabelCheckRow.label_id)
    )
    again = newest_of(OverlapRow.id, ReviewRow, OverlapRow.review_id == ReviewRow.id, project_id)
    anew = newest(QueryRow.id, QueryRow.project_id == project_id, QueryRow.strategy == strategy)
    return fingerprint_of(
        session, checked.where(LabelRow.project_id == project_id), again.where(OverlapRow.reason == reason), anew
    )


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
    """The labels that were checked again and found right."""
    checked = sa.select(LabelCheckRow.label_id).join(LabelRow, LabelRow.id == LabelCheckRow.label_id)
    return set(session.scalars(checked.where(LabelRow.project_id == project_id)))


def find_right(session: Session, label_ids: Sequence[int], by: Actor) -> int:
    """Note that these labels were checked again and are right; return how many notes are new."""
    rows = [{"label_id": label, "author": by.author, "reason": by.reason, "at": by.now} for label in label_ids]
    return insert_new(session, LabelCheckRow, rows)


def changed(session: Session, image_ids: Iterable[int]) -> int:
    """How many of these images ever changed from one label to another."""
    return sum(1 for _ in rows_of(session, _relabelled(), LabelRow.image_id, image_ids))


def corrected_random(session: Session, project_id: ProjectId) -> int:
    """How many images of the random stream ever changed from one label to another."""
    differing = (
        _relabelled()
        .join(ImageRow, ImageRow.id == LabelRow.image_id)
        .join(GroupRow, GroupRow.id == ImageRow.group_id)
        .where(LabelRow.project_id == project_id, was_drawn(project_id))
        .subquery()
    )
    return session.scalar(sa.select(sa.func.count()).select_from(differing)) or 0


def _relabelled() -> sa.Select[int]:
    """The images that had more than one label."""
    by_image = sa.select(LabelRow.image_id).where(LabelRow.value.is_not(None)).group_by(LabelRow.image_id)
    return by_image.having(sa.func.min(LabelRow.value) != sa.func.max(LabelRow.value))
