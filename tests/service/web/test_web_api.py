"""The API as a client sees it: projects, images, lists, jobs, keys, numbers, and errors as problem details."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from db.repositories.images import registrations
from db.repositories.projects import projects
from db.repositories.running import failures, heartbeats
from db.session import make_engine, reading, transaction
from db.tables import AuditRow, ImageRow, RegistrationRow
from labeling.jobs import Role
from labeling.project import LabelClass, Project, ProjectConfig
from labeling.types import Incoming
from tests import factories
from tests.service.web_client import bearer, make_key, png, web

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
def project(database: sa.Engine, make_project: Callable[..., Project]) -> Project:
    return make_project(database)


@pytest.fixture
def client(database: sa.Engine, project: Project, tmp_path: Path) -> Iterator[TestClient]:
    """A client that calls as an admin."""
    with web(database, tmp_path) as client:
        client.headers.update(bearer(make_key(database)))
        yield client


@pytest.fixture(scope="module")
def shared_client(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One client for all the tests that change nothing; it has a project, too."""
    home = tmp_path_factory.mktemp("shared")
    (home / "hardcase.db").write_bytes(empty_database.read_bytes())
    database = make_engine(f"sqlite:///{home / 'hardcase.db'}")
    with transaction(database) as session:
        labels = (LabelClass("cat"), LabelClass("dog"))
        projects.create(session, ProjectConfig("animals", labels), salt="salt", author="test", now=NOW)
    with web(database, home) as client:
        client.headers.update(bearer(make_key(database)))
        yield client
    database.dispose()


def add_images(database: sa.Engine, project: Project, n: int) -> None:
    with transaction(database) as session:
        for i in range(n):
            factories.image(session, project.id, sha256(str(i).encode()).hexdigest())


def test_a_project_is_made_shown_changed_and_kept_from_changing_its_labels(client: TestClient) -> None:
    body = {"name": "plants", "labels": ["moss", {"name": "fern", "description": "has fronds"}]}
    made = client.post("/api/projects", json=body)
    changed = client.put("/api/projects/plants?reason=clearer", json={**body, "guidelines": "Look at the leaf."})
    other_labels = client.put("/api/projects/plants", json={**body, "labels": ["moss", "tree"]})
    again = client.post("/api/projects", json=body)

    assert made.status_code == 201
    assert client.get(made.headers["location"]).json()["name"] == "plants"
    assert changed.json()["config_version"] == 2
    assert changed.json()["config"]["guidelines"] == "Look at the leaf."
    assert (other_labels.status_code, again.status_code) == (409, 409)


def test_a_filter_that_an_address_does_not_have_is_refused_not_left_out(shared_client: TestClient) -> None:
    paths = shared_client.get("/openapi.json").json()["paths"]
    listed = [path for path, methods in paths.items() if path.startswith("/api/") and "get" in methods]
    of_projects = [path.replace("{project}", "animals") for path in listed]
    simple = [path for path in of_projects if "{" not in path]

    for path in simple:
        problem = shared_client.get(path, params={"clas": "cat"}).json()
        assert (problem["status"], problem["errors"][0]["where"]) == (422, "query.clas"), path

    assert "/api/projects/animals/labels" in simple
    told = shared_client.get("/api/projects/animals/labels?clas=cat").json()["detail"]
    assert "no such parameter: it has " in told and "limit" in told


