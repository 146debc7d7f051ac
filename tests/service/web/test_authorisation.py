"""Every route for every kind of caller, against the table in docs/reference/authorisation.md.

The routes come from /openapi.json and the expectations from the document, so a route that is in neither, or that
answers anybody else than the document says, fails here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response

from db.repositories.people import keys
from db.session import transaction
from db.views.dashboard import Figure
from labeling.errors import Conflict
from labeling.jobs import Role
from labeling.project import Project
from labeling.types import ProjectId
from service.figures.figures import decode
from service.web.edge.access import ACCESS, check_table
from service.web.pages.plots import addresses
from tests import factories
from tests.factories import NOW
from tests.service.quality_data import figures
from tests.service.web_client import bearer, make_key, png, web

DOCUMENT = Path(__file__).parents[3] / "docs/reference/authorisation.md"
CALLERS = ("no key", "revoked", "other project", "read", "ingest", "engineer", "admin")
CONFUSION = figures(["cat", "dog", "bird"], [])["confusion"]
_KEPT = {"confusion": Figure("confusion", CONFUSION, NOW)}
PLOT = addresses(ProjectId(1), decode(_KEPT))["confusion"].rpartition("/")[2]
PARAMETERS = {
    "{project}": "animals",
    "{image_id}": "1",
    "{image}": "1",
    "{job_id}": "none",
    "{report_id}": "1",
    "{snapshot}": "v1",
    "{alarm_id}": "1",
    "{file}": PLOT,
    "{annotator_id}": "1",
    "{deletion_id}": "1",
    "{kind}": "image",
    "{number}": "1",
    "{deed}": "pause",
    "{name}": "hardest",
    "{token}": "abc",
    "{project_id}": "1",
    "{content_hash}": "a" * 64,
}
PROJECT_BODY = {"name": "animals", "labels": ["cat", "dog", "bird"]}
BODIES: dict[tuple[str, str], dict[str, object]] = {
    ("POST", "/api/projects"): {"name": "new", "labels": ["a", "b"]},
    ("PUT", "/api/projects/{project}"): PROJECT_BODY,
    ("POST", "/api/projects/{project}/images/by-address"): {"items": [{"url": "https://example.org/a.png"}]},
    ("POST", "/api/projects/{project}/sources"): {"address": str(Path(__file__).parent)},
    ("POST", "/api/projects/{project}/promotions"): {"action": "rollback", "reason": "test"},
    ("POST", "/api/projects/{project}/engines/reports"): {"kind": "plan"},
    ("POST", "/api/projects/{project}/snapshots"): {"name": "v2"},
    ("POST", "/api/projects/{project}/suspects/review"): {"labels": [1]},
    ("POST", "/api/projects/{project}/suspects/right"): {"labels": [1]},
    ("POST", "/api/projects/{project}/alarms/{alarm_id}/end"): {"reason": "handled"},
    ("POST", "/api/projects/{project}/team/{annotator_id}/{deed}"): {"reason": "on holiday"},
    ("POST", "/api/projects/{project}/deletions"): {"kind": "image", "number": 1, "reason": "test", "preview": True},
    ("POST", "/api/projects/{project}/deletions/{deletion_id}/lift"): {"reason": "test"},
    ("POST", "/api/projects/{project}/decisions"): {"decisions": [{"image_id": 1, "value": "cat"}], "reason": "test"},
    ("POST", "/api/projects/{project}/label-set"): {"operation": "retire", "classes": ["bird"], "reason": "test"},
    ("POST", "/api/projects/{project}/label-set/preview"): {"operation": "retire", "classes": ["bird"]},
    ("POST", "/api/projects/{project}/ask-again"): {"image_ids": [1], "reason": "test"},
    ("POST", "/api/keys"): {"name": "k", "role": "read"},
}
Row = dict[str, str]


def documented() -> dict[tuple[str, str], Row]:
    """The rows of the document: route -> caller -> "ok" or a status."""
    rows: dict[tuple[str, str], Row] = {}
    for line in DOCUMENT.read_text().splitlines():
        if match := re.match(r"\| `(GET|POST|PUT|DELETE|PATCH) (\S+)` \| ([^|]+) \|(.*)\|$", line):
            cells = [cell.strip() for cell in match[4].split("|")]
            rows[match[1], match[2]] = {"access": match[3].strip(), **dict(zip(CALLERS, cells, strict=True))}
    return rows


def routes_of(client: TestClient) -> dict[tuple[str, str], str]:
    document = client.get("/openapi.json").json()
    return {
        (method.upper(), path): operation["x-access"]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


@pytest.fixture
def world(database: sa.Engine, make_project: Callable[..., Project]) -> tuple[sa.Engine, dict[str, str]]:
    """Two projects, one of them with a version, and a key for every kind of caller, the revoked one still in force."""
    animals = make_project(database, name="animals")
    with transaction(database) as session:
        factories.figure(session, animals.id, "confusion", CONFUSION)
        factories.version(session, animals.id)
    make_project(database, name="plants")
    made = {role.value: make_key(database, role, ["animals"] if role is not Role.ADMIN else None) for role in Role}
    made["revoked"] = make_key(database, Role.ADMIN)
    made["other project"] = make_key(database, Role.ADMIN, ["plants"])
    return database, made


def revoke(database: sa.Engine, key: str) -> None:
    with transaction(database) as session:
        keys.revoke(session, key.split("_")[1], datetime.now(UTC))


def log_in(client: TestClient, key: str) -> tuple[str, str]:
    """A session's cookie and its form token."""
    client.cookies.clear()
    token = form_token(client.get("/login").text)
    answer = client.post("/login", data={"key": key, "form_token": token})
    assert answer.status_code == 303, answer.text
    return client.cookies["hardcase_session"], form_token(client.get("/").text)


