"""The history of a project: every answer in the order in which it was recorded, and the counts of a week.

Read-only. `answers` and the names of images are complete: for a report about one project, such as the demo's, and not
for pages over large ones. `worked` and the counts beside it are what a weekly summary is made of.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from db.repositories.labels.labels import DISPUTED, OPEN, is_current_label
from db.repositories.reviews.reviews import is_current, is_open
from db.rows import columns, count, count_by, read_all
from db.tables import (
    AnnotationRow,
    AnnotatorRow,
    FetchRow,
    ImageRow,
    LabelRow,
    PrelabelRow,
    PromotionRow,
    QueryRow,
    RegistrationRow,
    ReviewRow,
    VersionRow,
)
from labeling.types import AnnotationAction, LabelSource, ProjectId, ReviewKind

TWIN = "near-duplicates of labelled images"
"""Why an image is not asked about: another one of its group stands for it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One recorded version of one person's answer. `shown` is the class that was pre-selected; None if blind."""

    review_id: int
    image_id: int
    kind: ReviewKind
    ls_annotation_id: int
    action: AnnotationAction
    answers: tuple[str, ...]
    shown: str | None
    accepted: bool | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Named:
    """The reference of an image at its source, and the text beside it."""

    reference: str
    text: str | None


@dataclass(frozen=True, slots=True)
class HowFar:
    """How far a project has come, as counts of facts.

    `answered` counts reviews, `annotations` every row of an answer, `judged` versions with a verdict.
    """

    registered: int
    fetched: int
    images: int
    prelabelled: int
    queries: int
    asked: int
    answered: int
    annotations: int
    versions: int
    judged: int


@dataclass(frozen=True, slots=True)
class HowLabelled:
    """How many images people labelled, a certificate, or nobody since their label was given with them.

    Those that are `left` have no label and are not asked about, by why; `waiting` are all others without one. Together
    they are all images. `answered` counts those about which somebody has answered, whatever came of it.
    """

    answered: int
    people: int
    certificate: int
    given: int
    left: dict[str, int]
    waiting: int


def how_far(session: Session, project_id: ProjectId) -> HowFar:
    """Count every stage's facts."""

    def count(what: InstrumentedAttribute[int], of: Any, *where: sa.ColumnElement[bool]) -> int:
        statement = sa.select(sa.func.count(what.distinct())).where(of.project_id == project_id, *where)
        return session.scalar(statement) or 0

    fetched = FetchRow.registration_id == RegistrationRow.id
    answered = AnnotationRow.review_id == ReviewRow.id
    return HowFar(
        registered=count(RegistrationRow.id, RegistrationRow),
        fetched=count(RegistrationRow.id, RegistrationRow, fetched),
        images=count(ImageRow.id, ImageRow),
        prelabelled=count(ImageRow.id, ImageRow, PrelabelRow.image_id == ImageRow.id),
        queries=count(QueryRow.id, QueryRow),
        asked=count(ReviewRow.id, ReviewRow),
        answered=count(AnnotationRow.review_id, ReviewRow, answered),
        annotations=count(AnnotationRow.id, ReviewRow, answered),
        versions=count(VersionRow.id, VersionRow),
        judged=count(PromotionRow.version_id, PromotionRow),
    )


def how_labelled(session: Session, project_id: ProjectId) -> HowLabelled:
    """By whom each image is labelled now, or why it is not."""
    answered = sa.exists().where(ReviewRow.image_id == ImageRow.id, AnnotationRow.review_id == ReviewRow.id)
    is_asked = sa.exists().where(ReviewRow.image_id == ImageRow.id, is_open())
    label = sa.and_(LabelRow.image_id == ImageRow.id, is_current_label())
    rows = session.execute(
        sa.select(
            ImageRow.group_id, LabelRow.value, LabelRow.source, LabelRow.reason, answered.label("answered"),
            is_asked.label("asked"),
        )
        .outerjoin(LabelRow, label)
        .where(ImageRow.project_id == project_id)
    ).all()  # fmt: skip
    labelled = {row.group_id for row in rows if row.value is not None and row.group_id is not None}
    counts: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for row in rows:
        if row.value is not None:
            counts[_labelled_by(row.source, row.answered)] += 1
        elif not row.asked and row.reason in OPEN:
            left[row.reason] += 1
        elif not row.asked and not row.answered and row.group_id in labelled:
            left[TWIN] += 1
        else:
            counts["waiting"] += 1
    return HowLabelled(
        answered=sum(row.answered for row in rows),
        people=counts["people"],
        certificate=counts["certificate"],
        given=counts["given"],
        left=dict(left),
        waiting=counts["waiting"],
    )


