"""The label set by API and on its page: what a change would do is said first, and made once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from db.repositories.projects import projects
from db.session import reading
from db.tables import AuditRow
from labeling.jobs import Role
from labeling.project import Project
from tests.reviewing import rows_of
from tests.service.web.test_web_pages import HTML, log_in, token_of
from tests.service.web_client import bearer, make_key, web

API, PAGE = "/api/projects/1/label-set", "/projects/1/label-set"
MERGE = {"operation": "merge", "classes": ["cat", "dog"], "into": [{"name": "pet", "description": "lives with people"}]}


@pytest.fixture
def project(database: sa.Engine, make_project: Callable[..., Project]) -> Project:
    return make_project(database)


@pytest.fixture
def client(database: sa.Engine, project: Project, tmp_path: Path) -> Iterator[TestClient]:
    with web(database, tmp_path) as client:
        yield client


def _classes(database: sa.Engine) -> tuple[str, ...]:
    with reading(database) as session:
        return projects.only(session).config.classes


def test_a_program_asks_what_a_change_would_do_and_makes_it_once(client: TestClient, database: sa.Engine) -> None:
    headers = bearer(make_key(database, Role.ENGINEER))
    change = {**MERGE, "reason": "one price", "label_set": 1}

    said = client.post(f"{API}/preview", headers=headers, json=MERGE)
    before = _classes(database)
    made, again = (client.post(API, headers=headers, json=change) for _ in range(2))
    shown = client.get(API, headers=headers).json()

    assert (said.status_code, before) == (200, ("cat", "dog", "bird"))
    assert said.json()["effect"]["classes"] == ["pet", "bird"]
    assert (made.status_code, again.status_code) == (200, 409)
    assert made.json()["effect"] == said.json()["effect"]
    assert (shown["label_set"], shown["classes"]) == (2, ["pet", "bird"])
    assert [(one["version"], one["words"], one["reason"]) for one in shown["versions"]] == [
        (2, "'cat', 'dog' became 'pet'", "one price"),
        (1, "as the project was made", "created"),
    ]
    assert [row.action for row in rows_of(database, AuditRow)].count("labels.merge") == 1


@pytest.mark.parametrize(
    "body",
    [
        {"operation": "merge", "classes": ["cat"], "into": [], "reason": "x"},
        {"operation": "retire", "classes": ["fish"], "reason": "x"},
        {"operation": "retire", "classes": ["bird"], "reason": ""},
        {"operation": "vanish", "classes": ["bird"], "reason": "x"},
        {"operation": "add", "into": ["=\u0000"], "reason": "x"},
    ],
)
def test_what_cannot_be_read_is_refused(client: TestClient, database: sa.Engine, body: dict[str, object]) -> None:
    answer = client.post(API, headers=bearer(make_key(database, Role.ENGINEER)), json=body)

    assert answer.status_code == 422, answer.text
    assert _classes(database) == ("cat", "dog", "bird")


def test_a_lead_reads_on_the_page_what_a_change_does_before_it_is_made(client: TestClient, database: sa.Engine) -> None:
    client.headers.update(HTML)
    log_in(client, make_key(database, Role.ENGINEER), PAGE)
    form = {"operation": "rename", "classes": "cat", "into": "<b>feline</b>", "reason": "their word", "label_set": "1"}
    form["form_token"] = token_of(client.get(PAGE).text)

    said = client.post(PAGE, data=form)
    before = _classes(database)
    made = client.post(PAGE, data={**form, "deed": "change"}, follow_redirects=True)

    assert "What this would do" in said.text and "&lt;b&gt;feline&lt;/b&gt;" in said.text
    assert before == ("cat", "dog", "bird")
    assert "Version 2 of the label set is in force" in made.text
    assert _classes(database) == ("<b>feline</b>", "dog", "bird")


def test_a_reader_sees_the_classes_and_changes_none(client: TestClient, database: sa.Engine) -> None:
    client.headers.update(HTML)
    log_in(client, make_key(database, Role.READ), PAGE)

    page = client.get(PAGE).text

    assert "as the project was made" in page and "Say what this would do" not in page
