"""Answers of several people written straight into the ledger: what the tests of consensus and disputes start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.engines import engines_in_force
from db.repositories.engines.engines_in_force import Stage
from db.repositories.reviews import annotations as ledger
from db.repositories.reviews.annotations import NewAnnotation
from db.session import insert_new
from db.tables import ReviewRow, SeenRow
from labeling.project import Project
from labeling.types import AnnotationAction, ImageId, ReviewId
from tests.conftest import NOW

ENGINE = "test-1"


def people(session: Session, project: Project, *names: str) -> dict[str, int]:
    """Annotators by name, with their ids."""
    users = dict(enumerate(names, 1))
    by_user = ledger.annotators(session, project.id, users)
    return {name: by_user[number] for number, name in users.items()}


def answer(
    session: Session,
    review: ReviewId,
    said: Mapping[int, str],
    *,
    shown: str | None = None,
    minute: int = 0,
    seconds: float = 3.0,
) -> None:
    """These annotators answer a review, which was seen, one after another; "" skips."""
    rows = [
        NewAnnotation(
            review_id=review,
            annotator_id=annotator,
            ls_annotation_id=review * 100 + annotator,
            unique_id=f"{review}/{annotator}",
            action=AnnotationAction.ANSWERED if value else AnnotationAction.SKIPPED,
            answers=(value,) if value else (),
            result_hash=f"{value}",
            shown=shown,
            accepted=None if shown is None else value == shown,
            lead_time_s=seconds,
            updated_at=NOW + timedelta(minutes=minute, seconds=position),
        )
        for position, (annotator, value) in enumerate(said.items())
    ]
    ledger.record(session, rows, NOW)
    insert_new(session, SeenRow, [{"review_id": review, "at": NOW}])


def images_of(session: Session, reviews: Sequence[ReviewId]) -> list[ImageId]:
    """The image of each review, in their order."""
    rows = session.execute(sa.select(ReviewRow.id, ReviewRow.image_id).where(ReviewRow.id.in_(reviews)))
    found = {ReviewId(review): ImageId(image) for review, image in rows}
    return [found[review] for review in reviews]


def engine_in_force(session: Session, project: Project) -> None:
    """The revision of `reviewing.ask`'s pre-labels looks at every image."""
    engines_in_force.note(session, project.id, Stage(0, "test", ENGINE), NOW)
