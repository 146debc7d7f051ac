"""Queries and their reviews: which groups of images may still be asked, and one batch written whole or not at all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.labels.labels import is_current_label
from db.repositories.queries.stream import asked_groups, is_reserved, share_in_force
from db.repositories.reviews.reviews import has_ended, is_current
from db.repositories.versions import predictions
from db.rows import in_parts, rows_of, to_row
from db.session import insert_new
from db.tables import AdoptedTaskRow, AnnotationRow, FetchRow, GroupRow, ImageRow, LabelRow, QueryRow, ReviewRow
from labeling.jobs import Trigger
from labeling.types import AnnotationAction, ImageId, ProjectId, QueryId, ReviewKind, VersionId

_ON_PURPOSE = (ReviewKind.GOLD, ReviewKind.RELABEL, ReviewKind.AUDIT)
"""Kinds that are asked of images which have a label already."""


@dataclass(frozen=True, slots=True)
class NewQuery:
    """One batch as it was chosen. `pool_size` counts the groups that the strategy could choose from.

    `newest_group` is the newest group that it knew of (None: the stream had no part in it), `why` a sentence about how
    the strategy was used.
    """

    project_id: ProjectId
    number: int
    strategy: str
    seed: int
    version_id: VersionId | None
    pool_size: int
    trigger: Trigger
    newest_group: int | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class NewReview:
    """One question of a batch; `probs` is the prediction that it was chosen by, the evidence to be kept.

    `reason` says for people why it was picked.
    """

    image_id: ImageId
    kind: ReviewKind
    blind: bool
    probability: float
    place: float
    token: str
    probs: Sequence[float] | None
    representative: bool = False
    reason: str | None = None


def next_number(session: Session, project_id: ProjectId) -> int:
    """The number that the next query will have; the first is 1."""
    highest = session.scalar(sa.select(sa.func.max(QueryRow.number)).where(QueryRow.project_id == project_id))
    return (highest or 0) + 1


def taken_groups(session: Session, project_id: ProjectId, among: Collection[int] | None = None) -> set[int]:
    """Groups that are not to be asked again: of one of their images there is a label, or a review that still counts.

    A review counts until it is ended, and for ever when it was answered; a task that is being taken over counts too.
    `among` names the groups to check; None means all.
    """
    answer = AnnotationRow.review_id == ReviewRow.id, AnnotationRow.action == AnnotationAction.ANSWERED
    answered = sa.exists().where(*answer, is_current())
    asked = (
        sa.select(ImageRow.group_id)
        .join(ReviewRow, ReviewRow.image_id == ImageRow.id)
        .where(ReviewRow.project_id == project_id, ~has_ended() | answered)
    )
    labelled = (
        sa.select(ImageRow.group_id)
        .join(LabelRow, LabelRow.image_id == ImageRow.id)
        .where(LabelRow.project_id == project_id, LabelRow.value.is_not(None), is_current_label())
    )
    noted = (
        sa.select(ImageRow.group_id)
        .join(FetchRow, FetchRow.image_id == ImageRow.id)
        .join(AdoptedTaskRow, AdoptedTaskRow.registration_id == FetchRow.registration_id)
        .where(AdoptedTaskRow.project_id == project_id, AdoptedTaskRow.taken_at.is_(None))
    )
    taken = asked, labelled, noted
    if among is None:
        return {group for group in session.scalars(sa.union(*taken)) if group is not None}
    of_project = sa.select(ImageRow.id).where(ImageRow.project_id == project_id)
    images = [row.id for row in rows_of(session, of_project, ImageRow.group_id, among)]
    found: set[int] = set()
    for some in in_parts(images):  # from their images on: not from all reviews and labels of the project
        found.update(session.scalars(sa.union(*(query.where(ImageRow.id.in_(some)) for query in taken))))
    return found


def add_query(
    session: Session,
    query: NewQuery,
    reviews: Sequence[NewReview],
    now: datetime,
    *,
    standing: bool = False,
    rest: bool = False,
) -> tuple[QueryId, int]:
    """Write a query with those of its reviews whose image is still there and still not taken.

    Returns the query's id and how many reviews it has; (0, 0) when none is left or its number was taken meanwhile.
    `standing`: people have these tasks already, so all are written, whatever else is asked of their groups. `rest`:
    these are the last of the reserve, and nobody else will ask about them.
    """
    free = list(reviews) if standing else _still_free(session, query.project_id, reviews, rest)
    if not free:
        return QueryId(0), 0
    if not insert_new(session, QueryRow, [to_row(query, created_at=now)]):
        return QueryId(0), 0
    query_id = QueryId(
        session.scalars(
            sa.select(QueryRow.id).where(QueryRow.project_id == query.project_id, QueryRow.number == query.number)
        ).one()
    )
    insert_new(session, ReviewRow, [_review_row(review, query.project_id, query_id, now) for review in free])
    if query.version_id is not None:
        evidence = [(review.image_id, review.probs) for review in free if review.probs is not None]
        predictions.add_evidence(session, query.version_id, evidence, now, asked_in=query_id)
    return query_id, len(free)


def _still_free(session: Session, project_id: ProjectId, reviews: Sequence[NewReview], rest: bool) -> list[NewReview]:
    wanted = [review.image_id for review in reviews]
    found = sa.select(ImageRow.id, ImageRow.group_id).where(ImageRow.project_id == project_id, ImageRow.id.in_(wanted))
    groups = {image: group for image, group in session.execute(found) if group is not None}
    taken = taken_groups(session, project_id, set(groups.values()))
    drawn = asked_groups(session, project_id)
    kept = is_reserved(project_id, share_in_force(session, project_id))
    reserved = set(session.scalars(sa.select(GroupRow.id).where(GroupRow.id.in_(set(groups.values())), kept)))
    kept_free = set() if rest else reserved

    def is_free(review: NewReview) -> bool:
        group = groups.get(review.image_id)
        if group is None:
            return False
        if review.kind is ReviewKind.RANDOM:  # in its turn, whatever others have said of it
            return group not in drawn
        return review.kind in _ON_PURPOSE or group not in taken | kept_free

    return [review for review in reviews if is_free(review)]


def _review_row(review: NewReview, project_id: ProjectId, query_id: QueryId, now: datetime) -> dict[str, Any]:
    row = to_row(replace(review, probs=None), project_id=project_id, query_id=query_id, created_at=now)
    del row["probs"]  # kept as evidence, if at all
    return row
