"""A labelled pool with people who answer gold and each other's images: what the tests of the team start from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.labels import labels
from db.repositories.labels.labels import NewLabel
from db.repositories.reviews import annotations as given
from db.repositories.reviews import overlaps
from db.repositories.reviews.annotations import NewAnnotation
from db.session import insert_new, transaction
from db.tables import QueryRow, ReviewRow, SeenRow
from labeling.project import Project
from labeling.types import Actor, AnnotationAction, ImageId, LabelSource, ReviewId, ReviewKind
from service.jobs.jobs import Jobs
from service.labels.resolution import settle
from service.work.wiring import Parts
from tests.conftest import NOW
from tests.service.labelled_pool import Ground, make_ground

NUMBERS = count(1)


def team_ground(database: sa.Engine, home: Path, project: Project, *, pool: int = 60, holdout: int = 40) -> Ground:
    """The labelled pool, with a client that jobs can be asked of."""
    ground = make_ground(database, home, project, pool=pool, holdout=holdout)
    return replace(ground, parts=replace(ground.parts, jobs=Jobs(database)))


def people(ground: Ground, *names: str) -> list[int]:
    """Our numbers of these people, made where there are none yet."""
    with transaction(ground.parts.database) as session:
        return list(given.annotators(session, ground.project.id, dict(enumerate(names, 1))).values())


def make_gold_of(ground: Ground, image_ids: Iterable[int]) -> None:
    """The truth of these images is given, as ingest would."""
    with transaction(ground.parts.database) as session:
        known = [
            NewLabel(ImageId(image), truth_of(ground, image), LabelSource.GOLD, "ingest", "came with the image")
            for image in image_ids
        ]
        labels.append(session, ground.project.id, known, NOW)


def ask_people(
    ground: Ground, image_ids: Sequence[int], kind: ReviewKind, *, blind: bool = True, wanted: int = 1
) -> list[ReviewId]:
    """One query of reviews that so many people are wanted for; all of their images are looked at."""
    with transaction(ground.parts.database) as session:
        query = QueryRow(
            project_id=ground.project.id, number=1_000 + next(NUMBERS), strategy="margin", seed=0, pool_size=1,
            trigger="by hand", created_at=NOW,
        )  # fmt: skip
        session.add(query)
        session.flush()
        made = [_review(session, ground.project, query.id, image, kind, blind) for image in image_ids]
        insert_new(session, SeenRow, [{"review_id": review, "at": NOW} for review in made])
        if wanted > 1:
            overlaps.want(session, dict.fromkeys(made, wanted), Actor("test", "test", NOW))
    return made


def answers_of(
    ground: Ground,
    who: int,
    said: dict[ReviewId, str],
    *,
    shown: str | None = None,
    lead_time_s: float = 4.0,
    paused: bool = False,
    at: datetime | None = None,
) -> None:
    """What one person says to these reviews, recorded; the labels follow."""
    with transaction(ground.parts.database) as session:
        made = [
            NewAnnotation(
                review_id=review, annotator_id=who, ls_annotation_id=10_000 * who + review,
                unique_id=f"{who}-{review}-{next(NUMBERS)}", action=AnnotationAction.ANSWERED, answers=(answer,),
                result_hash=answer, shown=shown, accepted=None if shown is None else shown == answer,
                lead_time_s=lead_time_s, updated_at=at or NOW + timedelta(seconds=next(NUMBERS)), paused=paused,
            )
            for review, answer in said.items()
        ]  # fmt: skip
        given.record(session, made, NOW)
        images = session.scalars(sa.select(ReviewRow.image_id).where(ReviewRow.id.in_(list(said))))
        settle(session, ground.project, [ImageId(image) for image in images], NOW)


def truth_of(ground: Ground, image_id: int) -> str:
    """The class that an image really has."""
    return ground.project.config.classes[ground.truth[image_id]]


def wrong_of(ground: Ground, image_id: int) -> str:
    """The class after the true one."""
    classes = ground.project.config.classes
    return classes[(ground.truth[image_id] + 1) % len(classes)]


def rows(parts: Parts, table: type[Any]) -> list[Any]:
    """All rows of a table, oldest first."""
    with transaction(parts.database) as session:
        return list(session.scalars(sa.select(table).order_by(*table.__table__.primary_key.columns)))


def _review(session: Session, project: Project, query: int, image: int, kind: ReviewKind, blind: bool) -> ReviewId:
    review = ReviewRow(
        project_id=project.id, image_id=image, query_id=query, kind=kind.value, blind=blind, probability=1.0,
        place=0.0, token=f"team-{next(NUMBERS)}", created_at=NOW,
    )  # fmt: skip
    session.add(review)
    session.flush()
    return ReviewId(review.id)
