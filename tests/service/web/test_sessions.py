"""Logins that the server remembers, and keys that end by themselves: what was copied is worth nothing afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from db.session import reading, transaction
from db.tables import AuditRow, PageSessionRow
from labeling.errors import Invalid
from labeling.jobs import Role
from labeling.project import Project
from service import auth
from tests.service.web_client import Clock, bearer, make_key, web

PROTECTED = ("/", "/projects/animals", "/projects/animals/labels")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path, clock: Clock
) -> Iterator[TestClient]:
    make_project(database, name="animals")
    with web(database, tmp_path, clock) as client:
        yield client


def log_in(client: TestClient, key: str) -> str:
    """Log in, and return the cookie."""
    client.cookies.clear()
    answer = client.post("/login", data={"key": key, "form_token": _form_token(client.get("/login").text)})
    assert answer.status_code == 303, answer.text
    return client.cookies["hardcase_session"]


def replay(client: TestClient, cookie: str) -> set[int]:
    """What somebody gets who has a copy of the cookie."""
    client.cookies.clear()
    client.cookies.set("hardcase_session", cookie)
    return {client.get(path).status_code for path in PROTECTED}


def _form_token(page: str) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', page)
    assert found
    return found[1]


def test_a_copied_cookie_is_worth_nothing_after_logging_out(client: TestClient, database: sa.Engine) -> None:
    key = make_key(database)
    other = log_in(client, key)
    copied = log_in(client, key)
    assert replay(client, copied) == {200}

    token = _form_token(client.get("/").text)
    assert client.post("/logout", data={"form_token": token}).status_code == 303

    assert replay(client, copied) == {401}
    assert client.post("/logout", data={"form_token": token}).status_code == 401
    assert replay(client, other) == {200}  # logging out here is not logging out there
    with reading(database) as session:
        assert list(session.scalars(sa.select(AuditRow.action))) == ["login", "login", "logout"]


@pytest.mark.parametrize(
    "change",
    ["revoked_at = '2020-01-01'", "expires_at = '2020-01-01'", "role = 'read'", "projects = '[\"animals\"]'"],
)
def test_whatever_happens_to_the_key_ends_its_sessions(client: TestClient, database: sa.Engine, change: str) -> None:
    cookie = log_in(client, make_key(database, Role.ENGINEER))

    with database.begin() as connection:
        connection.exec_driver_sql(f"UPDATE api_key SET {change}")

    assert replay(client, cookie) == {401}


def test_a_session_and_a_key_end_with_their_time(client: TestClient, database: sa.Engine, clock: Clock) -> None:
    with transaction(database) as session:
        ends = clock() + timedelta(days=1)
        made = {"name": "anna", "role": Role.ADMIN, "projects": None, "now": clock(), "expires_at": ends}
        key = auth.issue_key(session, **made)[1]  # type: ignore[arg-type]
    cookie = log_in(client, key)

    clock.forward(timedelta(seconds=auth.SESSION_AGE_S - 1))
    assert replay(client, cookie) == {200}
    clock.forward(timedelta(seconds=2))
    assert replay(client, cookie) == {401}
    assert client.get("/api/projects", headers=bearer(key)).status_code == 200
    clock.forward(timedelta(hours=12))
    assert client.get("/api/projects", headers=bearer(key)).status_code == 401
    page = client.get("/login").text
    assert client.post("/login", data={"key": key, "form_token": _form_token(page)}).status_code == 401


def test_a_key_that_ends_is_made_over_the_api_and_one_that_has_ended_is_not(
    client: TestClient, database: sa.Engine, clock: Clock
) -> None:
    admin, ends = bearer(make_key(database)), clock() + timedelta(hours=1)
    body = {"name": "robot", "role": "read"}

    made = client.post("/api/keys", json={**body, "expires_at": ends.isoformat()}, headers=admin)
    past = client.post("/api/keys", json={**body, "expires_at": "2020-01-01T00:00:00Z"}, headers=admin)
    without_zone = client.post("/api/keys", json={**body, "expires_at": "2099-01-01T00:00:00"}, headers=admin)

    assert (made.status_code, past.status_code, without_zone.status_code) == (201, 422, 422)
    listed = client.get("/api/keys", headers=admin).json()["items"]
    assert [key["expires_at"] is None for key in listed] == [True, False]
    with reading(database) as session, pytest.raises(Invalid, match="past"):
        auth.issue_key(session, name="x", role=Role.READ, projects=None, now=ends, expires_at=ends)


def test_nothing_that_a_cookie_holds_is_stored_and_old_logins_are_forgotten(
    client: TestClient, database: sa.Engine, clock: Clock
) -> None:
    key = make_key(database)
    first = log_in(client, key)
    clock.forward(timedelta(days=1))
    log_in(client, key)

    with reading(database) as session:
        kept = list(session.scalars(sa.select(PageSessionRow.digest)))
    assert len(kept) == 1
    assert kept[0] not in first and len(kept[0]) == 64