def test_many_files_are_taken_at_once_each_with_its_answer(client: TestClient, database: sa.Engine) -> None:
    files = [
        ("files", (name, data))
        for name, data in (("a.png", png("red")), ("b.png", png("blue")), ("c.png", b""), ("d.png", b"no picture"))
    ]

    first = client.post("/api/projects/animals/images", files=files)
    again = client.post("/api/projects/animals/images", files=files)
    other = client.post("/api/projects/animals/images", files=[("files", ("a.png", png("green")))])

    assert first.status_code == 202
    assert [item["outcome"] for item in first.json()["items"]] == ["new", "new", "refused", "refused"]
    assert [item["outcome"] for item in again.json()["items"]] == ["same", "same", "refused", "refused"]
    assert [item["outcome"] for item in other.json()["items"]] == ["changed"]
    with reading(database) as session:
        rows = session.execute(
            sa.select(RegistrationRow.reference, RegistrationRow.revision, RegistrationRow.address)
        ).all()
    assert {(r, v) for r, v, _ in rows} == {("a.png", 0), ("b.png", 0), ("a.png", 1)}
    assert rows[0][2] == "upload:" + sha256(png("red")).hexdigest()


def test_an_upload_carries_text_metadata_label_and_gold_flag_of_each_file(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    known = [
        {"text": "a ta\u0308bby", "metadata": {"camera": "X100"}, "label": " CAT ", "gold": True},
        {},
        {"reference": "three", "label": "fish"},
        {"gold": True},
    ]
    files = [
        ("files", (f"{number}.png", png(colour))) for number, colour in enumerate(("red", "blue", "green", "teal"))
    ]

    first = client.post("/api/projects/animals/images", files=files, data={"known": json.dumps(known)})
    again = client.post("/api/projects/animals/images", files=files, data={"known": json.dumps(known)})
    moved = client.post("/api/projects/animals/images", files=files[:1], data={"known": '[{"text": "another"}]'})

    assert [item["outcome"] for item in first.json()["items"]] == ["new", "new", "refused", "refused"]
    assert [item["outcome"] for item in again.json()["items"]] == ["same", "same", "refused", "refused"]
    assert [item["outcome"] for item in moved.json()["items"]] == ["changed"]
    assert first.json()["items"][2]["reference"] == "three" and "'fish'" in first.json()["items"][2]["reason"]
    with reading(database) as session:
        row = session.scalars(sa.select(RegistrationRow).where(RegistrationRow.reference == "0.png")).first()
    assert row is not None
    assert (row.text, row.details, row.known_label, row.gold) == ("a t\u00e4bby", {"camera": "X100"}, "cat", True)


@pytest.mark.parametrize(
    "known", ["[]", "[{}, {}]", "{}", "[1]", '[{"colour": 1}]', "[", '[{"text": 1}]', '[{"gold": "x"}]']
)
def test_facts_that_do_not_fit_the_uploaded_files_are_refused_with_the_place(client: TestClient, known: str) -> None:
    answer = client.post(
        "/api/projects/animals/images", files=[("files", ("a.png", png("red")))], data={"known": known}
    )

    assert answer.status_code == 422
    assert "`known`" in answer.json()["detail"]


def test_uploads_wait_while_the_worker_is_far_behind(database: sa.Engine, project: Project, tmp_path: Path) -> None:
    upload = [("files", ("new.png", png("red")))]
    by_address = {"items": [{"url": "https://example.org/new.png"}]}
    with transaction(database) as session:
        items = [Incoming(str(number), f"https://example.org/{number}.png") for number in range(4)]
        registrations.register(session, project.id, items, NOW)
        ids = [row.id for row in registrations.known(session, project.id, [item.reference for item in items]).values()]

    with web(database, tmp_path, max_backlog=3) as client:
        key = make_key(database, Role.INGEST)
        client.headers.update(bearer(key))
        answers = [
            client.post("/api/projects/animals/images", files=upload),
            client.post("/api/projects/animals/images/by-address", json=by_address),
        ]
        with transaction(database) as session:
            failures.record(session, project.id, "fetch", str(min(ids)), "cut short", False, NOW)
        later = client.post("/api/projects/animals/images", files=upload)

    assert [answer.status_code for answer in answers] == [429, 429]
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
    assert later.status_code == 202


def test_uploads_are_taken_while_images_wait_for_a_place_that_is_away(
    database: sa.Engine, project: Project, tmp_path: Path
) -> None:
    """A bucket of many images rests after three failures: most of what waits for it was never tried."""
    with transaction(database) as session:
        items = [Incoming(f"s3://far_away/{number}.png", f"s3://far_away/{number}.png") for number in range(5)]
        registrations.register(session, project.id, items, NOW)
        first = min(
            row.id for row in registrations.known(session, project.id, [one.reference for one in items]).values()
        )
        failures.record(session, project.id, "job:learn", f"{project.id}:no number", "another step", False, NOW)

    def uploaded(name: str) -> int:
        files = [("files", (name, png("red")))]
        return client.post("/api/projects/animals/images", files=files).status_code

    with web(database, tmp_path, max_backlog=3) as client:
        client.headers.update(bearer(make_key(database, Role.INGEST)))
        before = uploaded("a.png")
        with transaction(database) as session:
            failures.wait(session, project.id, "fetch", str(first), "s3://farXaway/ does not answer", NOW)
        while_away = uploaded("b.png")
        with transaction(database) as session:
            failures.clear(session, "fetch", str(first))
        back = uploaded("c.png")

    assert (before, while_away, back) == (429, 202, 429)


def test_the_name_of_an_upload_is_stored_in_one_normal_form(client: TestClient) -> None:
    """Cases B11, B13: a client on a Mac sends names decomposed; joiners stay."""
    names = ["Ka\u0308fer.png", "\u0645\u06cc\u200c\u062e.png", "a\u200e.png"]

    answer = client.post("/api/projects/animals/images", files=[("files", (name, png("red"))) for name in names])

    kept = [item["reference"] for item in answer.json()["items"]]
    assert kept == ["K\u00e4fer.png", "\u0645\u06cc\u200c\u062e.png", "a.png"]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..\\..\\x", "%2e%2e/x", "%252e%252e%252fx", "/etc/passwd", "CON", "a∕b", "x" * 2000]
)
def test_a_file_name_is_data_and_never_a_path(client: TestClient, tmp_path: Path, name: str) -> None:
    before = {path for path in tmp_path.rglob("*") if "media" not in path.parts}

    answer = client.post("/api/projects/animals/images", files=[("files", (name, png("red")))])

    assert answer.status_code == 202
    stored = [path.name for path in (tmp_path / "media").rglob("*") if path.is_file()]
    assert stored == [sha256(png("red")).hexdigest()]
    assert {path for path in tmp_path.rglob("*") if "media" not in path.parts} - before <= set(tmp_path.glob("*.db*"))


