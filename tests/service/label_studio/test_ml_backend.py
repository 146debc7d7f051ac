"""Label Studio's ML-backend protocol over HTTP: one valid prediction a task, whatever is sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from db.repositories.projects import projects
from db.repositories.reviews import displayed_predictions
from db.session import reading, transaction
from db.tables import AdoptedTaskRow, PushRow, RegistrationRow
from labeling.errors import NotFound
from labeling.project import LabelClass, Project, ProjectConfig
from labeling.types import ProjectId, ReviewKind
from service.label_studio.ml_backend import path_of, project_in, token_of
from service.work.review.push import push
from tests.conftest import NOW
from tests.fakes_label_studio import FakeLabelStudio
from tests.reviewing import ask, make_parts, rows_of
from tests.service.web_client import SECRET, web

KINDS = [ReviewKind.HARD, ReviewKind.HARD, ReviewKind.RANDOM]
PROBS = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]]
OTHER = "fedcba9876543210" * 3
ELSEWHERE = {"id": 900, "data": {"image": "https://example.org/cat.png"}, "annotations": []}
SENT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
DATA = st.fixed_dictionaries({}, optional={"image": SENT, "external_id": SENT, "text": SENT, "\x00\ud800": SENT})
TASKS = st.lists(
    st.fixed_dictionaries({}, optional={"id": SENT | st.integers(1, 50), "data": DATA, "annotations": SENT}), max_size=6
)


@dataclass
class World:
    """A project whose three reviews stand in Label Studio, the last of them blind, and its backend."""

    database: sa.Engine
    home: Path
    client: TestClient
    project: Project
    tokens: list[str]

    @property
    def path(self) -> str:
        return path_of(SECRET, self.project.id)

    def predict(self, tasks: Any) -> list[dict[str, Any]]:
        answer = self.client.post(f"{self.path}/predict", json={"tasks": tasks})
        assert answer.status_code == 200, answer.text
        return cast(list[dict[str, Any]], answer.json()["results"])

    def ours(self) -> list[dict[str, Any]]:
        return [{"id": 100 + i, "data": {"external_id": token}} for i, token in enumerate(self.tokens)]

    def jobs(self) -> list[tuple[str, str]]:
        with reading(self.database) as session:
            rows = session.execute(sa.text("SELECT name, deduplication_id FROM workflow_status ORDER BY 1")).all()
        return [(name, key) for name, key in rows]


@pytest.fixture
def world(database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]) -> Iterator[World]:
    project = make_project(database)
    parts = make_parts(database, tmp_path, cast(Any, FakeLabelStudio()), now=lambda: NOW)
    with transaction(database) as session:
        ask(session, project, 1, KINDS, probs=PROBS)
    push(parts, project.id)
    parts.jobs.close()
    tokens = [f"token-{project.id}-1-{i}" for i in range(len(KINDS))]
    with web(database, tmp_path) as client:
        yield World(database, tmp_path, client, project, tokens)


def test_a_token_names_its_project_and_nothing_else_does() -> None:
    token = token_of(SECRET, ProjectId(7))
    wrong = [
        "",
        "7",
        "abc",
        token + "0",
        token[:-1],
        token.replace("7-", "8-", 1),
        token_of(OTHER, ProjectId(7)),
        "é-" * 40,
    ]

    assert project_in([OTHER, SECRET], token) == 7
    for other in wrong:
        with pytest.raises(NotFound):
            project_in([SECRET], other)


@pytest.mark.parametrize(
    ("method", "route"),
    [("GET", "health"), ("POST", "setup"), ("GET", "versions"), ("POST", "predict"), ("POST", "webhook")],
)
def test_without_the_token_nothing_is_there(world: World, method: str, route: str) -> None:
    wrong = [f"/ml/{world.project.id}/{route}", f"{path_of(OTHER, world.project.id)}/{route}"]

    answers = [world.client.request(method, path, content=b"{not json") for path in wrong]
    known = world.client.request(
        method, f"{path_of(SECRET, ProjectId(999))}/{route}", json={"tasks": [], "action": "START_TRAINING"}
    )

    assert [answer.status_code for answer in answers] == [404, 404]
    assert {answer.json()["detail"] for answer in answers} == {answers[0].json()["detail"]}
    assert known.status_code == (200 if route == "health" else 404)
    assert world.jobs() == []


def test_a_token_of_a_secret_that_was_rotated_still_opens(
    database: sa.Engine, tmp_path: Path, make_project: Any
) -> None:
    project = make_project(database)
    with web(database, tmp_path, secret=SecretStr(OTHER), previous_secret=SecretStr(SECRET)) as client:
        answer = client.get(f"{path_of(SECRET, project.id)}/health")

    assert answer.json() == {"status": "UP", "model_class": "hardcase"}


def test_setup_and_versions_tell_the_order_that_is_shown(world: World) -> None:
    body = {"project": "1.2", "schema": "<View/>", "hostname": "http://127.0.0.1", "access_token": "secret"}

    setup = world.client.post(f"{world.path}/setup", json=body).json()
    bare = world.client.post(f"{world.path}/setup", json={}).json()
    versions = world.client.get(f"{world.path}/versions").json()

    assert setup == bare == {"model_version": "v0-q1"}
    assert versions == {"versions": ["v0-q1"]}


def test_every_task_gets_what_was_pushed_in_its_order_and_a_blind_one_nothing(world: World) -> None:
    pushed = {row.review_id: row.score for row in rows_of(world.database, PushRow)}

    results = world.predict(list(reversed(world.ours())))

    assert [[item["value"]["choices"] for item in one["result"]] for one in results] == [[], [["dog"]], [["cat"]]]
    assert [one["score"] for one in reversed(results)] == list(pushed.values())
    assert {one["model_version"] for one in results} == {"v0-q1"}
    assert results[1]["result"][0] == {
        "from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": ["dog"]},
    }  # fmt: skip


def test_one_task_may_come_alone_and_a_task_is_known_by_its_number_too(world: World) -> None:
    first = rows_of(world.database, PushRow)[0].ls_task_id

    (alone,) = world.predict({"id": 1, "data": {"external_id": world.tokens[0]}})
    (numbered,) = world.predict([{"id": first, "data": {}}])

    assert alone == numbered
    assert alone["result"][0]["value"] == {"choices": ["cat"]}


def test_an_unknown_task_is_answered_without_a_result_behind_all_others_and_taken_in_once(world: World) -> None:
    results = [world.predict([*world.ours(), ELSEWHERE]) for _ in range(2)]

    (taken,) = rows_of(world.database, AdoptedTaskRow)
    (registered,) = rows_of(world.database, RegistrationRow)
    assert results[0] == results[1]
    assert results[0][-1] == {"result": [], "score": displayed_predictions.LAST, "model_version": "v0-q1"}
    assert taken.ls_task_id == 900
    assert registered.address == "https://example.org/cat.png"
    assert [name for name, _ in world.jobs()] == ["ingest"]


def test_a_task_of_another_project_is_not_predicted(world: World) -> None:
    with transaction(world.database) as session:
        config = ProjectConfig("plants", (LabelClass("cat"), LabelClass("oak")))
        other = projects.create(session, config, salt="other", author="test", now=NOW)

    answer = world.client.post(f"{path_of(SECRET, other.id)}/predict", json={"tasks": world.ours()})

    assert [one["result"] for one in answer.json()["results"]] == [[], [], []]


def test_an_answer_that_the_label_set_has_no_more_is_not_pre_selected(world: World) -> None:
    with transaction(world.database) as session:
        session.execute(sa.update(PushRow).values(answer="unicorn"))

    results = world.predict(world.ours())

    assert [one["result"] for one in results] == [[], [], []]


@pytest.mark.parametrize("route", ["predict", "webhook"])
def test_what_is_no_request_is_refused_with_problem_details(world: World, route: str) -> None:
    nothing = [b"", b"{", b"[]", b"null", b"\xff\xfe", b"{}", b"3", b"[" * 100_000]
    tasks = [b'{"tasks": 3}', b'{"tasks": [3]}', b'{"tasks": [{"data": []}]}', b'{"action": 7}']

    answers = [world.client.post(f"{world.path}/{route}", content=body) for body in (*nothing, *tasks)]

    assert {answer.status_code for answer in answers} == {422}
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}


def test_a_large_batch_of_large_tasks_is_answered(world: World) -> None:
    tasks = [{"id": 1000 + i, "data": {"external_id": "x" * 50, "text": "y" * 20_000}} for i in range(50)]

    results = world.predict([*tasks, *world.ours()])

    assert len(json.dumps(tasks)) > 1_000_000
    assert len(results) == 53
    assert results[-3]["result"][0]["value"] == {"choices": ["cat"]}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tasks=TASKS)
def test_whatever_the_tasks_hold_there_is_one_valid_prediction_for_each(
    world: World, tasks: list[dict[str, Any]]
) -> None:
    body = json.dumps({"tasks": tasks, "label_config": "<View>", "params": {"context": None}})
    answer = world.client.post(f"{world.path}/predict", content=body.encode())

    if answer.status_code == 422:  # text that is no text: half of a surrogate pair
        assert "surrogate" in answer.json()["detail"] or "\\ud" in body
        return
    results = answer.json()["results"]
    assert answer.status_code == 200
    assert len(results) == len(tasks)
    assert all(0 <= one["score"] < 1 and set(one) == {"result", "score", "model_version"} for one in results)
    choices = world.project.config.answers.choices
    assert all(item["value"]["choices"][0] in choices for one in results for item in one["result"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=SENT | st.fixed_dictionaries({"action": st.text(max_size=12), "task": SENT, "annotation": SENT}))
def test_no_event_is_a_fault(world: World, body: Any) -> None:
    answer = world.client.post(f"{world.path}/webhook", content=json.dumps(body).encode())

    assert answer.status_code in (200, 422)


def test_start_training_asks_for_learn_by_hand_once(world: World) -> None:
    event = {"action": "START_TRAINING", "project": {"id": 1, "token": "secret"}}

    answers = [world.client.post(f"{world.path}/webhook", json=event) for _ in range(2)]

    assert [answer.json() for answer in answers] == [{"kept": True}] * 2
    assert world.jobs() == [("learn", f'learn:{world.project.id}:{{"now":true}}')]


def test_another_event_is_a_hint_and_what_nobody_asked_for_is_not_kept(world: World) -> None:
    event = {"action": "ANNOTATION_CREATED", "annotation": {"id": 5, "task": 7}, "project": {"token": "secret"}}

    kept = world.client.post(f"{world.path}/webhook", json=event).json()
    odd = world.client.post(f"{world.path}/webhook", json={"action": "PROJECT_UPDATED"}).json()

    assert (kept, odd) == ({"kept": True}, {"kept": False})
