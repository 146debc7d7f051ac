"""What a certificate's set may hold: groups that nobody but the random stream asked about or gave a label to.

In: a project. Out: groups that were touched, groups that the stream asked about since some review, and how often the
stream helped to choose a version or a strategy since a moment.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.reviews.reviews import answered_people, is_open
from db.tables import (
    AdoptedTaskRow,
    AnnotationRow,
    CertificateRow,
    ComparisonRow,
    DecisionRow,
    FetchRow,
    ImageRow,
    ImportedSampleRow,
    LabelRow,
    PromotionRow,
    ReviewRow,
)
from labeling.jobs import Trigger
from labeling.types import AnnotationAction, LabelSource, ProjectId, ReviewKind, Verdict

_BY_CHANCE = (ReviewKind.RANDOM, ReviewKind.AUDIT)
_GIVEN = (LabelSource.IMPORT, LabelSource.SAMPLE, LabelSource.GOLD)
_JUDGED = (Verdict.PROMOTED, Verdict.REFUSED, Verdict.NO_CHANGE)


def touched_groups(session: Session, project_id: ProjectId) -> set[int]:
    """Groups of which somebody else than the stream asked, or gave a label, before the stream did.

    A query of a strategy, gold, an import, a task that was taken over, a lead's correction. What happens to an image
    after the stream has asked about it (a third answer, a re-review, gold of agreement) does not take it out: it could
    not have happened to one that nobody was asked about.
    """
    asked = _first(project_id, _reviews(project_id).where(ReviewRow.kind == ReviewKind.RANDOM))
    first = {int(group): at for group, at in session.execute(asked)}
    touching = (
        _first(project_id, _reviews(project_id).where(ReviewRow.kind.not_in(_BY_CHANCE))),
        _first(project_id, _given_labels(project_id)),
        _first(project_id, _taken_over(project_id)),
        _first(project_id, _sampled(project_id)),
    )
    found: set[int] = set()
    for statement in touching:
        found |= {
            int(group) for group, at in session.execute(statement) if int(group) not in first or at < first[group]
        }
    return found


def drawn_since(session: Session, project_id: ProjectId, newest_review: int) -> set[int]:
    """The groups that the stream asked about for the first time after this review."""
    first = (
        sa.select(ImageRow.group_id, sa.func.min(ReviewRow.id).label("first"))
        .join(ImageRow, ImageRow.id == ReviewRow.image_id)
        .where(ReviewRow.project_id == project_id, ReviewRow.kind == ReviewKind.RANDOM, ImageRow.group_id.is_not(None))
        .group_by(ImageRow.group_id)
        .subquery()
    )
    return {int(group) for group in session.scalars(sa.select(first.c.group_id).where(first.c.first > newest_review))}


def answered_once(session: Session, project_id: ProjectId) -> set[int]:
    """The groups of the stream that one person has answered, without those that a lead has decided."""
    by_lead = sa.exists().where(DecisionRow.image_id == ReviewRow.image_id)
    rows = session.scalars(
        sa.select(ImageRow.group_id)
        .join(ReviewRow, ReviewRow.image_id == ImageRow.id)
        .where(ReviewRow.project_id == project_id, ReviewRow.kind == ReviewKind.RANDOM, ImageRow.group_id.is_not(None))
        .where(answered_people() == 1, ~by_lead)
    )
    return {int(group) for group in rows if group is not None}


def open_groups(session: Session, project_id: ProjectId) -> set[int]:
    """The groups of the stream about which somebody is asked now."""
    rows = session.scalars(
        sa.select(ImageRow.group_id)
        .join(ReviewRow, ReviewRow.image_id == ImageRow.id)
        .where(ReviewRow.project_id == project_id, ReviewRow.kind == ReviewKind.RANDOM, is_open())
    )
    return {int(group) for group in rows if group is not None}


def first_answers(session: Session, project_id: ProjectId) -> dict[int, datetime]:
    """When each group of the stream had its first answer, whatever became of it since."""
    rows = session.execute(
        sa.select(ImageRow.group_id, sa.func.min(AnnotationRow.recorded_at))
        .join(ReviewRow, ReviewRow.image_id == ImageRow.id)
        .join(AnnotationRow, AnnotationRow.review_id == ReviewRow.id)
        .where(ReviewRow.project_id == project_id, ReviewRow.kind == ReviewKind.RANDOM, ImageRow.group_id.is_not(None))
        .where(AnnotationRow.action == AnnotationAction.ANSWERED)
        .group_by(ImageRow.group_id)
    )
    return {int(group): at for group, at in rows if group is not None}


def newest_review(session: Session, project_id: ProjectId) -> int:
    """The review that was asked last; 0 where there is none."""
    return session.scalar(sa.select(sa.func.max(ReviewRow.id)).where(ReviewRow.project_id == project_id)) or 0


def choices_since(session: Session, project_id: ProjectId, since: datetime, stream: str) -> int:
    """How often the stream helped to choose since then: verdicts that it carried, refusals too, and comparisons.

    `stream` is what a verdict is said to be carried by; an older hardcase did not say. A version that was put in use by
    hand after an attempt adds every version that was tried.
    """
    verdicts = session.execute(
        sa.select(PromotionRow.report, PromotionRow.verdict, PromotionRow.trigger, PromotionRow.created_at).where(
            PromotionRow.project_id == project_id, PromotionRow.created_at > since
        )
    ).all()
    of_gate = [one for one in verdicts if one.trigger != Trigger.HAND]
    carried = sum(one.verdict in _JUDGED and one.report.get("carried_by", stream) == stream for one in of_gate)
    compared = sa.select(sa.func.count()).select_from(ComparisonRow)
    compared = compared.where(ComparisonRow.project_id == project_id, ComparisonRow.at > since)
    tried = session.execute(
        sa.select(CertificateRow.version_id, CertificateRow.at).where(
            CertificateRow.project_id == project_id, CertificateRow.at > since
        )
    ).all()
    by_hand = [one.created_at for one in verdicts if one.trigger == Trigger.HAND]
    after = len({version for version, at in tried if any(hand > at for hand in by_hand)})
    return sum((carried, session.scalar(compared) or 0, after))


def _first(project_id: ProjectId, facts: sa.Select[*tuple[Any, ...]]) -> sa.Select[*tuple[Any, ...]]:
    """Each group with the time of the first of these facts about it; `facts` give `image_id` and `at`."""
    inner = facts.subquery()
    return (
        sa.select(ImageRow.group_id, sa.func.min(inner.c.at))
        .join(inner, inner.c.image_id == ImageRow.id)
        .where(ImageRow.project_id == project_id, ImageRow.group_id.is_not(None))
        .group_by(ImageRow.group_id)
    )


def _reviews(project_id: ProjectId) -> sa.Select[*tuple[Any, ...]]:
    facts = sa.select(ReviewRow.image_id.label("image_id"), ReviewRow.created_at.label("at"))
    return facts.where(ReviewRow.project_id == project_id)


def _given_labels(project_id: ProjectId) -> sa.Select[*tuple[Any, ...]]:
    """Labels that no review made, but those of certificates."""
    by_hand = (LabelRow.source == LabelSource.PEOPLE) & LabelRow.review_id.is_(None) & LabelRow.value.is_not(None)
    facts = sa.select(LabelRow.image_id.label("image_id"), LabelRow.created_at.label("at"))
    return facts.where(LabelRow.project_id == project_id, LabelRow.source.in_(_GIVEN) | by_hand)


def _taken_over(project_id: ProjectId) -> sa.Select[*tuple[Any, ...]]:
    return (
        sa.select(FetchRow.image_id.label("image_id"), AdoptedTaskRow.adopted_at.label("at"))
        .join(AdoptedTaskRow, AdoptedTaskRow.registration_id == FetchRow.registration_id)
        .where(AdoptedTaskRow.project_id == project_id)
    )


def _sampled(project_id: ProjectId) -> sa.Select[*tuple[Any, ...]]:
    facts = sa.select(ImportedSampleRow.image_id.label("image_id"), ImportedSampleRow.at.label("at"))
    return facts.join(ImageRow, ImageRow.id == ImportedSampleRow.image_id).where(ImageRow.project_id == project_id)