def test_a_file_that_is_too_large_is_refused_and_the_rest_taken(
    database: sa.Engine, project: Project, tmp_path: Path
) -> None:
    key = make_key(database, Role.INGEST, ["animals"])
    with web(database, tmp_path, max_image_bytes=len(png("red"))) as client:
        files = [("files", ("big.png", png("red") + b"x")), ("files", ("small.png", png("red")))]
        answer = client.post("/api/projects/animals/images", files=files, headers=bearer(key))

    assert [item["outcome"] for item in answer.json()["items"]] == ["refused", "new"]


def test_addresses_are_registered_and_those_that_may_not_be_fetched_refused(client: TestClient) -> None:
    items = [
        {"url": "https://example.org/a.png", "text": "a cat", "metadata": {"year": 2026}, "label": "cat"},
        {"url": "https://example.org/b.png", "label": "horse"},
        {"url": "file:///etc/passwd"},
        {"url": "gopher://example.org/"},
        {"url": "upload:" + "0" * 64, "reference": "x\u202e.png"},
    ]

    answer = client.post("/api/projects/animals/images/by-address", json={"items": items})

    assert [item["outcome"] for item in answer.json()["items"]] == ["new", *["refused"] * 4]
    assert "label" in answer.json()["items"][1]["reason"]