def form_token(page: str) -> str:
    match = re.search(r'name="form_token" value="([^"]+)"', page)
    assert match
    return match[1]


def call(
    client: TestClient, database: sa.Engine, route: tuple[str, str], key: str, session: tuple[str, str]
) -> Response:
    method, path = route
    spare = make_key(database, Role.READ, name="spare").split("_")[1] if "{prefix}" in path else ""
    address = path.replace("{prefix}", spare)
    for name, value in PARAMETERS.items():
        address = address.replace(name, value)
    client.cookies.clear()
    if session[0]:
        client.cookies.set("hardcase_session", session[0])
    headers = bearer(key) if key else {}
    if path == "/api/projects/{project}/images" and method == "POST":
        return client.post(address, headers=headers, files=[("files", ("a.png", png("red")))])
    if ACCESS[route].how == "login" and method == "POST":
        return client.post(address, headers=headers, data={"form_token": session[1], "job": "learn", "report": "plan"})
    return client.request(method, address, headers=headers, json=BODIES.get(route))


def outcome(response: Response) -> str:
    """401, 403 and 404 as they are; whatever an admitted caller gets is "ok"."""
    assert response.status_code < 500 or response.url.path == "/ready", response.text
    admitted = response.status_code not in (401, 403, 404) or "this project has no such" in response.text.lower()
    return "ok" if admitted or "not computed yet" in response.text else str(response.status_code)


def measure(client: TestClient, world: tuple[sa.Engine, dict[str, str]]) -> dict[tuple[str, str], Row]:
    database, made = world
    sessions = {caller: log_in(client, key) for caller, key in made.items()}
    revoke(database, made["revoked"])
    measured: dict[tuple[str, str], Row] = {}
    routes = routes_of(client)
    for route, access in sorted(routes.items(), key=lambda item: (item[0][1] == "/logout", item[0][1], item[0][0])):
        measured[route] = {"access": access}
        for caller in CALLERS:
            answer = call(client, database, route, made.get(caller, ""), sessions.get(caller, ("", "")))
            measured[route][caller] = outcome(answer)
    return measured


def as_table(measured: dict[tuple[str, str], Row]) -> str:
    head = f"| route | access | {' | '.join(CALLERS)} |\n|{'---|' * (len(CALLERS) + 2)}\n"
    lines = [
        f"| `{method} {path}` | {row['access']} | {' | '.join(row[caller] for caller in CALLERS)} |"
        for (method, path), row in measured.items()
    ]
    return head + "\n".join(lines)


def test_every_route_answers_every_caller_as_documented(
    world: tuple[sa.Engine, dict[str, str]], tmp_path: Path
) -> None:
    with web(world[0], tmp_path, wrong_keys_a_minute=1_000) as client:
        measured = measure(client, world)

    assert measured == documented(), f"docs/reference/authorisation.md should hold:\n{as_table(measured)}"


def test_the_document_follows_from_the_roles() -> None:
    """The document itself is held to the rule, so that regenerating it cannot hide an open route."""
    for route, row in documented().items():
        access = ACCESS[route]
        if access.role is None:
            continue
        assert row["no key"] == row["revoked"] == "401", route
        assert "{project}" not in route[1] or row["other project"] == "404", route
        ranks = ("read", "ingest", "engineer", "admin")
        for caller in ranks:
            enough = ranks.index(caller) >= ranks.index(access.role.value)
            expected = {"ok"} if enough else {"403"}
            if route == ("POST", "/api/projects") and caller == "engineer":
                expected = {"403"}  # this engineer's key is limited to one project
            assert row[caller] in expected, (route, caller)


def test_a_route_that_is_not_in_the_table_keeps_the_process_from_starting() -> None:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.get("/api/forgotten")(lambda: "open to all")

    with pytest.raises(Conflict, match="/api/forgotten"):
        check_table(app)


def test_a_route_that_does_not_guard_itself_keeps_the_process_from_starting() -> None:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.get("/api/keys")(lambda: "open to all")

    with pytest.raises(Conflict, match="guard"):
        check_table(app)


def test_an_anonymous_body_is_refused_before_it_is_read(
    world: tuple[sa.Engine, dict[str, str]], tmp_path: Path
) -> None:
    with web(world[0], tmp_path) as client:
        answer = client.post("/api/projects", content=b"{not json", headers={"content-type": "application/json"})

    assert answer.status_code == 401


def test_another_projects_existence_is_not_revealed(world: tuple[sa.Engine, dict[str, str]], tmp_path: Path) -> None:
    database, made = world
    with web(database, tmp_path) as client:
        hidden = client.get("/api/projects/animals", headers=bearer(made["other project"])).json()
        missing = client.get("/api/projects/nothing", headers=bearer(made["other project"])).json()
        listed = client.get("/api/projects", headers=bearer(made["other project"])).json()
        numbers = client.get("/metrics", headers=bearer(made["other project"])).text

    assert hidden["detail"] == missing["detail"]
    assert [project["name"] for project in listed["items"]] == ["plants"]
    assert "animals" not in numbers
