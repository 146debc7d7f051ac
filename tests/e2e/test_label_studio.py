"""Push and sync against a real Label Studio: order, answers, skips, changes, withdrawals, deletions, webhook."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from db.repositories.reviews import label_studio as places
from db.session import reading, transaction
from db.tables import AnnotationRow, LabelRow, PushRow, ReviewEndRow
from labeling.adapters.label_studio.client import LabelStudio
from labeling.project import Project
from labeling.types import NONE_OF_THESE, ReviewKind
from service.label_studio.webhook import HEADER, secret_of
from service.work.review.push import push
from service.work.review.sync import sync
from service.work.wiring import Parts
from tests.e2e.conftest import RealLabelStudio
from tests.reviewing import SECRET, ask, label_values, make_parts, rows_of, run_inference

HARD, RANDOM = ReviewKind.HARD, ReviewKind.RANDOM
KINDS = [HARD, HARD, HARD, RANDOM]
PROBS = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.4, 0.35, 0.25], [0.1, 0.1, 0.8]]


@dataclass
class Person:
    """Somebody who answers through Label Studio's own API, as its page would."""

    http: httpx.Client
    project: int = 0
    answered: dict[int, int] = field(default_factory=dict)

    def next(self) -> httpx.Response:
        return self.http.get(f"/api/projects/{self.project}/next")

    def next_task(self) -> dict[str, Any]:
        found: dict[str, Any] = self.next().raise_for_status().json()
        return found

    def answer(self, task: int, choice: str | None, **more: Any) -> int:
        body = {"result": _result(choice), "lead_time": 2.5, "was_cancelled": choice is None, **more}
        made = self.http.post(f"/api/tasks/{task}/annotations/", json=body).raise_for_status().json()
        return int(made["id"])

    def change(self, annotation: int, choice: str) -> None:
        self.http.patch(f"/api/annotations/{annotation}/", json={"result": _result(choice)}).raise_for_status()

    def delete(self, annotation: int) -> None:
        self.http.delete(f"/api/annotations/{annotation}/").raise_for_status()


@dataclass
class Scene:
    """One project pushed to the real server, its reviews and a person to answer them."""

    parts: Parts
    project: Project
    reviews: list[int]
    person: Person

    @property
    def ls_project(self) -> int:
        with reading(self.parts.database) as session:
            place = places.get(session, self.project.id)
        assert place is not None
        return place.ls_project_id

    def task(self, position: int) -> int:
        found = {row.review_id: row.ls_task_id for row in rows_of(self.parts.database, PushRow)}
        return int(found[self.reviews[position]])


