"""Images that nobody who was asked could tell: what waits for another person, for a lead, or is undecidable.

In: a project. Out: one fact a review, the newest first. A review is undecided when somebody was unsure, skipped it or
answered without viewing the image, nobody gave a label, and no label that people gave later stands. Figures that rest
on a random sample count such an image as an error, and say how many there are.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from db.repositories.labels import decisions
from db.repositories.labels.labels import is_current_label
from db.repositories.reviews.reviews import CLOSING, is_current, is_open, is_valid
from db.tables import AnnotationRow, DecisionRow, LabelRow, ReviewRow, ViewRow
from labeling.answers import Answer
from labeling.label_sets.changes import known_labels
from labeling.project import Project
from labeling.types import AnnotationAction, ImageId, LabelSource, ReviewId, ReviewKind


class UndecidedState(StrEnum):
    """What an undecided image waits for: another person, a lead, or nothing, for a lead found it undecidable."""

    ASKED = "asked"
    LEAD = "lead"
    UNDECIDABLE = "undecidable"

    @property
    def words(self) -> str:
        """As a person reads it."""
        return {"asked": "another person is asked", "lead": "it waits for a lead"}.get(self, "a lead: undecidable")


@dataclass(frozen=True, slots=True)
class Undecided:
    """One review that nobody could answer, or an image that a lead found undecidable.

    `review_id` and `kind` are None only where a lead decided about an image that no review asked about. `unsure`,
    `skipped` and `unviewed` are the annotators (0: not known) who said "unsure" or chose no label of the project, who
    skipped it, and who answered without viewing it; all are empty where a lead decided.
    """

    image_id: ImageId
    review_id: ReviewId | None
    kind: ReviewKind | None
    state: UndecidedState
    since: datetime
    unsure: tuple[int, ...] = ()
    skipped: tuple[int, ...] = ()
    unviewed: tuple[int, ...] = ()

    @property
    def people(self) -> frozenset[int]:
        """All who were asked and could not tell."""
        return frozenset({*self.unsure, *self.skipped, *self.unviewed})


def undecided(session: Session, project: Project, among: Collection[ImageId] | None = None) -> list[Undecided]:
    """All of a project's, the newest review first; with `among`, of these images."""
    closed = _undecidable(session, project, among)
    done = {one.image_id for one in closed}
    waiting = [one for one in _waiting(session, project, among) if one.image_id not in done]
    return sorted([*closed, *waiting], key=lambda one: (-(one.review_id or 0), one.image_id))


def _waiting(session: Session, project: Project, among: Collection[ImageId] | None) -> list[Undecided]:
    """By reviews in which somebody could not tell, and nobody gave a label."""
    gold = ReviewRow.kind == ReviewKind.GOLD.value
    fields = AnnotationRow.annotator_id, AnnotationRow.action, AnnotationRow.answers, AnnotationRow.updated_at
    of_review = ReviewRow.id, ReviewRow.image_id, ReviewRow.kind, is_open().label("open"), _viewed().label("viewed")
    other = aliased(AnnotationRow)
    gave = sa.exists().where(other.review_id == ReviewRow.id, _tells(other, project)).correlate(ReviewRow)
    rows = session.execute(
        sa.select(*of_review, *fields)
        .join(AnnotationRow, AnnotationRow.review_id == ReviewRow.id)
        .where(ReviewRow.project_id == project.id, ~gold, _of(among, ReviewRow.image_id))
        .where(AnnotationRow.action.in_(CLOSING), ~_is_label(AnnotationRow, project) | ~_viewed())
        .where(is_current(), is_valid(), ~gave, ~_given_by_people())
        .order_by(ReviewRow.id, AnnotationRow.id)
    )
    return [_read(list(of_one)) for _, of_one in groupby(rows.all(), key=lambda row: row[0])]


def _read(rows: Sequence[sa.Row[*tuple[Any, ...]]]) -> Undecided:
    first = rows[0]
    said: dict[str, list[int]] = {"unsure": [], "skipped": [], "unviewed": []}
    for row in rows:
        if row.action == AnnotationAction.SKIPPED or not Answer.of(row.answers).choices:
            said["skipped"].append(row.annotator_id or 0)
        else:
            said["unsure" if row.viewed else "unviewed"].append(row.annotator_id or 0)
    state = UndecidedState.ASKED if first.open else UndecidedState.LEAD
    since = min(row.updated_at for row in rows)
    who = {name: tuple(dict.fromkeys(people)) for name, people in said.items()}
    return Undecided(ImageId(first.image_id), ReviewId(first.id), ReviewKind(first.kind), state, since, **who)


def _undecidable(session: Session, project: Project, among: Collection[ImageId] | None) -> list[Undecided]:
    """By leads' decisions in force that give no label; the review is the one that the label came from."""
    unsure = sa.select(DecisionRow.image_id).where(
        DecisionRow.project_id == project.id, DecisionRow.value.not_in(known_labels(project.config))
    )
    images = [ImageId(image) for image in session.scalars(unsure.where(_of(among, DecisionRow.image_id)).distinct())]
    found = decisions.in_force(session, images)
    reviews = session.execute(
        sa.select(LabelRow.image_id, ReviewRow.id, ReviewRow.kind)
        .join(ReviewRow, ReviewRow.id == LabelRow.review_id)
        .where(LabelRow.image_id.in_(found), is_current_label())
    )
    of_image = {ImageId(image): (ReviewId(review), ReviewKind(kind)) for image, review, kind in reviews}
    unasked: tuple[ReviewId | None, ReviewKind | None] = None, None
    return [
        Undecided(image, *of_image.get(image, unasked), UndecidedState.UNDECIDABLE, decision.at)
        for image, decision in found.items()
        if not project.config.answers.is_label(decision.value)
    ]


def _of(among: Collection[ImageId] | None, column: InstrumentedAttribute[int]) -> sa.ColumnElement[bool]:
    return sa.true() if among is None else column.in_(among)


def _tells(row: type[AnnotationRow], project: Project) -> sa.ColumnElement[bool]:
    """Whether an annotation gives a label, and counts."""
    answered = row.action == AnnotationAction.ANSWERED.value
    return sa.and_(answered, _is_label(row, project), _viewed(), is_current(row), is_valid(row))


def _is_label(row: type[AnnotationRow], project: Project) -> sa.ColumnElement[bool]:
    """Whether an annotation has exactly one choice, which is a label of the project."""
    first, second = row.answers[0].as_string(), row.answers[1].as_string()
    return sa.and_(sa.func.coalesce(first, "").in_(known_labels(project.config)), second.is_(None))


def _viewed() -> sa.ColumnElement[bool]:
    return sa.exists().where(ViewRow.review_id == ReviewRow.id).correlate(ReviewRow)


def _given_by_people() -> sa.ColumnElement[bool]:
    """Whether a label stands that gold, a lead, or people who were asked as late as a `ReviewRow` gave its image."""
    decided = LabelRow.evidence["decision"].as_integer().is_not(None)
    later = sa.and_(LabelRow.source == LabelSource.PEOPLE.value, sa.or_(decided, LabelRow.review_id >= ReviewRow.id))
    stands = sa.or_(LabelRow.source == LabelSource.GOLD.value, later)
    label = sa.exists().where(LabelRow.image_id == ReviewRow.image_id, LabelRow.value.is_not(None), stands)
    return label.where(is_current_label()).correlate(ReviewRow)
