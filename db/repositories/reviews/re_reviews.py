"""Blind re-reviews of labels: what was asked for, the plans that labels are drawn by, and the reviews; appended.

A label is re-reviewed once, as it was when it was chosen: what becomes of it afterwards changes nothing here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from db.label_names import names_of
from db.repositories.reviews.reviews import has_ended, is_open, is_re_review
from db.rows import columns, count, fingerprint_of, newest, newest_of, read_all, read_first, rows_of, to_row
from db.session import insert_new
from db.tables import LabelRow, ReReviewPlanRow, ReReviewRequestRow, ReReviewRow, ReviewEndRow, ReviewRow
from labeling.label_sets.changes import name_now
from labeling.types import Actor, ImageId, ProjectId, ReviewId, ReviewKind


@dataclass(frozen=True, slots=True)
class Plan:
    """The labels (N) that re-reviews are drawn from, and how suspicious each was then (None: no prediction)."""

    id: int
    seed: int
    label_ids: tuple[int, ...]
    suspicion: tuple[float | None, ...]
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Drawn:
    """A label of a plan that is to be asked about: one of the most `suspicious`, or the `place`-th by chance."""

    label_id: int
    suspicious: bool
    place: int


@dataclass(frozen=True, slots=True)
class ReReview:
    """A label that is re-reviewed: its `value` as it was, `now` what the image's label is, and the review that asks.

    `since` is when its plan was made, `given_as` the kind of the review that the label came from (None: no review made
    it). `open`: people are still being asked; `ended`: it will get no answer any more.
    """

    review_id: ReviewId
    image_id: ImageId
    label_id: int
    value: str
    now: str | None
    suspicious: bool
    since: datetime
    given_as: ReviewKind | None
    open: bool
    ended: bool


def plans(session: Session, project_id: ProjectId) -> list[Plan]:
    """All plans, the newest first."""
    of_project = sa.select(*columns(Plan, ReReviewPlanRow)).where(ReReviewPlanRow.project_id == project_id)
    return read_all(Plan, session.execute(of_project.order_by(ReReviewPlanRow.id.desc())))


def newest_plan(session: Session, project_id: ProjectId) -> Plan | None:
    """The plan that is grown; None before the first."""
    of_project = sa.select(*columns(Plan, ReReviewPlanRow)).where(ReReviewPlanRow.project_id == project_id)
    return read_first(session, Plan, of_project.order_by(ReReviewPlanRow.id.desc()))


def add_plan(
    session: Session,
    project_id: ProjectId,
    seed: int,
    label_ids: Sequence[int],
    suspicion: Sequence[float | None],
    now: datetime,
) -> Plan:
    """Append a plan."""
    row = ReReviewPlanRow(
        project_id=project_id, seed=seed, label_ids=list(label_ids), suspicion=list(suspicion), made_at=now
    )
    session.add(row)
    session.flush()
    return Plan(row.id, seed, tuple(label_ids), tuple(suspicion), now)


def add(session: Session, plan: Plan, drawn: Sequence[Drawn], query_id: int) -> int:
    """Note which label each review of this query re-reviews; return how many notes are new."""
    images = images_of(session, [one.label_id for one in drawn])
    asked = sa.select(ReviewRow.image_id, ReviewRow.id).where(ReviewRow.query_id == query_id)
    reviews = {image: review for image, review in session.execute(asked)}  # noqa: C416 - a row is no tuple
    rows = [
        to_row(one, plan_id=plan.id, review_id=reviews[images[one.label_id]])
        for one in drawn
        if images[one.label_id] in reviews
    ]
    return insert_new(session, ReReviewRow, rows)


def of_project(session: Session, project_id: ProjectId) -> list[ReReview]:
    """All re-reviews of a project, in the order in which they were asked, in the label set in force.

    Those of a label whose class was split since are left out.
    """
    given, newer = aliased(ReviewRow), aliased(LabelRow)
    of_image = sa.select(newer.value).where(newer.image_id == LabelRow.image_id).order_by(newer.id.desc()).limit(1)
    states = {"open": is_open(), "ended": has_ended(), "since": ReReviewPlanRow.made_at, "given_as": given.kind}
    ids = {"review_id": ReviewRow.id, "image_id": ReviewRow.image_id, "now": of_image.scalar_subquery()}
    rows = session.execute(
        sa.select(*columns(ReReview, ReReviewRow, LabelRow, **ids, **states))
        .select_from(ReReviewRow)
        .join(ReviewRow, ReviewRow.id == ReReviewRow.review_id)
        .join(LabelRow, LabelRow.id == ReReviewRow.label_id)
        .join(ReReviewPlanRow, ReReviewPlanRow.id == ReReviewRow.plan_id)
        .outerjoin(given, given.id == LabelRow.review_id)
        .where(ReviewRow.project_id == project_id)
        .order_by(ReviewRow.id)
    )
    found, names = read_all(ReReview, rows), names_of(session, project_id)
    now = [(one, name_now(one.value, names)) for one in found]
    return [replace(one, value=value) for one, value in now if value is not None]


def asked_labels(session: Session, project_id: ProjectId) -> set[int]:
    """The labels that are re-reviewed, or were."""
    asked = sa.select(ReReviewRow.label_id).join(ReviewRow, ReviewRow.id == ReReviewRow.review_id)
    return set(session.scalars(asked.where(ReviewRow.project_id == project_id)))


def count_asked(session: Session, project_id: ProjectId) -> int:
    """How many labels are re-reviewed, or were."""
    mine = sa.exists().where(ReviewRow.id == ReReviewRow.review_id, ReviewRow.project_id == project_id)
    return count(session, ReReviewRow, mine)


def count_open(session: Session, project_id: ProjectId) -> int:
    """How many re-reviews people are being asked about now."""
    return count(session, ReviewRow, ReviewRow.project_id == project_id, is_re_review(), is_open())


def wanted(session: Session, project_id: ProjectId) -> int:
    """How many re-reviews leads have asked for in all."""
    highest = sa.select(sa.func.max(ReReviewRequestRow.wanted)).where(ReReviewRequestRow.project_id == project_id)
    return session.scalar(highest) or 0


def want(session: Session, project_id: ProjectId, number: int, by: Actor) -> bool:
    """Note that leads have asked for so many in all; False where that was noted before."""
    row = {"project_id": project_id, "wanted": number, "author": by.author, "reason": by.reason, "at": by.now}
    return bool(insert_new(session, ReReviewRequestRow, [row]))


def fingerprint(session: Session, project_id: ProjectId) -> str:
    """A short text that changes with every request, plan, re-review, and review that ends."""
    asked = newest_of(ReReviewRow.review_id, ReviewRow, ReReviewRow.review_id == ReviewRow.id, project_id)
    ended = sa.select(sa.func.count()).select_from(ReviewEndRow).join(ReviewRow, ReviewRow.id == ReviewEndRow.review_id)
    return fingerprint_of(
        session,
        newest(ReReviewRequestRow.id, ReReviewRequestRow.project_id == project_id),
        newest(ReReviewPlanRow.id, ReReviewPlanRow.project_id == project_id),
        asked,
        ended.where(ReviewRow.project_id == project_id),
    )


def images_of(session: Session, label_ids: Collection[int]) -> dict[int, ImageId]:
    """The image of each of these labels."""
    query = sa.select(LabelRow.id, LabelRow.image_id)
    return {row.id: ImageId(row.image_id) for row in rows_of(session, query, LabelRow.id, label_ids)}
