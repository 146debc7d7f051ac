"""What happened round by round, as the API and the pages list it: queries, reviews, versions, promotions.

In: a project, where to go on (`after`, an id), a limit, and filters whose names are fixed here. Out: a slice of
frozen items, newest first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from db.paging import Slice, slice_of
from db.rows import columns
from db.tables import AnnotationRow, AnnotatorRow, PromotionRow, PushRow, QueryRow, ReviewEndRow, ReviewRow, VersionRow
from labeling.types import ProjectId, ReviewKind, Verdict


@dataclass(frozen=True, slots=True)
class QueryItem:
    """One batch chosen for people. `version` is the number of the version that chose; null before the first.

    `why` says how the strategy was used, where it was hedged.
    """

    id: int
    number: int
    strategy: str
    seed: int
    version: int | None
    pool_size: int
    asked: int
    why: str
    trigger: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """One question about one image, with its last answer; `probability` is that of having been chosen."""

    id: int
    image_id: int
    query: int
    kind: ReviewKind
    blind: bool
    probability: float
    task_id: int | None
    ended: str | None
    action: str | None
    answers: list[str] | None
    annotator: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class VersionItem:
    """One saved classifier with its report."""

    id: int
    number: int
    card_hash: str
    snapshot_hash: str
    report: dict[str, Any]
    trigger: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PromotionItem:
    """One verdict about a version, with its reasons."""

    id: int
    version: int
    champion: int | None
    verdict: Verdict
    reasons: list[str]
    report: dict[str, Any]
    trigger: str
    author: str
    created_at: datetime


def queries(session: Session, project_id: ProjectId, *, after: int | None, limit: int) -> Slice[QueryItem]:
    asked = sa.select(sa.func.count()).where(ReviewRow.query_id == QueryRow.id).scalar_subquery()
    statement = (
        sa.select(*columns(QueryItem, QueryRow, version=VersionRow.number, asked=asked))
        .outerjoin(VersionRow, VersionRow.id == QueryRow.version_id)
        .where(QueryRow.project_id == project_id)
    )
    return slice_of(session, statement, QueryRow.id, after, limit, QueryItem)


def reviews(
    session: Session, project_id: ProjectId, *, after: int | None, limit: int, kind: ReviewKind | None = None
) -> Slice[ReviewItem]:
    """The questions asked, each with the newest answer to it."""
    answer = aliased(AnnotationRow)
    newest = (
        sa.select(answer.id)
        .where(answer.review_id == ReviewRow.id)
        .order_by(answer.updated_at.desc(), answer.id.desc())
        .limit(1)
        .correlate(ReviewRow)
        .scalar_subquery()
    )
    state = {"task_id": PushRow.ls_task_id, "ended": ReviewEndRow.reason, "annotator": AnnotatorRow.name}
    statement = (
        sa.select(*columns(ReviewItem, ReviewRow, AnnotationRow, query=QueryRow.number, **state))
        .join(QueryRow, QueryRow.id == ReviewRow.query_id)
        .outerjoin(PushRow, PushRow.review_id == ReviewRow.id)
        .outerjoin(ReviewEndRow, ReviewEndRow.review_id == ReviewRow.id)
        .outerjoin(AnnotationRow, AnnotationRow.id == newest)
        .outerjoin(AnnotatorRow, AnnotatorRow.id == AnnotationRow.annotator_id)
        .where(ReviewRow.project_id == project_id)
    )
    if kind is not None:
        statement = statement.where(ReviewRow.kind == kind.value)
    return slice_of(session, statement, ReviewRow.id, after, limit, ReviewItem)


def versions(session: Session, project_id: ProjectId, *, after: int | None, limit: int) -> Slice[VersionItem]:
    statement = sa.select(*columns(VersionItem, VersionRow)).where(VersionRow.project_id == project_id)
    return slice_of(session, statement, VersionRow.id, after, limit, VersionItem)


def promotions(session: Session, project_id: ProjectId, *, after: int | None, limit: int) -> Slice[PromotionItem]:
    champion = aliased(VersionRow)
    statement = (
        sa.select(*columns(PromotionItem, PromotionRow, version=VersionRow.number, champion=champion.number))
        .join(VersionRow, VersionRow.id == PromotionRow.version_id)
        .outerjoin(champion, champion.id == PromotionRow.champion_id)
        .where(PromotionRow.project_id == project_id)
    )
    return slice_of(session, statement, PromotionRow.id, after, limit, PromotionItem)
