"""Webhooks: who may send them, what becomes of them, and that the answer waits for nothing but the spool."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path

import anyio
import httpx
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from pydantic import SecretStr
from structlog.testing import capture_logs

from db.repositories.reviews import inbox
from db.session import reading, transaction
from labeling.jobs import JobName
from labeling.project import Project
from labeling.types import ProjectId
from service.jobs.jobs import Jobs
from service.label_studio.inbox_drain import InboxDrain, drain
from service.label_studio.spool import Spool
from service.label_studio.webhook import HEADER, path_of, secret_of
from tests.service.web_client import SECRET, web

NEVER_S = 3_600.0
LABEL_STUDIO_GIVES_UP_S = 1.0
CANARY = "invite-token-0a1b2c"


@pytest.fixture
def project(database: sa.Engine, make_project: Callable[..., Project]) -> Project:
    return make_project(database)


@pytest.fixture
def client(database: sa.Engine, project: Project, tmp_path: Path) -> Iterator[TestClient]:
    """A running app whose drain does not run by itself."""
    with web(database, tmp_path, spool_every_s=NEVER_S) as made:
        yield made


def body(annotation: int = 76, *, action: str = "ANNOTATION_CREATED") -> bytes:
    content = {
        "action": action,
        "annotation": {"id": annotation, "task": 22, "result": [{"value": {"choices": ["cat"]}}]},
        "task": {"id": 22, "data": {"text": "a cat on a mat"}},
        "project": {"id": 24, "token": CANARY},
    }
    return json.dumps(content).encode()


def send(client: TestClient, project_id: int, content: bytes, secret: str | None = None) -> httpx.Response:
    right = secret_of(SECRET, ProjectId(project_id))
    return client.post(path_of(ProjectId(project_id)), content=content, headers={HEADER: secret or right})


def spool_of(client: TestClient) -> Spool:
    spool: Spool = client.app.state.parts.spool  # type: ignore[attr-defined]
    return spool


def move(client: TestClient, database: sa.Engine) -> int:
    jobs: Jobs = client.app.state.parts.jobs  # type: ignore[attr-defined]
    return drain(spool_of(client), database, jobs)


def review_jobs(client: TestClient) -> int:
    jobs: Jobs = client.app.state.parts.jobs  # type: ignore[attr-defined]
    return sum(job.job == JobName.REVIEW for job in jobs.list())


def hints(database: sa.Engine, project_id: ProjectId) -> list[inbox.Hint]:
    with reading(database) as session:
        return inbox.unhandled(session, project_id)


def test_an_event_is_on_disk_when_it_is_answered_and_only_its_ids_are_kept(
    client: TestClient, project: Project, tmp_path: Path
) -> None:
    answer = send(client, project.id, body(76))

    (event,) = spool_of(client).drain()
    assert (answer.status_code, answer.json()) == (200, {"kept": True})
    assert (event.project_id, event.action) == (project.id, "ANNOTATION_CREATED")
    assert event.hint == {"tasks": [22], "annotations": [76]}
    assert all(CANARY.encode() not in file.read_bytes() for file in tmp_path.glob("spool.db*"))


def test_a_hundred_duplicates_at_once_are_one_event_and_one_job(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: send(client, project.id, body()), range(100)))

    moved = move(client, database)

    assert {answer.status_code for answer in answers} == {200}
    assert moved == 1
    assert len(hints(database, project.id)) == 1
    assert review_jobs(client) == 1


def test_events_that_come_together_are_one_job_a_project(
    client: TestClient, database: sa.Engine, project: Project, make_project: Callable[..., Project]
) -> None:
    other = make_project(database, name="others")
    for annotation in range(1, 31):
        send(client, project.id if annotation % 2 else other.id, body(annotation))

    move(client, database)

    assert [len(hints(database, one.id)) for one in (project, other)] == [15, 15]
    assert review_jobs(client) == 2


def test_a_replay_a_day_later_is_answered_and_has_no_effect(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    send(client, project.id, body())
    move(client, database)
    with transaction(database) as session:
        inbox.handled(session, [hint.id for hint in hints(database, project.id)], client.app.state.parts.now())  # type: ignore[attr-defined]

    answer = send(client, project.id, body())
    move(client, database)

    assert answer.status_code == 200
    assert hints(database, project.id) == []
    assert spool_of(client).drain() == []


@pytest.mark.parametrize(
    "secret", ["", "wrong", "é", secret_of(SECRET, ProjectId(999)), secret_of("x" * 48, ProjectId(1))]
)
def test_a_forged_event_is_refused_before_its_body_is_read(client: TestClient, project: Project, secret: str) -> None:
    headers = {HEADER: secret.encode()} if secret else {}

    answers = [
        client.post(path_of(project.id), content=content, headers=headers) for content in (body(), b"no json", b"")
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert spool_of(client).drain() == []


def test_the_secret_of_one_project_does_not_open_another(
    client: TestClient, database: sa.Engine, project: Project, make_project: Callable[..., Project]
) -> None:
    other = make_project(database, name="others")

    answer = send(client, other.id, body(), secret_of(SECRET, project.id))

    assert answer.status_code == 401


def test_a_false_body_under_the_right_secret_leaves_nothing_but_a_hint(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    false = b'{"action":"ANNOTATION_CREATED","annotation":{"id":-5,"task":"1 OR 1=1","result":"cat"},"task":[[]]}'

    answer = send(client, project.id, false)
    move(client, database)

    assert answer.status_code == 200
    assert [(hint.tasks, hint.annotations) for hint in hints(database, project.id)] == [((), ())]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"action":null}', b"[" * 100_000])
def test_a_body_that_is_no_event_is_answered_and_forgotten(
    client: TestClient, project: Project, content: bytes
) -> None:
    answer = send(client, project.id, content)

    assert answer.status_code == 422
    assert spool_of(client).drain() == []


def test_an_event_that_was_not_asked_for_is_answered_and_forgotten(client: TestClient, project: Project) -> None:
    answer = send(client, project.id, body(action="PROJECT_UPDATED"))

    assert (answer.status_code, answer.json()) == (200, {"kept": False})
    assert spool_of(client).drain() == []


def test_a_bulk_event_of_many_megabytes_is_taken_and_a_larger_one_refused(client: TestClient, project: Project) -> None:
    padding = {"text": "x" * 2_500}
    tasks = [{"id": i + 1, "data": padding} for i in range(5_000)]
    large = json.dumps({"action": "ANNOTATIONS_CREATED", "task": tasks}).encode()

    taken = send(client, project.id, large)
    refused = send(client, project.id, b" " * (17 * 2**20))

    assert len(large) > 12 * 2**20
    assert (taken.status_code, refused.status_code) == (200, 413)
    assert len(spool_of(client).drain()[0].hint["tasks"]) == 5_000


def test_the_secret_before_a_rotation_is_still_good(database: sa.Engine, project: Project, tmp_path: Path) -> None:
    changes = {"secret": SecretStr("fedcba9876543210" * 3), "previous_secret": SecretStr(SECRET)}
    with web(database, tmp_path, spool_every_s=NEVER_S, **changes) as client:
        new = secret_of("fedcba9876543210" * 3, project.id)

        answers = [
            send(client, project.id, body(), secret).status_code for secret in (new, secret_of(SECRET, project.id))
        ]

    assert answers == [200, 200]


def test_events_of_a_project_that_does_not_exist_are_dropped_and_do_not_stop_the_rest(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    stranger = send(client, 999, body(1))
    send(client, project.id, body(2))

    moved = move(client, database)

    assert stranger.status_code == 200
    assert moved == 2
    assert [hint.annotations for hint in hints(database, project.id)] == [(2,)]
    assert review_jobs(client) == 1


def test_a_drain_that_was_killed_before_it_could_forget_does_it_again_without_effect(
    client: TestClient, database: sa.Engine, project: Project, tmp_path: Path
) -> None:
    send(client, project.id, body())
    before = spool_of(client).drain()

    move(client, database)
    for event in before:  # as if the rows were still there
        spool_of(client).put(event.project_id, event.action, event.hint, key=event.key)
    move(client, database)

    assert len(hints(database, project.id)) == 1
    assert review_jobs(client) == 1
    assert spool_of(client).drain() == []


def test_a_locked_database_delays_no_answer_and_loses_nothing(
    database: sa.Engine, project: Project, tmp_path: Path
) -> None:
    with web(database, tmp_path, spool_every_s=0.02) as client, closing(_connect(database)) as other:
        other.execute("BEGIN EXCLUSIVE")
        took = []
        for annotation in range(1, 101):
            begun = time.monotonic()
            assert send(client, project.id, body(annotation)).status_code == 200
            took.append(time.monotonic() - begun)
        waiting = len(spool_of(client).drain())
        other.execute("ROLLBACK")
        _until(lambda: len(hints(database, project.id)) == 100)

        assert max(took) < LABEL_STUDIO_GIVES_UP_S
        assert waiting == 100
        assert review_jobs(client) == 1


def test_requests_that_wait_for_the_database_do_not_hold_up_a_webhook(client: TestClient, project: Project) -> None:
    portal = client.portal
    assert portal is not None
    limiter = portal.call(anyio.to_thread.current_default_thread_limiter)
    tokens = [object() for _ in range(int(limiter.total_tokens))]
    for token in tokens:
        portal.call(limiter.acquire_on_behalf_of_nowait, token)

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(send, client, project.id, body())
        wait([answer], timeout=LABEL_STUDIO_GIVES_UP_S)
        answered_in_time = answer.done()
        for token in tokens:
            portal.call(limiter.release_on_behalf_of, token)

    assert answered_in_time
    assert answer.result().status_code == 200


def test_the_drain_says_once_that_the_database_is_away_and_goes_on_when_it_is_back(
    database: sa.Engine, project: Project, tmp_path: Path
) -> None:
    spool, jobs = Spool(tmp_path / "spool.db"), Jobs(database)
    spool.put(project.id, "TASKS_DELETED", {"tasks": [1], "annotations": []}, key="a")
    with database.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE inbox RENAME TO gone")

    with capture_logs() as logged, InboxDrain(spool, database, jobs, every_s=0.01):
        time.sleep(0.3)
        with database.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE gone RENAME TO inbox")
        _until(lambda: spool.drain() == [])

    assert [entry["log_level"] for entry in logged] == ["warning"]
    assert [hint.tasks for hint in hints(database, project.id)] == [(1,)]
    jobs.close()
    spool.close()


def _connect(database: sa.Engine) -> sqlite3.Connection:
    """Somebody else at the main database, without our patience and manners."""
    return sqlite3.connect(str(database.url.database), isolation_level=None)


def _until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not so():
        assert time.monotonic() < deadline, "it did not happen in 30 s"
        time.sleep(0.02)
