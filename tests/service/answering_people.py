"""Several people who answer about the same images: what the tests of agreement, suspects and drift start from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import count

from sqlalchemy.orm import Session

from db.tables import AnnotationRow, AnnotatorRow, QueryRow, ReviewRow, SeenRow
from labeling.project import Project
from labeling.types import ImageId, ReviewKind
from service.labels.resolution import settle
from tests.conftest import NOW

NUMBERS = count(10_000)


def hire(session: Session, project: Project, names: str) -> list[int]:
    """Annotators with these names (single words); their numbers in order."""
    rows = [AnnotatorRow(project_id=project.id, ls_user_id=next(NUMBERS), name=name) for name in names.split()]
    session.add_all(rows)
    session.flush()
    return [row.id for row in rows]


def asked_about(
    session: Session,
    project: Project,
    image_id: int,
    answers: Mapping[int, str],
    *,
    kind: ReviewKind = ReviewKind.HARD,
    blind: bool = True,
    at: datetime = NOW,
    settled: bool = True,
) -> int:
    """A review of one image that these people answered; its number. The label follows, unless left to the caller."""
    number = next(NUMBERS)
    query = QueryRow(
        project_id=project.id, number=number, strategy="margin", seed=0, pool_size=1, trigger="by hand", created_at=at
    )
    session.add(query)
    session.flush()
    review = ReviewRow(
        project_id=project.id,
        image_id=image_id,
        query_id=query.id,
        kind=kind,
        blind=blind,
        probability=1.0,
        place=0.0,
        token=f"token-{number}",
        created_at=at,
    )
    session.add(review)
    session.flush()
    session.add(SeenRow(review_id=review.id, at=at))
    for person, value in answers.items():
        session.add(
            AnnotationRow(
                review_id=review.id,
                annotator_id=person,
                ls_annotation_id=next(NUMBERS),
                unique_id=f"u{next(NUMBERS)}",
                action="answered",
                answers=[value],
                result_hash=value,
                shown=None,
                accepted=None,
                lead_time_s=2.0,
                updated_at=at,
                recorded_at=at,
            )
        )
    session.flush()
    if settled:
        settle(session, project, [ImageId(image_id)], at)
    return review.id
