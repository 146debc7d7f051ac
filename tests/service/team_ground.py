"""A labelled pool with people who answer gold and each other's images: what the tests of the team start from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from db.repositories.labels import labels
from db.repositories.labels.labels import NewLabel
from db.repositories.reviews import overlaps
from db.session import transaction
from labeling.project import Project
from labeling.types import Actor, ImageId, LabelSource, ReviewId, ReviewKind
from service.jobs.jobs import Jobs
from service.labels.resolution import resolve_labels
from service.work.wiring import Parts
from tests import answering, factories
from tests.conftest import NOW
from tests.service.labelled_pool import Ground, make_ground

NUMBERS = count(1)


def team_ground(database: sa.Engine, home: Path, project: Project, *, pool: int = 60, reserved: int = 40) -> Ground:
    """The labelled pool, with a client that jobs can be asked of."""
    ground = make_ground(database, home, project, pool=pool, reserved=reserved)
    return replace(ground, parts=replace(ground.parts, jobs=Jobs(database)))


def people(ground: Ground, *names: str) -> list[int]:
    """Our numbers of these people, made where there are none yet."""
    with transaction(ground.parts.database) as session:
        return list(answering.people(session, ground.project, *names).values())


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
        query = factories.query(session, ground.project.id, pool_size=len(image_ids))
        made = [
            factories.review(session, ground.project.id, image, kind, query_id=query, blind=blind)
            for image in image_ids
        ]
        factories.seen(session, *made)
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
        for review, value in said.items():
            when = at or NOW + timedelta(seconds=next(NUMBERS))
            how = {"shown": shown, "seconds": lead_time_s, "paused": paused}
            answering.answer(session, review, {who: value}, at=when, **how)
        resolve_labels(session, ground.project, answering.images_of(session, list(said)), NOW)


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
