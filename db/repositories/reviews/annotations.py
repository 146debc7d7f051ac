"""Annotations: people's answers as they became known; appended, each version once, withdrawals included."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from db.label_names import answer_now, names_by_project
from db.repositories.labels.labels import UNDECIDED
from db.repositories.reviews.reviews import is_current, is_valid
from db.rows import columns, read_all, to_row
from db.session import insert_new
from db.tables import AnnotationRow, AnnotatorRow, LabelRow, PushRow, ReReviewRow, ReviewRow, ViewRow
from labeling.answers import Answer
from labeling.label_sets.changes import Names, name_now
from labeling.types import AnnotationAction, ImageId, ProjectId, ReviewId, ReviewKind

_WITHDRAWN = AnnotationAction.WITHDRAWN.value
_ANSWERED = AnnotationAction.ANSWERED.value


@dataclass(frozen=True, slots=True)
class NewAnnotation:
    """One version of one answer, to be recorded; `ls_task_id` None means the task that its review was pushed as."""

    review_id: ReviewId
    annotator_id: int | None
    ls_annotation_id: int
    unique_id: str
    action: AnnotationAction
    answers: tuple[str, ...]
    result_hash: str
    shown: str | None
    accepted: bool | None
    lead_time_s: float | None
    updated_at: datetime
    paused: bool = False
    ls_task_id: int | None = None


@dataclass(frozen=True, slots=True)
class CurrentAnnotation:
    """The newest version that we know of an answer; `ls_task_id` is the task that it was given to."""

    review_id: ReviewId
    annotator_id: int | None
    ls_annotation_id: int
    ls_task_id: int | None
    unique_id: str
    action: AnnotationAction
    result_hash: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class VoteRow:
    """A current answer that counts; `shown` is what was pre-selected.

    It is empty for a skip, and where the image was not `viewed`: who never fetched it from us can tell nothing. In a
    re-review `re_reviewed` is the label that it is compared with, `given_in` and `given_as` the review that this label
    came from and its kind (None: no review made it). Classes are those of the label set in force: an answer that named
    a class which was split since, or that is compared with one, does not count.
    """

    image_id: ImageId
    review_id: ReviewId
    kind: ReviewKind
    blind: bool
    annotation_id: int
    annotator_id: int
    answer: Answer
    shown: str | None
    viewed: bool
    lead_time_s: float | None
    updated_at: datetime
    re_reviewed: str | None = None
    given_in: ReviewId | None = None
    given_as: ReviewKind | None = None


def record(session: Session, found: Sequence[NewAnnotation], now: datetime) -> int:
    """Append the versions that are not there yet; return how many that were."""
    return insert_new(session, AnnotationRow, [to_row(annotation, recorded_at=now) for annotation in found])


def current(session: Session, review_ids: Sequence[ReviewId]) -> list[CurrentAnnotation]:
    """What we hold of these reviews' annotations, withdrawn ones included."""
    rows = session.execute(
        sa.select(*columns(CurrentAnnotation, AnnotationRow, ls_task_id=_task()))
        .outerjoin(PushRow, PushRow.review_id == AnnotationRow.review_id)
        .where(AnnotationRow.review_id.in_(review_ids), is_current())
        .order_by(AnnotationRow.id)
    )
    return read_all(CurrentAnnotation, rows)


def annotators(session: Session, project_id: ProjectId, names: Mapping[int, str]) -> dict[int, int]:
    """Our id of each Label Studio user, made where there is none yet."""
    rows = [{"project_id": project_id, "ls_user_id": user, "name": name} for user, name in names.items()]
    insert_new(session, AnnotatorRow, rows)
    found = session.execute(
        sa.select(AnnotatorRow.ls_user_id, AnnotatorRow.id).where(AnnotatorRow.project_id == project_id)
    )
    return {ls_user_id: our_id for ls_user_id, our_id in found}  # noqa: C416 - a row is no tuple to mypy


def held(session: Session, project_id: ProjectId, among: Collection[int] | None = None) -> dict[int, frozenset[int]]:
    """Task -> Label Studio's ids of the annotations there that we hold and that were not withdrawn.

    `among` names tasks; None means all. A task without any is left out.
    """
    rows = session.execute(
        _at_tasks(sa.select(_task(), AnnotationRow.ls_annotation_id))
        .where(ReviewRow.project_id == project_id, is_current(), AnnotationRow.action != _WITHDRAWN)
        .where(sa.true() if among is None else _task().in_(among))
    )
    found: dict[int, set[int]] = {}
    for task, annotation in rows:
        found.setdefault(task, set()).add(annotation)
    return {task: frozenset(ids) for task, ids in found.items()}


def tasks_of(session: Session, project_id: ProjectId, ls_annotation_ids: Sequence[int]) -> set[int]:
    """The tasks that these annotations belonged to: an event of a deletion carries only their ids."""
    rows = session.scalars(
        _at_tasks(sa.select(_task())).where(
            ReviewRow.project_id == project_id, AnnotationRow.ls_annotation_id.in_(ls_annotation_ids)
        )
    )
    return {task for task in rows if task is not None}


