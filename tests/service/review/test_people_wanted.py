"""Label Studio asks as many different people as are wanted, and somebody else for each who no longer counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from db.repositories.people import annotators
from db.repositories.reviews import label_studio as places
from db.repositories.reviews import overlaps
from db.session import reading, transaction
from db.tables import AnnotatorRow, PushRow, ReviewEndRow
from labeling.project import Project
from labeling.types import Actor, ProjectId, ReviewId, ReviewKind
from service.work.review.push import push
from service.work.review.sync import sync
from service.work.wiring import Parts
from tests.conftest import NOW
from tests.fakes_label_studio import FakeLabelStudio
from tests.reviewing import ask, make_parts, rows_of, run_inference

ANN, BOB = 1, 2
PROBS = [[0.8, 0.1, 0.1], [0.4, 0.35, 0.25]]


@dataclass
class Room:
    """Two reviews that stand in Label Studio, and two people."""

    parts: Parts
    studio: FakeLabelStudio
    project: Project
    reviews: list[ReviewId]

    @property
    def ls_project(self) -> int:
        with reading(self.parts.database) as session:
            place = places.get(session, self.project.id)
        assert place is not None
        return place.ls_project_id

    def task(self, position: int) -> int:
        found = {row.review_id: row.ls_task_id for row in rows_of(self.parts.database, PushRow)}
        return int(found[self.reviews[position]])

    def want(self, position: int, people: int) -> None:
        with transaction(self.parts.database) as session:
            overlaps.want(session, {self.reviews[position]: people}, Actor("test", "doubt", NOW))

    def annotator(self, user: int) -> int:
        with reading(self.parts.database) as session:
            found = session.scalars(sa.select(AnnotatorRow.id).where(AnnotatorRow.ls_user_id == user)).one()
        return int(found)

    def served(self, user: int) -> list[int]:
        """What this person is served next, if anything."""
        return [task for task in [self.studio.next_task(self.ls_project, user)] if task is not None]

    def push(self) -> dict[str, int]:
        return push(self.parts, self.project.id)

    def sync(self) -> dict[str, int]:
        return sync(self.parts, ProjectId(self.project.id))


@pytest.fixture
def room(database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]) -> Iterator[Room]:
    studio = FakeLabelStudio()
    parts = make_parts(database, tmp_path, cast(Any, studio), now=lambda: NOW)
    project = make_project(database)
    with transaction(database) as session:
        made = ask(session, project, 1, [ReviewKind.HARD, ReviewKind.HARD], probs=PROBS)
    push(parts, project.id)
    run_inference(database, made)
    yield Room(parts, studio, project, made)
    parts.jobs.close()


def test_where_one_person_is_wanted_nothing_is_told(room: Room) -> None:
    counts = room.push()

    assert counts == {"pushed": 0, "reordered": 0}
    assert "set_people" not in room.studio.calls


def test_a_second_person_is_asked_and_the_first_is_not_asked_twice(room: Room) -> None:
    for position in (0, 1):
        room.studio.answer(room.task(position), "cat", ANN)
    room.sync()
    room.want(0, 2)

    first, second = room.push(), room.push()

    assert (first["people"], "people" in second) == (1, False)
    assert room.served(ANN) == []
    assert room.served(BOB) == [room.task(0)]
    assert room.studio.calls.count("set_people") == 1


def test_new_tasks_are_told_at_once_how_many_are_wanted(room: Room) -> None:
    with transaction(room.parts.database) as session:
        room.reviews += ask(session, room.project, 2, [ReviewKind.GOLD], probs=[PROBS[0]])
    room.want(2, 5)

    counts = room.push()

    assert counts == {"pushed": 1, "reordered": 2, "people": 1}
    assert room.studio.tasks_there[room.task(2)]["people"] == 5


def test_somebody_else_is_asked_for_answers_that_were_made_void(room: Room) -> None:
    room.studio.answer(room.task(0), "cat", ANN)
    room.sync()
    with transaction(room.parts.database) as session:
        annotators.void(session, room.annotator(ANN), Actor("lead", "random clicks", NOW))

    counts = room.push()

    assert counts["people"] == 1
    assert room.task(0) not in room.served(ANN)
    room.studio.answer(room.task(1), "cat", BOB)
    assert room.served(BOB) == [room.task(0)]


def test_somebody_else_is_asked_for_the_answers_of_a_paused_person(room: Room) -> None:
    room.studio.answer(room.task(1), "dog", ANN)
    room.sync()
    with transaction(room.parts.database) as session:
        annotators.switch(session, room.annotator(ANN), Actor("lead", "gold", NOW), paused=True, evidence={})
    room.studio.answer(room.task(0), "cat", ANN)
    room.sync()

    counts = room.push()

    assert counts["people"] == 1
    assert room.served(BOB) == [room.task(0)]


def test_a_task_that_is_asked_again_is_served_in_its_place_of_the_order_of_today(room: Room) -> None:
    room.studio.answer(room.task(1), "cat", ANN)
    room.sync()
    with transaction(room.parts.database) as session:  # an order that the answered task had no part in
        room.reviews += ask(session, room.project, 2, [ReviewKind.HARD], probs=[[0.6, 0.3, 0.1]])
    room.push()
    room.want(1, 2)

    room.push()

    assert room.served(BOB) == [room.task(1)]  # the most doubtful of three


def test_a_task_that_is_gone_ends_its_review(room: Room) -> None:
    gone = room.task(0)
    room.want(0, 2)
    del room.studio.tasks_there[gone]

    first, second = room.push(), room.push()

    assert [row.review_id for row in rows_of(room.parts.database, ReviewEndRow)] == [room.reviews[0]]
    assert (first["people"], "people" in second) == (1, False)
