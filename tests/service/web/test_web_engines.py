"""The Engines page and its API: stored reports shown, hostile names harmless, nothing loaded in the web process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from db.repositories.engines import engines_in_force, prelabels, reports
from db.repositories.engines.engines_in_force import Stage
from db.repositories.projects import projects
from db.session import reading, transaction
from db.tables import AuditRow
from labeling.jobs import Role
from labeling.project import Budget, EngineUse, LabelClass, Policy, Project, ProjectConfig
from labeling.types import Evidence, Prelabel
from service.jobs.engine_requests import EngineRequest, ReportKind
from service.work.engine_reports.report import make, unwatched
from tests import factories
from tests.conftest import NOW
from tests.service.reporting_ground import add_pictures, give_gold, parts_of
from tests.service.web.test_web_pages import HTML, log_in, token_of
from tests.service.web_client import bearer, make_key, web

HOSTILE = "<script>alert(1)</script>\"'>"
POLICY = Policy(
    engine="scripted",
    escalation=(EngineUse(f"dual-encoder:{HOSTILE}", below_margin=0.2), EngineUse("few-shot", examples=4)),
    budget=Budget(5_000_000),
)


@pytest.fixture
def project(database: sa.Engine) -> Project:
    config = ProjectConfig("animals", tuple(LabelClass(c) for c in ("cat", "dog", HOSTILE)), policy=POLICY)
    with transaction(database) as session:
        return projects.create(session, config, salt="salt", author="test", now=NOW)


@pytest.fixture
def client(database: sa.Engine, project: Project, tmp_path: Path) -> Iterator[TestClient]:
    with web(database, tmp_path) as client:
        yield client


def fill(database: sa.Engine, home: Path, project: Project) -> None:
    """What the worker would have stored: prelabels, stages, a comparison and a plan."""
    parts = parts_of(database, home)
    images = add_pictures(parts, project, 36, noise=60)
    give_gold(parts, project, images)
    engine = parts.engine_for(project)
    said = Prelabel("scripted", engine.revision, (0.4, 0.3, 0.3), "", 0.25, 70, evidence=Evidence(flags=("flip",)))
    with transaction(database) as session:
        prelabels.record(session, [(image, said) for image in list(images)[:10]], NOW)
        engines_in_force.note(session, project.id, Stage(0, "scripted", engine.revision), NOW)
    for kind in (ReportKind.COMPARE, ReportKind.PLAN):
        request = EngineRequest(kind=kind)
        result = make(parts, project, request, unwatched)
        with transaction(database) as session:
            reports.record(session, project.id, kind.value, request={}, result=result, asked_by=HOSTILE, now=NOW)


def test_the_reliability_plot_is_drawn_where_there_is_enough(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    bins = [{"confidence": 0.9, "value": 0.8, "lower": 0.7, "upper": 0.9, "n": 40}]
    known = {"known": True, "n": 40, "calibration_error": 0.1, "bins": bins}
    unknown = {"known": False, "n": 0, "calibration_error": None, "bins": []}
    engine = {"engine": HOSTILE, "revision": "r", "measured_on": "the random stream", "calibrated_on": 0}
    data = {"engines": [{**engine, "calibration": None, "as_given": known, "calibrated": unknown}]}
    with transaction(database) as session:
        factories.figure(session, project.id, "engine_reliability", data)
    client.headers.update(HTML)
    log_in(client, make_key(database))

    [address] = re.findall(r'class="plot" src="([^"]+)"', client.get("/projects/animals/engines").text)
    plot = client.get(address)

    assert plot.text.startswith("<svg") and "<script" not in plot.text and "as given" in plot.text


def test_a_reliability_of_another_form_is_said_to_be_computed_again(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    with transaction(database) as session:
        factories.figure(session, project.id, "engine_reliability", {"v": 0})
    client.headers.update(HTML)
    log_in(client, make_key(database))

    shown = client.get("/projects/animals/engines").text

    assert "Being computed again" in shown and 'class="plot"' not in shown


def keep_report(database: sa.Engine, project: Project, kind: str, result: dict[str, Any]) -> int:
    with transaction(database) as session:
        return reports.record(session, project.id, kind, request={}, result=result, asked_by="anna", now=NOW)


def test_the_page_shows_engines_comparison_pictures_and_plan_without_a_script(
    client: TestClient, database: sa.Engine, project: Project, tmp_path: Path
) -> None:
    fill(database, tmp_path, project)
    client.headers.update(HTML)
    log_in(client, make_key(database, Role.READ))

    shown = client.get(f"/projects/{project.id}/engines")

    assert shown.status_code == 200
    assert "<script" not in shown.text and "onerror" not in shown.text
    assert "&lt;script&gt;" in shown.text
    assert '<th>flip</th><td class="number">10</td>' in shown.text and "canaries obeyed" in shown.text
    for words in ("scripted", "not loaded yet", "On 36 images", "Where they differ", "Measured on", "macro f1"):
        assert words.lower() in shown.text.lower(), words
    assert "/media/picture/" in shown.text
    assert "Compare them now" not in shown.text  # this key may only look


def test_pictures_on_the_page_can_be_fetched(
    client: TestClient, database: sa.Engine, project: Project, tmp_path: Path
) -> None:
    fill(database, tmp_path, project)
    client.headers.update(HTML)
    log_in(client, make_key(database))

    page = client.get(f"/projects/{project.id}/engines").text
    address = page.split('<img src="')[1].split('"')[0].replace("&amp;", "&")

    assert client.get(address).headers["content-type"] == "image/png"


def test_a_project_without_any_report_says_what_is_needed(client: TestClient, database: sa.Engine) -> None:
    client.headers.update(HTML)
    log_in(client, make_key(database))

    shown = client.get("/projects/animals/engines").text

    assert "Not compared yet" in shown and "Not planned yet" in shown and "nothing yet" in shown


def test_a_report_that_failed_or_is_of_another_form_is_no_fault(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    keep_report(database, project, "compare", {"error": f"no such model {HOSTILE}"})
    keep_report(database, project, "plan", {"something": "else"})
    client.headers.update(HTML)
    log_in(client, make_key(database))

    shown = client.get("/projects/animals/engines")

    assert shown.status_code == 200
    assert "no such model &lt;script&gt;" in shown.text and "Ask for a new one." in shown.text


def test_the_buttons_ask_the_worker_in_the_persons_name(client: TestClient, database: sa.Engine) -> None:
    client.headers.update(HTML)
    log_in(client, make_key(database, Role.ENGINEER, name="anna"))
    token = token_of(client.get("/projects/animals/engines").text)

    asked = client.post("/projects/animals/engines", data={"report": "compare", "form_token": token})
    refused = client.post("/projects/animals/engines", data={"report": "compare"})
    shown = client.get("/projects/animals/engines").text

    assert (asked.status_code, refused.status_code) == (303, 403)
    assert "A report is being made" in shown
    with reading(database) as session:
        audit = session.scalars(sa.select(AuditRow).where(AuditRow.action == "job.engines")).one()
    assert audit.actor == "anna"
    assert json.loads(audit.detail["args"][0])["request"]["kind"] == "compare"


def test_the_api_lists_what_each_engine_did_and_cost(
    client: TestClient, database: sa.Engine, project: Project, tmp_path: Path
) -> None:
    fill(database, tmp_path, project)
    client.headers.update(bearer(make_key(database, Role.READ)))

    listed = client.get("/api/projects/animals/engines").json()

    first, second, _ = listed["engines"]
    assert (first["facts"]["prelabels"], first["facts"]["cost_micro"], first["facts"]["flagged"]) == (10, 700, 10)
    assert (second["revision"], second["facts"], second["use"]["below_margin"]) == (None, None, 0.2)
    assert {"scripted", "bundled", "agent"} <= {kind["name"] for kind in listed["kinds"]}


def test_a_report_is_asked_for_and_read_by_number(client: TestClient, database: sa.Engine, project: Project) -> None:
    client.headers.update(bearer(make_key(database, Role.ENGINEER, name="anna")))
    kept = keep_report(database, project, "plan", {"pilot": 0})

    body = {"kind": "plan", "engines": ["scripted"], "pilot": 3}
    asked = client.post("/api/projects/animals/engines/reports", json=body)
    again = client.post("/api/projects/animals/engines/reports", json=body)
    read = client.get(f"/api/projects/animals/engines/reports/{kept}")
    listed = client.get("/api/projects/animals/engines/reports").json()

    assert asked.status_code == 202
    assert asked.json()["job_id"] == again.json()["job_id"]  # it still waits, so it is joined
    assert read.json()["result"] == {"pilot": 0}
    assert [item["id"] for item in listed["items"]] == [kept]
    assert "result" not in listed["items"][0]


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "guess"},
        {"kind": "plan", "pilot": 10_000},
        {"kind": "plan", "engines": ["no-such-engine"]},
        {"kind": "try"},
        {"kind": "compare", "image_id": 3},
        {"kind": "compare", "colour": "red"},
    ],
)
def test_a_request_that_cannot_be_is_refused(client: TestClient, database: sa.Engine, body: dict[str, Any]) -> None:
    client.headers.update(bearer(make_key(database)))

    assert client.post("/api/projects/animals/engines/reports", json=body).status_code == 422


def test_the_history_says_who_changed_what_and_why(client: TestClient, database: sa.Engine) -> None:
    client.headers.update(bearer(make_key(database, name="anna")))
    body = {
        "name": "animals",
        "labels": [{"name": "cat", "prompts": ["a cat"]}, "dog", HOSTILE],
        "guidelines": "Whole animals.",
        "policy": {"engine": "scripted"},
    }

    without = client.put("/api/projects/animals", json=body)
    changed = client.put("/api/projects/animals", json=body, params={"reason": "clearer"})
    newest, oldest = client.get("/api/projects/animals/history").json()["items"]

    assert (without.status_code, changed.status_code) == (422, 200)
    assert (newest["version"], newest["author"], newest["reason"]) == (2, "anna", "clearer")
    assert newest["changed"]["guidelines"][-1] == "+Whole animals."
    assert newest["changed"]["labels"][0]["label"] == "cat"
    assert "escalation" in [change["key"] for change in newest["changed"]["policy"]]
    assert oldest["changed"] is None
