"""Deleting on pages and in the API: what would go is shown first; a reason and an admin are needed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from db.repositories.deletions import deletions
from db.session import reading, transaction
from labeling.jobs import Role
from labeling.project import Project
from tests import factories
from tests.service.web_client import bearer, make_key, web

PROJECT = "/projects/1"


@pytest.fixture
def project(database: sa.Engine) -> Project:
    with transaction(database) as session:
        return factories.project(session)


@pytest.fixture
def image(database: sa.Engine, project: Project) -> int:
    with transaction(database) as session:
        made = factories.image(session, project.id)
        known = factories.registration(session, project.id, "cat.png")
        factories.fetch(session, known, made)
        review = factories.review(session, project.id, made)
        person = factories.annotator(session, project.id, "ann@example.com")
        factories.annotation(session, review, "cat", annotator_id=person)
        factories.label(session, project.id, made, "cat")
        return made


@pytest.fixture
def client(database: sa.Engine, tmp_path: Path, image: int) -> Iterator[TestClient]:
    with web(database, tmp_path) as found:
        yield found


def _log_in(client: TestClient, key: str) -> None:
    page = client.get("/login")
    client.post("/login", data={"key": key, "form_token": _token(page.text)})


def _token(page: str) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', page)
    assert found
    return found[1]


def test_an_admin_sees_what_would_go_and_deletes_it_with_a_reason(
    client: TestClient, database: sa.Engine, project: Project, image: int
) -> None:
    _log_in(client, make_key(database, Role.ADMIN))
    page = f"{PROJECT}/delete/image/{image}"

    asked = client.get(page).text
    without = client.post(page, data={"form_token": _token(asked), "reason": " "})
    forged = client.post(page, data={"form_token": "x", "reason": "consent"})
    done = client.post(page, data={"form_token": _token(asked), "reason": "consent withdrawn"})
    after = client.get(f"{PROJECT}/deletions").text

    assert "cat.png" in asked and "1 answer" in asked and "1 label" in asked
    assert (without.status_code, forged.status_code, done.status_code) == (422, 403, 303)
    assert "consent withdrawn" in after and "not removed everywhere yet" in after
    with reading(database) as session:
        [held] = deletions.of_project(session, project.id)
    assert (held.subject, held.author) == (image, "tester")


def test_links_are_for_admins(client: TestClient, database: sa.Engine, image: int) -> None:
    _log_in(client, make_key(database, Role.ADMIN))
    places = (f"{PROJECT}/images/{image}", f"{PROJECT}/team", f"{PROJECT}/deletions")
    shown = [place for place in places if "/delete/" in client.get(place).text]
    _log_in(client, make_key(database, Role.ENGINEER))
    still = [place for place in places if "/delete/" in client.get(place).text]

    assert (shown, still) == (list(places), [])


def test_the_api_previews_deletes_lists_and_gives_out(client: TestClient, database: sa.Engine, image: int) -> None:
    admin = bearer(make_key(database, Role.ADMIN))
    body = {"kind": "image", "number": image, "reason": "consent withdrawn"}

    shown = client.post("/api/projects/1/deletions", json={**body, "preview": True}, headers=admin).json()
    data = client.get("/api/projects/1/team/1/data", headers=admin).json()
    made = client.post("/api/projects/1/deletions", json=body, headers=admin).json()
    listed = client.get("/api/projects/1/deletions", headers=admin).json()["items"]
    missing = client.post("/api/projects/1/deletions", json={**body, "number": 99}, headers=admin)

    assert (shown["preview"]["answers"], shown["deletion"]) == (1, None)
    assert [one["id"] for one in listed] == [made["deletion"]["id"]]
    assert (data["annotator"]["name"], data["answers"][0]["answers"]) == ("ann@example.com", ["cat"])
    assert missing.status_code == 404


def test_a_project_that_is_being_deleted_is_there_for_nobody(client: TestClient, database: sa.Engine) -> None:
    admin = bearer(make_key(database, Role.ADMIN))
    body = {"kind": "project", "number": 1, "reason": "finished"}

    done = client.post("/api/projects/1/deletions", json=body, headers=admin)

    assert done.status_code == 202
    assert client.get("/api/projects/1", headers=admin).status_code == 404
    assert client.get("/api/projects", headers=admin).json()["items"] == []
