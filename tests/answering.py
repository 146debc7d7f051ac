"""People who answer reviews, without Label Studio: what tests of labels, agreement and disputes start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.engines import engines_in_force
from db.repositories.engines.engines_in_force import Stage
from db.repositories.reviews import annotations as ledger
from db.repositories.reviews import reviews
from db.repositories.reviews.annotations import NewAnnotation
from db.session import transaction
from db.tables import ReviewRow
from labeling.project import Project
from labeling.types import AnnotationAction, ImageId, ReviewId, ReviewKind
from service.labels.resolution import resolve_labels
from tests import factories
from tests.factories import NOW
from tests.reviewing import ask

ENGINE = "test-1"
NAMES = {1: "ann@example.com", 2: "bob@example.com"}


def people(session: Session, project: Project, *names: str) -> dict[str, int]:
    """Annotators by name, with their ids, in this order."""
    return {name: factories.annotator(session, project.id, name) for name in names}


def answer(
    session: Session,
    review: ReviewId,
    said: Mapping[int, str],
    *,
    shown: str | None = None,
    at: datetime = NOW,
    seconds: float = 3.0,
    version: int = 0,
    paused: bool = False,
) -> None:
    """These annotators answer a review, which was seen, one a second after another; "" skips.

    Another `version` is the same annotation, changed.
    """
    rows = [
        NewAnnotation(
            review_id=review,
            annotator_id=annotator,
            ls_annotation_id=review * 100 + annotator,
            unique_id=f"{review}/{annotator}",
            action=AnnotationAction.ANSWERED if value else AnnotationAction.SKIPPED,
            answers=(value,) if value else (),
            result_hash=f"{value}-{version}",
            shown=shown,
            accepted=None if shown is None else value == shown,
            lead_time_s=seconds,
            updated_at=at + timedelta(seconds=position),
            paused=paused,
        )
        for position, (annotator, value) in enumerate(said.items())
    ]
    ledger.record(session, rows, at)
    factories.seen(session, review)


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
) -> ReviewId:
    """A review of one image that these people answered; its id. The label follows, unless left to the caller."""
    query = factories.query(session, project.id, created_at=at)
    review = factories.review(session, project.id, image_id, kind, query_id=query, blind=blind, created_at=at)
    factories.seen(session, review, at=at)
    for person, value in answers.items():
        factories.annotation(session, review, value, annotator_id=person, at=at)
    if settled:
        resolve_labels(session, project, [ImageId(image_id)], at)
    return review


def asked(
    database: sa.Engine,
    project: Project,
    kinds: Sequence[ReviewKind],
    *,
    number: int = 1,
    probs: Sequence[Sequence[float]] | None = None,
    texts: Sequence[str | None] | None = None,
) -> list[ReviewId]:
    """One query about one new image a kind, registered, pushed as task 100 + its number, and seen."""
    with transaction(database) as session:
        made = ask(session, project, number, kinds, probs=probs, texts=texts)
        for image in images_of(session, made):
            name = {"address": f"/data/{image}.png", "registered_at": NOW - timedelta(hours=1)}
            registration = factories.registration(session, project.id, f"{image:04d}.png", **name)
            factories.fetch(session, registration, image)
        reviews.record_pushes(session, {review: 100 + review for review in made}, ls_project_id=7, now=NOW)
        factories.seen(session, *made)
    return made


def submit(
    database: sa.Engine,
    project: Project,
    review: ReviewId,
    choice: str | None,
    *,
    user: int = 1,
    version: int = 0,
    at: datetime = NOW,
    shown: str | None = None,
) -> None:
    """Somebody answers (None: skips), and the label follows; another `version` is the same answer, changed."""
    at += timedelta(seconds=version)
    with transaction(database) as session:
        (person,) = people(session, project, NAMES.get(user, f"person {user}")).values()
        answer(session, review, {person: choice or ""}, shown=shown, at=at, seconds=2.0, version=version)
        resolve_labels(session, project, images_of(session, [review]), at)


def images_of(session: Session, reviews: Sequence[ReviewId]) -> list[ImageId]:
    """The image of each review, in their order."""
    rows = session.execute(sa.select(ReviewRow.id, ReviewRow.image_id).where(ReviewRow.id.in_(reviews)))
    found = {ReviewId(review): ImageId(image) for review, image in rows}
    return [found[review] for review in reviews]


def engine_in_force(session: Session, project: Project) -> None:
    """The revision of `reviewing.ask`'s pre-labels looks at every image."""
    engines_in_force.note(session, project.id, Stage(0, "test", ENGINE), NOW)
