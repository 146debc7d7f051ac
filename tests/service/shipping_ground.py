"""A project with two annotators, wrong labels, a random stream and pictures, for tests of the Label quality page."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from db.repositories.running import alarms
from db.repositories.running.alarms import AlarmKind
from db.session import transaction
from db.tables import ImageRow
from db.views import figures as kept
from db.views.figures import NewFigure
from labeling.adapters.storage.image_store import ImageStore
from labeling.project import Project
from labeling.types import ImageId, ReviewKind
from service.labels.resolution import resolve_labels
from service.work.quality.agreement import refresh_agreement
from service.work.quality.label_alarms import watch_labels
from service.work.quality.label_quality import refresh_label_quality
from service.work.quality.suspects import refresh_suspects
from tests import factories
from tests.answering import asked_about, people
from tests.conftest import NOW
from tests.service.labelled_pool import Ground, make_ground
from tests.service.quality_data import picture

COLOURS = ("tomato", "steelblue", "gold")
WRONG = 4


def shipping_ground(database: sa.Engine, home: Path, project: Project, *, reserved: int = 24) -> Ground:
    """Labels of which four of the pool and four of the random stream are wrong, and the figures that follow."""
    ground = make_ground(database, home, project, pool=72, reserved=reserved)
    _paint(ground, home)
    _answer(ground)
    _count(ground)
    return ground


def _paint(ground: Ground, home: Path) -> None:
    store = ImageStore(str(home / "media"))
    with transaction(ground.parts.database) as session:
        for image_id, content_hash in session.execute(sa.select(ImageRow.id, ImageRow.content_hash)):
            store.keep(content_hash, picture(COLOURS[ground.truth[image_id]]), "image/png", None)


def _answer(ground: Ground) -> None:
    project, classes = ground.project, ground.project.config.classes
    with transaction(ground.parts.database) as session:
        ann, bob = people(session, project, "ann", "bob").values()
        factories.label_studio_project(session, project.id)
        for side, kind in ((ground.pool, ReviewKind.HARD), (ground.reserved, ReviewKind.RANDOM)):
            for i, image in enumerate(side):
                said = classes[(ground.truth[image] + (i < WRONG)) % 3]
                other = classes[(ground.truth[image] + 1) % 3] if i > 60 else said
                review = asked_about(session, project, image, {ann: said, bob: other}, kind=kind, settled=False)
                factories.push(session, review, 900 + image, people=2)
        resolve_labels(session, project, [ImageId(image) for image in (*ground.pool, *ground.reserved)], NOW)


def _count(ground: Ground) -> None:
    parts, project = ground.parts, ground.project
    row = {"version": 3, "champion": True, "promoted": True, "known": True, "n": 51}
    versions = {"versions": [{**row, "accuracy": 0.83, "lower": 0.75, "upper": 0.89}]}
    with transaction(parts.database) as session:
        kept.keep(session, project.id, [NewFigure("accuracy_by_version", versions)], "f", NOW)
        words = "New images look otherwise than those that the champion was fitted on. Have some of them labelled."
        alarms.raise_alarm(session, project.id, AlarmKind.INPUT_DRIFT, "", words, {"p_value": 0.001}, NOW)
    for step in (refresh_agreement, refresh_suspects, watch_labels, refresh_label_quality):
        step(parts, project.id)
