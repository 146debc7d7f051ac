"""Endpoint engines look again at the same images once a day; changed answers raise an alarm, the same ones end it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from db.repositories.engines import engines_in_force
from db.repositories.engines.engines_in_force import Stage
from db.repositories.running import alarms
from db.session import reading, transaction
from db.tables import FigureRow, ImageRow
from db.views import dashboard
from labeling.adapters.storage.image_store import ImageStore
from labeling.prelabel.engine import Item, Look, no_vectors
from labeling.project import Policy, Project
from labeling.types import Evidence, Prelabel
from service.work.quality.endpoint_drift import look_again
from tests import factories
from tests.conftest import NOW
from tests.service.labelled_pool import Ground, make_ground
from tests.service.quality_data import picture

ENGINE, REVISION = "decide:model", "decide-1"


@dataclass
class Endpoint:
    """Says "cat" of everything, or what it was changed to; keeps the pictures that it was sent."""

    name: str = "decide"
    revision: str = REVISION
    image_encoder: str = ""
    text_encoder: str = ""
    says: str = "cat"
    remembers: bool = False
    sent: list[bytes] = field(default_factory=list)

    def look(self, items: Sequence[Item]) -> Look:
        self.sent += [item.image.tobytes() for item in items]
        evidence = Evidence(cached=self.remembers)
        return no_vectors(
            [Prelabel("decide", REVISION, (), "", 0.1, 5, answer=self.says, evidence=evidence) for _ in items]
        )


@dataclass(frozen=True)
class World:
    """A ground whose first engine asks an endpoint."""

    ground: Ground
    endpoint: Endpoint

    def look(self, days: int = 0) -> dict[str, int]:
        parts = replace(self.ground.parts, now=lambda: NOW + timedelta(days=days))
        return look_again(parts, self.ground.project.id)

    def row(self) -> dict[str, Any]:
        with reading(self.ground.parts.database) as session:
            (row,) = dashboard.figures(session, self.ground.project.id)["engine_canaries"].data["engines"]
        return cast(dict[str, Any], row)

    def alarms(self) -> list[str]:
        with reading(self.ground.parts.database) as session:
            return [alarm.kind for alarm in alarms.open_alarms(session, self.ground.project.id)]


@pytest.fixture
def world(database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path) -> World:
    ground = make_ground(database, tmp_path, make_project(database, policy=Policy(engine=ENGINE)), pool=40, reserved=0)
    endpoint, store = Endpoint(), ImageStore(str(tmp_path / "media"))
    with transaction(database) as session:
        engines_in_force.note(session, ground.project.id, Stage(0, ENGINE, REVISION), NOW)
        for image in session.scalars(sa.select(ImageRow)).all():
            store.keep(image.content_hash, picture("tomato"), "image/png", None)
            said = {"answer": "cat", "duration_s": 0.1, "cost_micro": 5}
            factories.prelabel(session, image.id, [], engine="decide", revision=REVISION, **said)
    parts = replace(ground.parts, images=store, engine_for=cast(Any, lambda project, use=None: endpoint))
    return World(replace(ground, parts=parts), endpoint)


def test_the_same_images_are_looked_at_once_a_day_each_day_changed_in_another_pixel(world: World) -> None:
    counted = [world.look(days)["asked_again"] for days in (0, 0, 1)]

    first, second = world.endpoint.sent[:30], world.endpoint.sent[30:]
    assert counted == [1, 0, 1] and len(second) == 30
    assert first[0] != second[0] and sum(a != b for a, b in zip(first[0], second[0], strict=True)) <= 6
    assert (world.row()["asked"], world.row()["differ"], world.row()["cost_micro"]) == (30, 0, 150)
    assert world.alarms() == []


def test_what_is_kept_in_another_form_is_looked_at_again_on_the_same_day(world: World) -> None:
    world.look()
    before = world.row()
    with transaction(world.ground.parts.database) as session:
        session.execute(sa.update(FigureRow).where(FigureRow.name == "engine_canaries").values(data={"old": "form"}))

    counts = world.look()

    assert counts["asked_again"] == 1
    assert world.row()["asked"] == before["asked"]


def test_answers_that_changed_raise_an_alarm_and_the_old_ones_end_it(world: World) -> None:
    world.endpoint.says = "dog"
    world.look()
    raised, row = world.alarms(), world.row()
    world.endpoint.says = "cat"
    world.look(days=1)

    assert raised == ["drift of an engine"]
    assert (row["differ"], row["changed"]["value"]) == (30, 1.0)
    assert world.alarms() == []


def test_answers_from_memory_say_nothing_about_the_endpoint_of_today(world: World) -> None:
    world.endpoint.says, world.endpoint.remembers = "dog", True

    world.look()

    assert (world.row()["asked"], world.alarms()) == (0, [])


def test_engines_of_this_installation_are_not_asked_again(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    ground = make_ground(database, tmp_path, make_project(database), pool=3, reserved=0)
    with transaction(database) as session:
        engines_in_force.note(session, ground.project.id, Stage(0, "bundled", "b-1"), NOW)

    assert look_again(ground.parts, ground.project.id) == {"asked_again": 0}
