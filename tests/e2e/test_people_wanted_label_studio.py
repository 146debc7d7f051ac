"""A real Label Studio serves a task to another person, never to the same one again, for as many as are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from db.repositories.people import annotators
from db.repositories.reviews import label_studio as places
from db.repositories.reviews import overlaps
from db.session import reading, transaction
from db.tables import PushRow
from labeling.adapters.label_studio.client import LabelStudio
from labeling.project import Project
from labeling.types import Actor, ReviewKind
from service.work.review.push import push
from service.work.review.sync import sync
from service.work.wiring import Parts
from tests.conftest import NOW
from tests.e2e.conftest import RealLabelStudio
from tests.reviewing import ask, label_values, make_parts, rows_of, run_inference


@dataclass
class Pair:
    """Two people before one project of two reviews; the first review is the more doubtful."""

    parts: Parts
    project: Project
    people: list[httpx.Client]
    reviews: list[Any]
    ls_project: int

    def task(self, position: int) -> int:
        found = {row.review_id: row.ls_task_id for row in rows_of(self.parts.database, PushRow)}
        return int(found[self.reviews[position]])

    def next_task(self, person: int) -> int | None:
        answer = self.people[person].get(f"/api/projects/{self.ls_project}/next")
        return int(answer.json()["id"]) if answer.status_code == 200 else None

    def answer(self, person: int, task: int, choice: str) -> None:
        chosen = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [choice]}}
        body = {"result": [chosen], "lead_time": 1.0}
        self.people[person].post(f"/api/tasks/{task}/annotations/", json=body).raise_for_status()

    def step(self) -> dict[str, int]:
        return {**sync(self.parts, self.project.id), **push(self.parts, self.project.id)}


@pytest.fixture
def pair(
    label_studio: RealLabelStudio, database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> Iterator[Pair]:
    studio = LabelStudio(label_studio.url, label_studio.token)
    parts = make_parts(database, tmp_path, studio)
    project = make_project(database, name=f"pair {tmp_path.name}")
    with transaction(database) as session:
        session.execute(sa.text("UPDATE project SET salt = :salt"), {"salt": str(tmp_path)})
        made = ask(session, project, 1, [ReviewKind.HARD] * 2, probs=[[0.4, 0.35, 0.25], [0.8, 0.1, 0.1]])
    push(parts, project.id)
    run_inference(database, made)
    with reading(database) as session:
        place = places.get(session, project.id)
    assert place is not None
    with ExitStack() as stack:
        people = [
            stack.enter_context(
                httpx.Client(base_url=label_studio.url, headers={"Authorization": f"Token {account.token}"}, timeout=30)
            )
            for account in (label_studio.make_annotator(), label_studio.make_annotator())
        ]
        yield Pair(parts, project, people, made, place.ls_project_id)
    parts.jobs.close()
    studio.close()


def test_the_second_person_is_served_it_the_first_is_not_and_after_voiding_somebody_else_is(pair: Pair) -> None:
    first, second = pair.task(0), pair.task(1)
    for task in (first, second):
        pair.answer(0, task, "cat")
    pair.step()
    nobody = pair.next_task(1)
    with transaction(pair.parts.database) as session:
        overlaps.want(session, {pair.reviews[0]: 2}, Actor("test", "doubt", NOW))
    told, again = pair.step(), pair.step()
    of_first, of_second = pair.next_task(0), pair.next_task(1)
    pair.answer(1, first, "dog")
    pair.step()
    done = pair.next_task(1)
    with transaction(pair.parts.database) as session:
        ann = annotators.everyone(session, pair.project.id)[0]
        annotators.void(session, ann.id, Actor("lead", "random clicks", NOW))
    voided = pair.step()
    to_first, to_second = pair.next_task(0), pair.next_task(1)
    pair.answer(1, second, "bird")
    pair.step()

    assert (nobody, told["people"], "people" in again) == (None, 1, False)
    assert (of_first, of_second, done) == (None, first, None)
    assert voided["people"] == 2  # the pair's first task wants a second person again, the other its first
    assert (to_first, to_second) == (None, second)
    assert "bird" in label_values(pair.parts.database, pair.project.id).values()


def test_a_reopened_task_comes_in_its_place_though_the_order_was_renewed_meanwhile(pair: Pair) -> None:
    first = pair.task(0)
    pair.answer(0, first, "cat")
    pair.step()
    with transaction(pair.parts.database) as session:
        pair.reviews += ask(session, pair.project, 2, [ReviewKind.HARD], probs=[[0.7, 0.2, 0.1]])
    pair.step()
    with transaction(pair.parts.database) as session:
        overlaps.want(session, {pair.reviews[0]: 2}, Actor("test", "doubt", NOW))

    pair.step()

    shown = pair.people[1].get(f"/api/projects/{pair.ls_project}/next").raise_for_status().json()
    assert shown["id"] == first
    assert [p["model_version"] for p in shown["predictions"]] == ["v0-q2"]