def votes(session: Session, image_ids: Sequence[ImageId]) -> list[VoteRow]:
    """The current answers about these images that count, skips among them."""
    return _votes(session, ReviewRow.image_id.in_(image_ids))


def votes_of_project(session: Session, project_id: ProjectId) -> list[VoteRow]:
    """All current answers of a project that count, skips among them, in the order of their recording."""
    return _votes(session, ReviewRow.project_id == project_id)


def _votes(session: Session, condition: sa.ColumnElement[bool]) -> list[VoteRow]:
    kinds = {kind.value: kind for kind in ReviewKind}
    rows = session.execute(_vote_rows().where(condition)).mappings().all()
    names = names_by_project(session, {row["project_id"] for row in rows})
    read = (_vote(row, kinds, names[row["project_id"]]) for row in rows)
    return [vote for vote in read if vote is not None]


def _vote(row: sa.RowMapping, kinds: Mapping[str, ReviewKind], names: Names) -> VoteRow | None:
    """One answer as it counts in the label set in force; None where it does not any more."""
    viewed, compared = bool(row["viewed"]), row["re_reviewed"]
    answer = answer_now(Answer.of(row["answer"] if viewed else ()), names)
    if names and compared is not None:
        compared = name_now(compared, names)
    if answer is None or (compared is None and row["re_reviewed"] is not None):
        return None
    shown = name_now(row["shown"], names) if names and row["shown"] is not None else row["shown"]
    given = {"answer": answer, "shown": shown, "viewed": viewed, "re_reviewed": compared}
    given |= {"kind": kinds[row["kind"]], "given_as": kinds.get(row["given_as"])}
    return VoteRow(**{name: value for name, value in row.items() if name != "project_id"} | given)


@cache  # to make it takes ten times as long as to add a condition
def _vote_rows() -> sa.Select[*tuple[Any, ...]]:
    """Columns, not objects of the mapper: a project has tens of thousands."""
    ids = {"annotation_id": AnnotationRow.id, "annotator_id": sa.func.coalesce(AnnotationRow.annotator_id, 0)}
    viewed, given = ViewRow.at.is_not(None), aliased(ReviewRow)
    of_label = {"re_reviewed": LabelRow.value, "given_in": given.id, "given_as": given.kind}
    fields = columns(VoteRow, AnnotationRow, ReviewRow, answer=AnnotationRow.answers, viewed=viewed, **ids, **of_label)
    return (
        sa.select(*fields, ReviewRow.project_id)
        .join(ReviewRow, ReviewRow.id == AnnotationRow.review_id)
        .outerjoin(ViewRow, ViewRow.review_id == ReviewRow.id)
        .outerjoin(ReReviewRow, ReReviewRow.review_id == ReviewRow.id)
        .outerjoin(LabelRow, LabelRow.id == ReReviewRow.label_id)
        .outerjoin(given, given.id == LabelRow.review_id)
        .where(is_current(), is_valid(), AnnotationRow.action != _WITHDRAWN)
        .order_by(AnnotationRow.id)
    )


def answered_images(session: Session, project_id: ProjectId) -> list[ImageId]:
    """Every image about which anybody ever answered; for the audit that resolves all labels again."""
    return _images(session, ReviewRow.project_id == project_id)


def unresolved_images(session: Session, project_id: ProjectId) -> list[ImageId]:
    """Images with an answer whose review was viewed and made no label: the view may have been noted late."""
    made = sa.or_(LabelRow.value.is_not(None), LabelRow.reason != UNDECIDED)
    labelled = sa.exists().where(LabelRow.review_id == ReviewRow.id, made).correlate(ReviewRow)
    viewed = sa.exists().where(ViewRow.review_id == ReviewRow.id).correlate(ReviewRow)
    return _images(session, ReviewRow.project_id == project_id, AnnotationRow.action == _ANSWERED, viewed, ~labelled)


def _images(session: Session, *where: sa.ColumnElement[bool]) -> list[ImageId]:
    """The images of the annotations that meet the conditions, in the order of their ids."""
    statement = sa.select(ReviewRow.image_id).join(AnnotationRow, AnnotationRow.review_id == ReviewRow.id)
    return sorted(ImageId(image_id) for image_id in session.scalars(statement.where(*where).distinct()))


def _task() -> sa.ColumnElement[int]:
    """The task that an annotation was given to."""
    return sa.func.coalesce(AnnotationRow.ls_task_id, PushRow.ls_task_id)


def _at_tasks(found: sa.Select[*tuple[Any, ...]]) -> sa.Select[*tuple[Any, ...]]:
    return (
        found.select_from(AnnotationRow)
        .join(ReviewRow, ReviewRow.id == AnnotationRow.review_id)
        .outerjoin(PushRow, PushRow.review_id == ReviewRow.id)
    )
