"""The labels that stand, as a list to read and to correct: one row an image, the newest label first.

In: a project, filters, and where to go on (a label's id). Out: frozen items. A slice costs the same however deep it
lies; rare labels are found through the tables that are indexed by them, never by reading all labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from db.paging import Slice
from db.repositories.labels.labels import DISPUTED, is_current_label
from db.repositories.reviews.reviews import is_open
from db.rows import columns, read
from db.tables import (
    AnnotationRow,
    FetchRow,
    GroupRow,
    ImageRow,
    LabelRow,
    PushRow,
    RegistrationRow,
    ReviewRow,
    SoftLabelRow,
)
from db.views.exports import first_references, person_answers
from db.views.undecided import undecided
from labeling.project import Project
from labeling.types import AnnotationAction, ImageId, LabelSource, ProjectId, ReviewKind

SEARCHED = 1_000
"""A search by name covers so many of the newest names that match; of undecided images the newest so many are listed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which labels to list; what is None or empty does not matter.

    `undecided`: only images that nobody who was asked could tell. `withheld`: leave out what a blind task hides.
    """

    label: str | None = None
    source: LabelSource | None = None
    kind: ReviewKind | None = None
    annotator_id: int | None = None
    disputed: bool = False
    undecided: bool = False
    text: str = ""
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """One image with its newest label. `value` None: there is none (any more); `reason` says why.

    `people` are the annotators whose answers made the label (number, name), `confidence` is the consensus's, in [0, 1].
    """

    image_id: ImageId
    content_hash: str
    label_id: int | None
    value: str | None
    source: LabelSource | None
    author: str
    reason: str
    at: datetime | None
    evidence: dict[str, Any]
    kind: ReviewKind | None
    task_id: int | None
    confidence: float | None
    reference: str = ""
    people: tuple[tuple[int, str], ...] = ()

    @property
    def decided(self) -> bool:
        """Whether a lead's decision is in force."""
        return "decision" in self.evidence


def standing(session: Session, project: Project, wanted: Wanted, *, after: int | None, limit: int) -> Slice[Listed]:
    """The newest label of each image that has one, withdrawn ones included; `after` is a label's id."""
    statement = _listed(LabelRow.image_id == ImageRow.id).where(
        LabelRow.project_id == project.id, is_current_label(), *_conditions(project.id, wanted)
    )
    if wanted.text:  # read first: no planner knows how many names match
        statement = statement.where(LabelRow.image_id.in_(_named(session, project.id, wanted.text)))
    if wanted.undecided:
        doubted = dict.fromkeys(one.image_id for one in undecided(session, project))
        statement = statement.where(LabelRow.image_id.in_(list(doubted)[:SEARCHED]))
    if after is not None:
        statement = statement.where(LabelRow.id < after)
    rows = session.execute(statement.order_by(LabelRow.id.desc()).limit(limit + 1)).all()
    found = _completed(session, rows[:limit])
    return Slice(found, found[-1].label_id if len(rows) > limit else None)


def of_images(session: Session, project_id: ProjectId, image_ids: Sequence[ImageId]) -> list[Listed]:
    """These images of the project in the order of their ids, labelled or not."""
    newest = sa.select(sa.func.max(LabelRow.id)).where(LabelRow.image_id == ImageRow.id).correlate(ImageRow)
    statement = _listed(LabelRow.id == newest.scalar_subquery(), outer=True).where(
        ImageRow.project_id == project_id, ImageRow.id.in_(image_ids)
    )
    return _completed(session, session.execute(statement.order_by(ImageRow.id)).all())


def of_task(session: Session, project_id: ProjectId, task_id: int) -> ImageId | None:
    """The image that a task in Label Studio shows; None if the project has no such task."""
    found = session.scalar(
        sa.select(ReviewRow.image_id)
        .join(PushRow, PushRow.review_id == ReviewRow.id)
        .where(PushRow.ls_task_id == task_id, ReviewRow.project_id == project_id)
    )
    return None if found is None else ImageId(found)


def blind_and_open(session: Session, image_ids: Sequence[ImageId]) -> set[ImageId]:
    """Those of these images that somebody is being asked about blind."""
    rows = session.scalars(
        sa.select(ReviewRow.image_id).where(ReviewRow.image_id.in_(image_ids), ReviewRow.blind.is_(True), is_open())
    )
    return {ImageId(image) for image in rows}


def _listed(on: sa.ColumnElement[bool], *, outer: bool = False) -> sa.Select[*tuple[Any, ...]]:
    asked = aliased(ReviewRow)
    ids = {"image_id": ImageRow.id, "label_id": LabelRow.id, "task_id": PushRow.ls_task_id, "kind": asked.kind}
    said = {"author": sa.func.coalesce(LabelRow.author, ""), "reason": sa.func.coalesce(LabelRow.reason, "")}
    fields = columns(Listed, ImageRow, GroupRow, LabelRow, SoftLabelRow, **ids, **said, at=LabelRow.created_at)
    return (
        sa.select(*fields)
        .select_from(ImageRow)
        .join(LabelRow, on, isouter=outer)
        .outerjoin(asked, asked.id == LabelRow.review_id)
        .outerjoin(PushRow, PushRow.review_id == LabelRow.review_id)
        .outerjoin(SoftLabelRow, SoftLabelRow.image_id == ImageRow.id)
    )


def _conditions(project_id: ProjectId, wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.label is not None:
        found.append(LabelRow.value == wanted.label)
    if wanted.source is not None:
        found.append(LabelRow.source == wanted.source.value)
    if wanted.disputed:
        found += [LabelRow.value.is_(None), LabelRow.source == LabelSource.PEOPLE.value, LabelRow.reason == DISPUTED]
    if wanted.kind is not None:
        of_kind = sa.select(ReviewRow.id).where(ReviewRow.project_id == project_id, ReviewRow.kind == wanted.kind.value)
        found.append(LabelRow.review_id.in_(of_kind))
    if wanted.annotator_id is not None:
        answered = sa.select(AnnotationRow.review_id).where(
            AnnotationRow.annotator_id == wanted.annotator_id, AnnotationRow.action == AnnotationAction.ANSWERED.value
        )
        found.append(LabelRow.review_id.in_(answered))
    if wanted.withheld:
        blind = sa.exists().where(ReviewRow.image_id == LabelRow.image_id, ReviewRow.blind.is_(True), is_open())
        found.append(~blind.correlate(LabelRow))
    return found


def _named(session: Session, project_id: ProjectId, text: str) -> list[int]:
    matching = (
        sa.select(RegistrationRow.id)
        .where(RegistrationRow.project_id == project_id, RegistrationRow.reference.icontains(text, autoescape=True))
        .order_by(RegistrationRow.id.desc())
        .limit(SEARCHED)
        .subquery()
    )
    joined = sa.select(FetchRow.image_id).join(matching, matching.c.id == FetchRow.registration_id)
    return list(session.scalars(joined))


def _completed(session: Session, rows: Sequence[sa.Row[*tuple[Any, ...]]]) -> list[Listed]:
    """With the name that each image was first registered under, and with who answered."""
    items = [read(Listed, {**row._mapping, "evidence": row.evidence or {}}) for row in rows]
    names = first_references(session, [item.image_id for item in items])
    answers = person_answers(session, [key for item in items for key in item.evidence.get("annotations", ())])
    people = {key: (answer.annotator_id, answer.name) for key, answer in answers.items() if answer.annotator_id}
    return [
        replace(
            item,
            reference=names.get(item.image_id, ""),
            people=tuple(dict.fromkeys(people[n] for n in item.evidence.get("annotations", ()) if n in people)),
        )
        for item in items
    ]