def _labelled_by(source: LabelSource, answered: bool) -> str:
    if source == LabelSource.CERTIFICATE:
        return "certificate"
    return "people" if answered or source == LabelSource.PEOPLE else "given"


def answers(session: Session, project_id: ProjectId) -> list[Answer]:
    """Every annotation row of a project, skips and withdrawals included, oldest first."""
    rows = session.execute(
        sa.select(*columns(Answer, AnnotationRow, ReviewRow))
        .join(ReviewRow, ReviewRow.id == AnnotationRow.review_id)
        .where(ReviewRow.project_id == project_id)
        .order_by(AnnotationRow.id)
    )
    return read_all(Answer, rows)


def first_named(session: Session, project_id: ProjectId) -> dict[int, Named]:
    """How each image was first registered, by image id."""
    rows = session.execute(
        sa.select(FetchRow.image_id, RegistrationRow.reference, RegistrationRow.text)
        .join(RegistrationRow, RegistrationRow.id == FetchRow.registration_id)
        .where(RegistrationRow.project_id == project_id)
        .order_by(RegistrationRow.id.desc())
    )
    return {image_id: Named(reference, text) for image_id, reference, text in rows}


LONGEST_S = 600.0
"""An answer that took longer counts as this: a tab that was left open is not work."""


@dataclass(frozen=True, slots=True)
class Worked:
    """What one annotator did: answers and skips, and the seconds that they took as far as Label Studio knows them."""

    annotator_id: int
    name: str
    answers: int
    seconds: float


def labels_by_source(session: Session, project_id: ProjectId, start: datetime, end: datetime) -> dict[str, int]:
    """How many images got a label in this time that still stands, by where it comes from."""
    labelled = LabelRow.project_id == project_id, LabelRow.value.is_not(None), is_current_label()
    return count_by(session, LabelRow.source, *labelled, LabelRow.created_at >= start, LabelRow.created_at < end)


def worked(session: Session, project_id: ProjectId, start: datetime, end: datetime) -> list[Worked]:
    """What all annotators did in this time, the busiest first; a withdrawn answer is not counted."""
    seconds = sa.func.coalesce(AnnotationRow.lead_time_s, 0.0)
    capped = sa.case((seconds > LONGEST_S, LONGEST_S), else_=seconds)
    rows = session.execute(
        sa.select(AnnotatorRow.id, AnnotatorRow.name, sa.func.count(), sa.func.sum(capped))
        .select_from(AnnotationRow)
        .join(ReviewRow, ReviewRow.id == AnnotationRow.review_id)
        .join(AnnotatorRow, AnnotatorRow.id == AnnotationRow.annotator_id)
        .where(
            ReviewRow.project_id == project_id,
            AnnotationRow.action != AnnotationAction.WITHDRAWN.value,
            AnnotationRow.updated_at >= start,
            AnnotationRow.updated_at < end,
            is_current(),
        )
        .group_by(AnnotatorRow.id, AnnotatorRow.name)
        .order_by(sa.func.count().desc(), AnnotatorRow.id)
    )
    return [Worked(int(annotator), name, int(number), float(total or 0)) for annotator, name, number, total in rows]


def disputes(session: Session, project_id: ProjectId) -> int:
    """How many images have answers in conflict that no lead has decided."""
    conflict = LabelRow.value.is_(None), LabelRow.reason == DISPUTED, is_current_label()
    return count(session, LabelRow, LabelRow.project_id == project_id, *conflict)
