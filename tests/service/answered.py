"""Answered reviews without Label Studio: what the tests of pages about labels start from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from db.repositories.reviews import annotations as answers
from db.repositories.reviews import reviews
from db.repositories.reviews.annotations import NewAnnotation
from db.session import insert_new, transaction
from db.tables import FetchRow, LabelStudioProjectRow, RegistrationRow, ReviewRow, SeenRow
from labeling.project import Project
from labeling.types import AnnotationAction, ReviewId, ReviewKind
from service.labels.resolution import settle
from tests.conftest import NOW
from tests.reviewing import ask

PEOPLE = {1: "ann@example.com", 2: "bob@example.com"}


def stand_in_label_studio(database: sa.Engine, project: Project, ls_project_id: int = 7) -> None:
    """The project has a place in Label Studio."""
    with transaction(database) as session:
        session.add(
            LabelStudioProjectRow(
                project_id=project.id, ls_project_id=ls_project_id, base_url="http://127.0.0.1:8321", config_hash="",
                webhook_secret="", queue_revision=1, created_at=NOW,
            )
        )  # fmt: skip


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
        images = {row.id: row.image_id for row in session.scalars(sa.select(ReviewRow))}
        for review in made:
            named = RegistrationRow(
                project_id=project.id, reference=f"{images[review]:04d}.png", address=f"/data/{images[review]}.png",
                details={}, registered_at=NOW - timedelta(hours=1),
            )  # fmt: skip
            session.add(named)
            session.flush()
            insert_new(
                session, FetchRow, [{"registration_id": named.id, "image_id": images[review], "fetched_at": NOW}]
            )
        reviews.record_pushes(session, {review: 100 + review for review in made}, ls_project_id=7, now=NOW)
        insert_new(session, SeenRow, [{"review_id": review, "at": NOW} for review in made])
    return made


def answer(
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
    """Somebody submits (None: skips), and the label follows; another `version` is the same answer, changed."""
    with transaction(database) as session:
        who = answers.annotators(session, project.id, {user: PEOPLE.get(user, f"person {user}")})
        row = NewAnnotation(
            review_id=review,
            annotator_id=who[user],
            ls_annotation_id=review * 10 + user,
            unique_id=f"7:{review * 10 + user}",
            action=AnnotationAction.SKIPPED if choice is None else AnnotationAction.ANSWERED,
            answers=() if choice is None else (choice,),
            result_hash=f"{choice}-{version}",
            shown=shown,
            accepted=None if shown is None else shown == choice,
            lead_time_s=2.0,
            updated_at=at + timedelta(seconds=version),
        )
        answers.record(session, [row], at + timedelta(seconds=version))
        image = session.scalar(sa.select(ReviewRow.image_id).where(ReviewRow.id == review))
        settle(session, project, [image], at + timedelta(seconds=version))  # type: ignore[list-item]