@pytest.fixture
def scene(
    label_studio: RealLabelStudio, database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> Iterator[Scene]:
    studio = LabelStudio(label_studio.url, label_studio.token)
    parts = make_parts(database, tmp_path, studio)
    project = make_project(database, name=f"e2e {tmp_path.name}")
    with transaction(database) as session:
        # another salt than the other tests' projects, so that the marker is its own
        session.execute(sa.text("UPDATE project SET salt = :salt"), {"salt": str(tmp_path)})
        made = ask(session, project, 1, KINDS, probs=PROBS)
    push(parts, project.id)
    account = label_studio.make_annotator()
    with httpx.Client(
        base_url=label_studio.url, headers={"Authorization": f"Token {account.token}"}, timeout=30
    ) as http:
        made_scene = Scene(parts, project, [int(review) for review in made], Person(http))
        made_scene.person.project = made_scene.ls_project
        run_inference(database, made_scene.reviews)
        yield made_scene
    parts.jobs.close()
    studio.close()


def test_tasks_come_in_the_order_of_the_queue_and_a_blind_one_shows_nothing(scene: Scene) -> None:
    seen = []
    for _ in KINDS:
        task = scene.person.next_task()
        seen.append((task["id"], [p["result"] for p in task["predictions"]]))
        scene.person.answer(task["id"], "cat")

    # keys: the random one at 1 + .11, the doubtful image 2 at 1.17 (rank 0 of 3), then images 0 and 1 as picked
    assert [task for task, _ in seen] == [scene.task(3), scene.task(2), scene.task(0), scene.task(1)]
    assert seen[0][1] == [[]]
    assert seen[1][1][0][0]["value"] == {"choices": ["cat"]}


def test_tasks_without_a_prediction_leave_everybody_but_one_without_work_until_the_next_push(
    scene: Scene, label_studio: RealLabelStudio
) -> None:
    studio = scene.parts.label_studio
    first, *rest = (scene.task(position) for position in (3, 2, 1, 0))
    scene.person.answer(rest[-1], "cat")  # it wants no more answers, so it need not have a prediction
    with _person(label_studio, label_studio.token, scene.ls_project) as admin:
        for task in studio.tasks(scene.ls_project, rest):
            for prediction in task.predictions:
                admin.http.delete(f"/api/predictions/{prediction['id']}/").raise_for_status()
    lacking = studio.without_prediction(scene.ls_project, "v0-q1")
    with _person(label_studio, label_studio.make_annotator().token, scene.ls_project) as other:
        served = scene.person.next_task()["id"]
        before = other.next().status_code

        counts = push(scene.parts, scene.project.id)

        after = other.next()
    assert (lacking, served, before) == (set(rest[:-1]), first, 404)  # though two more were open
    assert counts["reordered"] == 4
    assert (after.status_code, after.json()["id"] in rest) == (200, True)
    assert studio.without_prediction(scene.ls_project, "v0-q2") == set()


@contextmanager
def _person(label_studio: RealLabelStudio, token: str, project: int) -> Iterator[Person]:
    headers = {"Authorization": f"Token {token}"}
    with httpx.Client(base_url=label_studio.url, headers=headers, timeout=30) as http:
        yield Person(http, project)


def test_pushing_again_makes_and_orders_nothing_and_new_reviews_are_put_in_their_place(scene: Scene) -> None:
    again = push(scene.parts, scene.project.id)
    with transaction(scene.parts.database) as session:
        ask(session, scene.project, 2, [HARD], probs=[[0.34, 0.33, 0.33]])

    more = push(scene.parts, scene.project.id)

    project = scene.parts.label_studio.project(scene.ls_project)
    assert again == {"pushed": 0, "reordered": 0}
    assert more == {"pushed": 1, "reordered": 4}
    assert project.model_version == "v0-q2"
    assert scene.person.next_task()["id"] == scene.task(3)  # a random kind of an older query keeps coming first


def test_answers_become_labels_and_say_whether_the_prelabel_was_kept(scene: Scene) -> None:
    scene.person.answer(scene.task(0), "cat")
    scene.person.answer(scene.task(1), "bird")
    scene.person.answer(scene.task(2), NONE_OF_THESE)
    scene.person.answer(scene.task(3), "unsure")

    first, second = sync(scene.parts, scene.project.id), sync(scene.parts, scene.project.id)

    rows = rows_of(scene.parts.database, AnnotationRow)
    assert (first["recorded"], second["recorded"]) == (4, 0)
    assert sorted(label_values(scene.parts.database, scene.project.id).values()) == ["bird", "cat", NONE_OF_THESE]
    assert {(row.answers[0], row.shown, row.accepted) for row in rows} == {
        ("cat", "cat", True),
        ("bird", "dog", False),
        (NONE_OF_THESE, "cat", False),
        ("unsure", None, None),
    }
    assert {row.lead_time_s for row in rows} == {2.5}


def test_a_skip_closes_a_review_here_and_there(scene: Scene) -> None:
    first = scene.person.next_task()["id"]
    scene.person.answer(first, None)

    counts = sync(scene.parts, scene.project.id)

    assert counts == {"recorded": 1, "withdrawn": 0, "labels": 1}
    assert _given(scene) == [None]  # the row says that nobody could tell
    assert scene.person.next_task()["id"] != first
    assert push(scene.parts, scene.project.id) == {"pushed": 0, "reordered": 0}


def test_a_changed_answer_changes_the_label_and_a_deleted_one_takes_it_back(scene: Scene) -> None:
    made = scene.person.answer(scene.task(0), "cat")
    sync(scene.parts, scene.project.id)
    scene.person.change(made, "dog")
    changed = sync(scene.parts, scene.project.id)
    after_change = label_values(scene.parts.database, scene.project.id)

    scene.person.delete(made)
    deleted = sync(scene.parts, scene.project.id)

    assert (changed["recorded"], list(after_change.values())) == (1, ["dog"])
    assert (deleted["withdrawn"], label_values(scene.parts.database, scene.project.id)) == (1, {})
    assert scene.task(0) in {task["id"] for task in _tasks_unanswered(scene)}


def test_a_deleted_task_ends_its_review_and_is_not_made_again(scene: Scene) -> None:
    scene.person.http.delete(f"/api/tasks/{scene.task(1)}/").raise_for_status()

    sync(scene.parts, scene.project.id, full=True)
    with transaction(scene.parts.database) as session:
        ask(session, scene.project, 2, [HARD])
    counts = push(scene.parts, scene.project.id)

    ends = rows_of(scene.parts.database, ReviewEndRow)
    assert [(row.review_id, row.reason) for row in ends] == [(scene.reviews[1], "task deleted")]
    assert counts == {"pushed": 1, "reordered": 3}


def test_a_task_deleted_between_sync_and_push_does_not_stop_the_push(scene: Scene) -> None:
    scene.person.http.delete(f"/api/tasks/{scene.task(1)}/").raise_for_status()
    with transaction(scene.parts.database) as session:
        ask(session, scene.project, 2, [HARD])

    counts = push(scene.parts, scene.project.id)

    assert counts == {"pushed": 1, "reordered": 3}
    assert [row.review_id for row in rows_of(scene.parts.database, ReviewEndRow)] == [scene.reviews[1]]


def test_a_draft_is_no_answer(scene: Scene) -> None:
    scene.person.http.post(f"/api/tasks/{scene.task(0)}/drafts", json={"result": _result("dog")}).raise_for_status()

    counts = sync(scene.parts, scene.project.id)

    assert counts["recorded"] == 0


def test_prelabels_accepted_in_bulk_are_recorded_each_once(scene: Scene) -> None:
    action = {"selectedItems": {"all": True, "excluded": []}, "model_version": "v0-q1"}
    where = {"id": "predictions_to_annotations", "project": scene.ls_project}
    scene.person.http.post("/api/dm/actions", params=where, json=action).raise_for_status()

    first, second = sync(scene.parts, scene.project.id), sync(scene.parts, scene.project.id, full=True)

    assert first["labels"] == 4
    assert _given(scene).count(None) == 1  # the blind one has an empty result: it counts as skipped
    assert (second["recorded"], second["labels"]) == (0, 0)


def test_a_killed_push_finds_its_tasks_again_and_makes_none_twice(scene: Scene) -> None:
    with transaction(scene.parts.database) as session:
        new = ask(session, scene.project, 2, [HARD, HARD])
    push(scene.parts, scene.project.id)
    with transaction(scene.parts.database) as session:  # as if killed between import and recording
        session.execute(sa.delete(PushRow).where(PushRow.review_id.in_(new)))

    push(scene.parts, scene.project.id)

    there = list(scene.parts.label_studio.changed(scene.ls_project, None))
    assert len(there) == len({task.token for task in there}) == len(KINDS) + 2
    assert {row.ls_task_id for row in rows_of(scene.parts.database, PushRow)} == {task.task_id for task in there}


def test_a_project_that_was_made_and_not_noted_is_found_again(scene: Scene) -> None:
    before = scene.ls_project
    with transaction(scene.parts.database) as session:
        session.execute(sa.text("DELETE FROM label_studio_project"))
        ask(session, scene.project, 2, [HARD])

    push(scene.parts, scene.project.id)

    assert scene.ls_project == before


def test_what_was_changed_by_hand_is_put_right(scene: Scene) -> None:
    studio = scene.parts.label_studio
    plain = '<View><Image name="image" value="$image"/></View>'
    scene.person.http.patch(
        f"/api/projects/{scene.ls_project}/", json={"sampling": "Sequential sampling", "label_config": plain}
    ).raise_for_status()

    push(scene.parts, scene.project.id)

    project = studio.project(scene.ls_project)
    assert project.sampling == "Uncertainty sampling"
    assert NONE_OF_THESE in project.label_config
    assert project.model_version == "v0-q1"


def test_an_answer_without_a_look_at_the_image_makes_no_label_until_it_turns_out_to_have_been_seen(
    scene: Scene,
) -> None:
    with transaction(scene.parts.database) as session:
        new = ask(session, scene.project, 2, [HARD])
    push(scene.parts, scene.project.id)
    scene.reviews.append(int(new[0]))
    scene.person.answer(scene.task(-1), "dog")

    blind, before = sync(scene.parts, scene.project.id), _given(scene)
    run_inference(scene.parts.database, new)
    late = sync(scene.parts, scene.project.id)

    assert (blind["recorded"], blind["labels"]) == (1, 1)
    assert (late["recorded"], late["labels"]) == (0, 1)
    assert (before, _given(scene)) == ([None], ["dog"])


def test_an_address_near_its_end_is_renewed(scene: Scene) -> None:
    task = next(iter(scene.parts.label_studio.tasks(scene.ls_project, [scene.task(0)])))
    old = "http://127.0.0.1:8320/media/review/x?expires=1&key=00000000&signature=y"
    scene.parts.label_studio.set_task_data(task.id, {**task.data, "image": old})

    sync(scene.parts, scene.project.id, full=True)

    again = next(iter(scene.parts.label_studio.tasks(scene.ls_project, [task.id])))
    assert again.image_url.startswith("http://127.0.0.1:8320/media/review/token-")


def test_the_webhook_carries_the_secret_and_names_the_answered_task(scene: Scene) -> None:
    with _receiver() as (port, received):
        parts = make_parts(scene.parts.database, scene.parts.settings.home, scene.parts.label_studio, port=port)
        push(parts, scene.project.id)
        scene.person.answer(scene.task(0), "cat")
        parts.jobs.close()

    path, headers, body = received[0]
    assert path == f"/webhooks/label-studio/{scene.project.id}"
    assert headers[HEADER] == secret_of(SECRET, scene.project.id)
    assert (body["action"], body["annotation"]["task"]) == ("ANNOTATION_CREATED", scene.task(0))


def test_a_personal_access_token_works_as_well_as_a_legacy_one(label_studio: RealLabelStudio) -> None:
    made = httpx.post(
        f"{label_studio.url}/api/token/", json={}, headers={"Authorization": f"Token {label_studio.token}"}
    )
    studio = LabelStudio(label_studio.url, made.raise_for_status().json()["token"])

    names = studio.users()  # through the SDK
    release = studio.release()  # through our own client
    studio.close()

    assert "admin@example.com" in names.values()
    assert release == "1.23.2"


def _given(scene: Scene) -> list[str | None]:
    """What the newest row of each image says; None: that nobody could tell."""
    with reading(scene.parts.database) as session:
        rows = session.scalars(sa.select(LabelRow).order_by(LabelRow.id))
        return list({row.image_id: row.value for row in rows}.values())


def _result(choice: str | None) -> list[dict[str, Any]]:
    if choice is None:
        return []
    return [{"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [choice]}}]


def _tasks_unanswered(scene: Scene) -> list[dict[str, Any]]:
    query = {"project": scene.ls_project, "fields": "all", "include": "id,total_annotations", "page_size": 100}
    found = scene.person.http.get("/api/tasks", params=query).raise_for_status().json()["tasks"]
    return [task for task in found if not task["total_annotations"]]


@contextmanager
def _receiver() -> Iterator[tuple[int, list[tuple[str, dict[str, str], dict[str, Any]]]]]:
    """A server on loopback that remembers what it is sent."""
    received: list[tuple[str, dict[str, str], dict[str, Any]]] = []

    class Remember(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802 - the standard library's name
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, dict(self.headers), json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Remember)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1], received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