def test_lists_are_paged_by_a_cursor_to_their_end(client: TestClient, database: sa.Engine, project: Project) -> None:
    add_images(database, project, 7)

    ids, cursor = [], ""
    while cursor is not None:
        page = client.get(f"/api/projects/animals/images?limit=3{cursor}").json()
        ids += [item["id"] for item in page["items"]]
        cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None

    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 7


def test_an_image_says_where_it_stands(client: TestClient, database: sa.Engine, project: Project) -> None:
    add_images(database, project, 2)
    with transaction(database) as session:
        group = factories.group(session, project.id, reserved=True)
        session.execute(sa.update(ImageRow).values(group_id=group))
        factories.label(session, project.id, 1, "cat", "import")

    shown = client.get("/api/projects/animals/images/1").json()
    labelled = client.get("/api/projects/animals/images?state=labelled").json()["items"]

    assert (shown["state"], shown["label"], shown["group_id"]) == ("labelled", "cat", group)
    assert [item["id"] for item in labelled] == [1]
    assert client.get("/api/projects/animals/images?state=fetched").json()["items"][0]["id"] == 2
    assert client.get("/api/projects/animals/images/99").status_code == 404
    assert client.get("/api/projects/animals/labels?source=import").json()["items"][0]["value"] == "cat"


def test_an_image_of_another_project_is_not_there(
    client: TestClient, database: sa.Engine, project: Project, make_project: Callable[..., Project]
) -> None:
    add_images(database, project, 1)
    make_project(database, name="plants")

    assert client.get("/api/projects/plants/images/1").status_code == 404


