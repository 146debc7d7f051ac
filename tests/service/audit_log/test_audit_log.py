"""The audit log: what a row says, who may read which rows, by API, page and command; and that none is changed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from sqlalchemy.exc import DatabaseError
from typer.testing import CliRunner

from db.repositories.people import audit
from db.repositories.people.audit import Place, Wanted, acting_from
from db.session import reading, transaction
from labeling.jobs import Role
from labeling.project import Project
from service.cli import app as command_line
from service.cli.output import author
from service.web.pages.login import REFUSED_AN_HOUR
from tests.service.web.test_web_pages import HTML, log_in
from tests.service.web_client import SECRET, bearer, make_key, web

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture
def two(database: sa.Engine, make_project: Callable[..., Project]) -> tuple[Project, Project]:
    return make_project(database, name="animals"), make_project(database, name="plants")


@pytest.fixture
def client(database: sa.Engine, tmp_path: Path, two: object) -> Iterator[TestClient]:
    with web(database, tmp_path, trusted_proxies="192.0.2.1", wrong_keys_a_minute=1_000) as client:
        yield client


def note(database: sa.Engine, action: str, project: Project | None = None, at: datetime = NOW) -> None:
    with transaction(database) as session:
        audit.record(session, "ada", action, "it", {}, at, project.id if project else None)


def items(client: TestClient, key: str, **filters: object) -> list[dict[str, Any]]:
    answer = client.get("/api/audit", headers=bearer(key), params=filters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def actions(client: TestClient, key: str, **filters: object) -> list[str]:
    return [one["action"] for one in items(client, key, **filters)]


@pytest.mark.parametrize(
    "change",
    ["DELETE FROM audit", "UPDATE audit SET actor = 'x'", "UPDATE audit SET place = 'x'", "UPDATE audit SET at = NULL"],
)
def test_the_database_refuses_to_change_or_remove_a_row(any_database: sa.Engine, change: str) -> None:
    note(any_database, "key.create")

    with pytest.raises(DatabaseError, match="appended only"), any_database.begin() as connection:
        connection.exec_driver_sql(change)

    with reading(any_database) as session:
        assert [one.actor for one in audit.listing(session, Wanted(), after=None, limit=9).items] == ["ada"]


def test_filters_choose_rows_on_both_databases(any_database: sa.Engine, make_project: Callable[..., Project]) -> None:
    project = make_project(any_database)
    note(any_database, "key.create", at=datetime(2026, 11, 1, tzinfo=UTC))
    note(any_database, "keyboard", project, datetime(2026, 11, 2, 23, 59, 59, tzinfo=UTC))
    with acting_from(Place("192.0.2.9", "abc123")):
        note(any_database, "key.revoke", at=datetime(2026, 11, 3, tzinfo=UTC))

    def found(after: int | None = None, limit: int = 9, **wanted: Any) -> list[str]:
        with reading(any_database) as session:
            return [one.action for one in audit.listing(session, Wanted(**wanted), after=after, limit=limit).items]

    second = datetime(2026, 11, 2).date()
    assert found() == ["key.revoke", "keyboard", "key.create"]
    assert found(what="key") == ["key.revoke", "key.create"]
    assert found(who="abc123") == ["key.revoke"]
    assert found(who="nobody") == []
    assert found(since=second, until=second) == found(projects=[project.id]) == ["keyboard"]
    assert found(projects=[]) == []
    with reading(any_database) as session:
        first = audit.listing(session, Wanted(), after=None, limit=2)
    assert found(after=first.next_after) == ["key.create"]


def test_a_row_says_the_address_behind_a_trusted_proxy_and_the_prefix_of_the_key(
    database: sa.Engine, tmp_path: Path, two: object
) -> None:
    key = make_key(database, name="robot")
    with web(database, tmp_path, trusted_proxies="10.0.0.1") as client:
        client._transport.client = ("10.0.0.1", 5)  # type: ignore[attr-defined]
        headers = {**bearer(key), "X-Forwarded-For": "203.0.113.7"}
        client.post("/api/projects/animals/snapshots", json={"name": "v1"}, headers=headers)

        made = items(client, key, what="snapshot.create")[0]

    assert (made["actor"], made["place"], made["key"]) == ("robot", "203.0.113.7", key.split("_")[1])
    assert made["detail"]["labels"] == 0


def test_a_limited_key_reads_what_is_about_its_projects_alone(
    client: TestClient, database: sa.Engine, two: tuple[Project, Project]
) -> None:
    note(database, "key.create")
    note(database, "project.edit", two[0])
    note(database, "export", two[1])
    everything, limited = make_key(database), make_key(database, projects=["animals"])

    assert actions(client, everything) == ["export", "project.edit", "key.create"]
    assert actions(client, everything, project="plants") == ["export"]
    assert actions(client, limited) == actions(client, limited, project="animals") == ["project.edit"]
    assert actions(client, make_key(database, projects=[])) == []
    for unseen in ("plants", "nowhere", two[1].id):
        answer = client.get("/api/audit", headers=bearer(limited), params={"project": unseen})
        assert answer.status_code == 404
    engineer = make_key(database, Role.ENGINEER)
    assert client.get("/api/audit", headers=bearer(engineer)).status_code == 403


def test_the_log_comes_in_slices(client: TestClient, database: sa.Engine) -> None:
    key = make_key(database)
    for number in range(5):
        note(database, f"act.{number}")

    first = client.get("/api/audit", headers=bearer(key), params={"limit": 3}).json()
    rest = client.get("/api/audit", headers=bearer(key), params={"limit": 3, "cursor": first["next_cursor"]}).json()

    assert [one["action"] for one in first["items"] + rest["items"]] == [f"act.{n}" for n in (4, 3, 2, 1, 0)]
    assert rest["next_cursor"] is None


def test_logins_are_recorded_and_refused_ones_in_bounded_number(client: TestClient, database: sa.Engine) -> None:
    key = make_key(database)
    client.headers.update(HTML)
    token = re.findall(r'name="form_token" value="([^"]+)"', client.get("/login").text)[0]
    for _ in range(REFUSED_AN_HOUR + 5):
        wrong = client.post("/login", data={"key": "hck_0123456789ab_wrong", "form_token": token})
        assert wrong.status_code == 401
    assert client.post("/login", data={"key": key, "form_token": token}).status_code == 303

    refused = items(client, key, what="login.refused", limit=200)
    assert len(refused) == REFUSED_AN_HOUR
    assert (refused[0]["subject"], refused[0]["place"]) == ("0123456789ab", "testclient")
    assert items(client, key, who="tester")[0]["detail"] == {"key": key.split("_")[1]}
    assert "wrong" not in json.dumps(refused)


def test_the_page_is_for_admins_and_its_filters_are_its_address(
    client: TestClient, database: sa.Engine, two: tuple[Project, Project]
) -> None:
    note(database, "project.edit", two[0])
    note(database, "<b>export</b>", two[1])
    client.headers.update(HTML)
    log_in(client, make_key(database, projects=["animals"]))

    page = client.get("/audit").text
    assert 'href="/audit" aria-current="page"' in page
    assert "project.edit" in page and "export" not in page and "plants" not in page
    assert "Nothing that matches" in client.get("/audit?what=key&since=2026-01-01&until=&who=&project=").text
    assert client.get("/audit?project=plants").status_code == 404

    log_in(client, make_key(database))
    assert "&lt;b&gt;export" in client.get("/audit").text
    log_in(client, make_key(database, Role.ENGINEER))
    assert client.get("/audit").status_code == 403
    assert 'href="/audit"' not in client.get("/").text


def test_the_page_leads_on_to_older_rows_with_the_same_filters(client: TestClient, database: sa.Engine) -> None:
    for number in range(102):
        note(database, f"act.{number}")
    client.headers.update(HTML)
    log_in(client, make_key(database))

    older = re.findall(r'<a href="(/audit\?[^"]+)">Older', client.get("/audit?what=act").text)[0]

    page = client.get(older.replace("&amp;", "&")).text
    assert ("act.1<" in page, "act.2<" in page, "Older ones" in page, "login" in page) == (True, False, False, False)


def test_a_command_is_recorded_with_the_login_name_and_read_by_a_command(
    database: sa.Engine, tmp_path: Path, two: object
) -> None:
    url = database.url.render_as_string(hide_password=False)
    environment = {"HARDCASE_HOME": str(tmp_path), "HARDCASE_DATABASE_URL": url, "HARDCASE_SECRET": SECRET}

    def typed(*words: str) -> Any:
        done = CliRunner().invoke(command_line, [*words, "--json"], env=environment)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    typed("key", "create", "anna")
    typed("export", "animals", str(tmp_path / "labels.csv"))
    everything = typed("audit")["items"]
    of_project = typed("audit", "animals", "--who", author(), "--since", "2026-01-01", "--limit", "1")

    assert [(one["actor"], one["action"], one["place"]) for one in everything] == [
        (author(), "export", "command line"),
        (author(), "key.create", "command line"),
    ]
    assert of_project["items"][0]["detail"] == {"labels": 0, "format": "csv", "snapshot": None, "machine": None}
    assert typed("audit", "plants")["items"] == []
    shown = CliRunner().invoke(command_line, ["audit", "--limit", "1"], env={**environment, "COLUMNS": "200"})
    assert "export" in shown.stdout and "--after" in shown.stdout


def test_what_no_edge_has_named_was_done_by_the_worker(database: sa.Engine) -> None:
    note(database, "promote")

    with reading(database) as session:
        assert audit.listing(session, Wanted(), after=None, limit=1).items[0].place == "worker"