def test_the_quarantine_is_listed_with_reasons_and_retried(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    with transaction(database) as session:
        registrations.register(session, project.id, [Incoming("broken.png", "upload:" + "0" * 64)], NOW)
        failures.record(session, project.id, "fetch", "1", "The file is cut short.", True, NOW)

    listed = client.get("/api/projects/animals/quarantine").json()["items"]
    retried = client.post("/api/projects/animals/quarantine/retry").json()

    assert [(item["reference"], item["reason"], item["final"]) for item in listed] == [
        ("broken.png", "The file is cut short.", True)
    ]
    assert retried == {"retried": 1}
    assert client.get("/api/projects/animals/quarantine").json()["items"] == []
    assert "ingest" in {job["job"] for job in client.get("/api/projects/animals/jobs").json()["items"]}


@pytest.mark.parametrize(
    ("path", "body", "job"),
    [
        ("queries?force=true", None, "select"),
        ("versions", None, "learn"),
        ("reviews/sync", None, "review"),
        ("promotions", {"action": "promote", "version": 3, "reason": "new camera"}, "promote"),
        ("promotions", {"action": "rollback", "reason": "worse at night"}, "promote"),
    ],
)
def test_work_by_hand_is_a_job_with_an_address(
    client: TestClient, project: Project, database: sa.Engine, path: str, body: dict[str, object] | None, job: str
) -> None:
    with transaction(database) as session:
        factories.version(session, project.id, 3)
    asked = client.post(f"/api/projects/animals/{path}", json=body)
    again = client.post(f"/api/projects/animals/{path}", json=body)

    assert asked.status_code == 202
    followed = client.get(asked.json()["address"]).json()
    assert (followed["job"], followed["state"]) == (job, "ENQUEUED")
    assert again.json() == asked.json()
    with reading(database) as session:
        assert f"job.{job}" in session.scalars(sa.select(AuditRow.action)).all()


def test_a_decision_by_hand_is_not_joined_to_another_one(
    client: TestClient, project: Project, database: sa.Engine
) -> None:
    decide = "/api/projects/animals/promotions"
    missing = client.post(decide, json={"action": "promote", "version": 1, "reason": "a"})
    assert (missing.status_code, "There is no version 1" in missing.text) == (404, True)
    with transaction(database) as session:
        for number in (1, 2):
            factories.version(session, project.id, number)
    first = client.post(decide, json={"action": "promote", "version": 1, "reason": "a"}).json()
    second = client.post(decide, json={"action": "promote", "version": 2, "reason": "a"}).json()

    assert first["job_id"] != second["job_id"]
    assert client.post(decide, json={"action": "rollback", "version": 1, "reason": "a"}).status_code == 422
    assert client.post(decide, json={"action": "promote", "reason": "a"}).status_code == 422


def test_a_job_of_another_project_is_not_there(
    client: TestClient, database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    make_project(database, name="plants")
    job_id = client.post("/api/projects/animals/versions").json()["job_id"]

    assert client.get(f"/api/projects/plants/jobs/{job_id}").status_code == 404


def test_keys_are_made_used_listed_without_their_secret_and_revoked(client: TestClient) -> None:
    made = client.post("/api/keys", json={"name": "robot", "role": "read", "projects": ["animals"]}).json()
    before = client.get("/api/projects", headers=bearer(made["key"])).status_code
    listed = client.get("/api/keys")
    revoked = client.post(f"/api/keys/{made['prefix']}/revoke").json()
    after = client.get("/api/projects", headers=bearer(made["key"])).status_code

    secret = made["key"].split("_", 2)[2]
    assert (before, after) == (200, 401)
    assert secret not in listed.text and revoked["revoked_at"]
    assert client.post("/api/keys", json={"name": "x", "role": "owner"}).status_code == 422
    assert client.post("/api/keys", json={"name": "x", "role": "read", "projects": ["nope"]}).status_code == 404


def test_a_limited_admin_cannot_make_or_revoke_a_key_beyond_its_projects(
    client: TestClient, database: sa.Engine, make_project: Callable[..., Project]
) -> None:
    make_project(database, name="plants")
    limited = bearer(make_key(database, Role.ADMIN, ["plants"]))
    mine = client.post("/api/keys", json={"name": "wide", "role": "read"}).json()

    assert client.post("/api/keys", json={"name": "x", "role": "read"}, headers=limited).status_code == 403
    wider = {"name": "x", "role": "read", "projects": ["plants", "animals"]}
    assert client.post("/api/keys", json=wider, headers=limited).status_code == 403
    within = {"name": "x", "role": "read", "projects": ["plants"]}
    assert client.post("/api/keys", json=within, headers=limited).status_code == 201
    assert client.post(f"/api/keys/{mine['prefix']}/revoke", headers=limited).status_code == 404
    assert [key["projects"] for key in client.get("/api/keys", headers=limited).json()["items"]] == [["plants"]] * 2


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer hck", "Bearer hck_x_y", "Basic hck_a_b", "Bearer \xff\xfe", "bearer  ", "Bearer hck_%_%"],
)
def test_what_is_not_a_key_is_401_and_says_how(shared_client: TestClient, header: str) -> None:
    answer = shared_client.get("/api/projects", headers={"Authorization": header.encode("latin-1")})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_right_prefix_with_a_wrong_secret_is_401(client: TestClient, database: sa.Engine) -> None:
    prefix = make_key(database).split("_")[1]

    assert client.get("/api/projects", headers=bearer(f"hck_{prefix}_{'a' * 43}")).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("DELETE", "/api/projects", 405),
        ("GET", "/api/projects/nothing", 404),
        ("GET", "/api/projects/animals/images?limit=0", 422),
        ("GET", "/api/projects/animals/images?limit=201", 422),
        ("GET", "/api/projects/animals/images?cursor=bm9wZQ", 422),
        ("GET", "/api/projects/animals/images?cursor=%FF", 422),
        ("GET", "/api/projects/animals/images?state=__class__", 422),
        ("GET", "/api/projects/animals/reviews?kind=;drop table", 422),
        ("GET", "/api/projects/animals/images/9999999999999999999999", 422),
        ("GET", "/api/projects/animals/figures/nope", 404),
        ("GET", f"/api/projects/{'9' * 19}", 404),
        ("GET", f"/api/projects/{'x' * 300}", 404),
        ("GET", "/api/projects/animals%00", 404),
    ],
)
def test_errors_are_problem_details(shared_client: TestClient, method: str, path: str, status: int) -> None:
    answer = shared_client.request(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status and body["title"] and body["detail"] and body["type"].startswith("urn:hardcase:")
    assert body["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 10_000 + b"]" * 10_000,
        b'{"name": NaN, "labels": [1e999, "b"]}',
        b'{"name": "a", "name": "b", "labels": ["x"]}',
        b'{"name": "\\ud800", "labels": ["x", "y"]}',
        b'{"name": "a", "labels": ["x", "\\u0000"]}',
        b'{"name": "a", "labels": ' + b"9" * 5_000 + b"}",
        b"\xff\xfe\x00",
    ],
)
def test_a_body_that_makes_no_sense_is_refused_by_name(shared_client: TestClient, body: bytes) -> None:
    answer = shared_client.post("/api/projects", content=body, headers={"content-type": "application/json"})

    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_request_keeps_its_id_only_if_it_is_harmless(shared_client: TestClient) -> None:
    kept = shared_client.get("/health", headers={"X-Request-ID": "batch-2026-11-21"})
    made = shared_client.get("/health", headers={"X-Request-ID": "a b\x7f<script>"})

    assert kept.headers["x-request-id"] == "batch-2026-11-21"
    assert "script" not in made.headers["x-request-id"]


def test_ready_needs_a_worker_that_reported_lately(client: TestClient, database: sa.Engine) -> None:
    assert client.get("/ready").json() == {"ready": False, "database": True, "worker": False}

    with transaction(database) as session:
        heartbeats.beat(session, "worker-0", NOW, datetime.now(UTC), {"fetched": 3})
        heartbeats.beat(session, "worker-0", NOW, datetime.now(UTC), {"fetched": 5})
    assert client.get("/ready").status_code == 200

    with transaction(database) as session:
        heartbeats.beat(session, "worker-0", NOW, datetime.now(UTC) - timedelta(minutes=5), {})
    assert client.get("/ready").status_code == 503


def test_metrics_count_images_jobs_workers_and_the_webhooks_lag(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    with transaction(database) as session:
        factories.tally(session, project.id, {"labelled": 4, "by": {}})
        heartbeats.beat(session, "worker-0", NOW, NOW, {"fetched": 5})
        factories.inbox(session, project.id, "k", received_at=long_ago)
    client.post("/api/projects/animals/versions")

    lines = client.get("/metrics").text.splitlines()

    assert 'hardcase_images{project="animals",state="labelled"} 4.0' in lines
    assert 'hardcase_worker{counter="fetched",executor="worker-0"} 5.0' in lines
    assert 'hardcase_jobs{job="learn",state="ENQUEUED"} 1.0' in lines
    lag = next(line for line in lines if line.startswith("hardcase_webhook_lag_seconds "))
    assert float(lag.split()[1]) > 3_500


def test_status_and_lists_are_there_before_anything_happened(shared_client: TestClient) -> None:
    assert shared_client.get("/api/projects/animals/status").json() == {"images": {}, "counted_at": None, "failing": {}}
    for name in ("images", "labels", "queries", "reviews", "versions", "promotions", "sources", "quarantine"):
        assert shared_client.get(f"/api/projects/animals/{name}").json() == {"items": [], "next_cursor": None}
    assert shared_client.get("/api/projects/animals/figures").json() == {"items": []}
    assert shared_client.get("/api/projects/1").json()["name"] == "animals"


def test_metrics_of_a_limited_key_count_its_own_projects_only(
    client: TestClient, database: sa.Engine, project: Project, make_project: Callable[..., Project]
) -> None:
    other = make_project(database, name="plants")
    with transaction(database) as session:
        heartbeats.beat(session, "worker-0", NOW, NOW, {"fetched": 5})
        factories.tally(session, other.id, {"labelled": 4})
        factories.inbox(session, other.id, "k", received_at=datetime.now(UTC) - timedelta(hours=1))
    client.post("/api/projects/plants/versions")
    client.post("/api/projects/animals/queries")

    lines = client.get("/metrics", headers=bearer(make_key(database, Role.READ, ["animals"]))).text.splitlines()

    assert 'hardcase_jobs{job="select",state="ENQUEUED"} 1.0' in lines
    assert "hardcase_webhook_lag_seconds 0.0" in lines
    assert not any(word in line for line in lines for word in ("plants", '"learn"', "fetched"))


@pytest.mark.parametrize("url", ["upload:" + "a" * 64, "Upload:" + "a" * 64, "studio:/data/upload/1/a.png", "s3://b/a.png",
    "file:///etc/passwd", "/etc/passwd", "data:image/png;base64,AAAA", "memory://x", "http:/x", "//host/a.png",
    "ftp://host/a.png"])  # fmt: skip
def test_by_address_takes_web_addresses_only(client: TestClient, database: sa.Engine, url: str) -> None:
    body = {"items": [{"url": url}, {"url": "https://example.org/a.png"}]}

    taken = client.post("/api/projects/animals/images/by-address", json=body).json()["items"]

    assert [item["outcome"] for item in taken] == ["refused", "new"]
    assert "http" in taken[0]["reason"] or "web address" in taken[0]["reason"]


def test_a_source_is_added_once_however_often(database: sa.Engine, project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()

    with web(database, tmp_path / "home", source_roots=str(folder)) as client:
        client.headers.update(bearer(make_key(database)))
        first = client.post("/api/projects/animals/sources", json={"address": str(folder)})
        second = client.post("/api/projects/animals/sources", json={"address": f"file://{folder}/../photos"})

        assert first.status_code == 201
        assert first.json() == second.json()
        assert len(client.get("/api/projects/animals/sources").json()["items"]) == 1


def test_a_source_is_added_by_nobody_who_sees_some_projects_only_and_nowhere_but_under_a_root(
    database: sa.Engine, project: Project, tmp_path: Path
) -> None:
    for name in ("photos", "others", "home/media"):
        (tmp_path / name).mkdir(parents=True)
    limited, admin = bearer(make_key(database, projects=["animals"])), bearer(make_key(database))

    def add(caller: dict[str, str], folder: Path) -> int:
        return client.post("/api/projects/animals/sources", json={"address": str(folder)}, headers=caller).status_code

    with web(database, tmp_path / "home", source_roots=f"{tmp_path}/photos,{tmp_path}/home") as client:
        assert add(limited, tmp_path / "photos") == 403
        assert add(admin, tmp_path / "others") == 422
        assert add(admin, tmp_path / "not there") == 422
        assert add(admin, tmp_path / "home/media") == 422
        assert client.get("/api/projects/animals/sources", headers=admin).json()["items"] == []
        assert add(admin, tmp_path / "photos") == 201


def test_a_model_that_the_list_does_not_have_is_refused_where_a_key_names_it(client: TestClient) -> None:
    body = {"name": "plants", "labels": ["a", "b"], "policy": {"engine": "vlm:/etc"}}

    made = client.post("/api/projects", json=body)
    edited = client.put("/api/projects/animals?reason=x", json={**body, "name": "animals", "labels": ["cat", "dog"]})
    tried = client.post("/api/projects/animals/engines/reports", json={"kind": "plan", "engines": ["vlm:/etc"]})

    for refused in (made, edited, tried):
        assert refused.status_code == 422
        assert "HARDCASE_ALLOWED_MODELS" in refused.json()["detail"]
    body["policy"] = {"engine": "dual-encoder:openai/clip-vit-base-patch32"}
    assert client.post("/api/projects", json=body).status_code == 201
