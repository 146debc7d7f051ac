"""What `plan` says is what the run then costs: a scripted first engine, and an agent at an endpoint that is paid."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
import sqlalchemy as sa

from db.repositories.engines import call_ledger
from db.session import reading
from labeling.project import Budget, EngineUse, Policy, Project
from service.jobs.engine_requests import EngineRequest, ReportKind
from service.settings import Settings
from service.work.engine_reports.listing import list_engines, show
from service.work.engine_reports.report import make, unwatched
from service.work.engines.endpoint_engines import probe_endpoint
from service.work.prelabel.escalate import escalate_batch
from service.work.prelabel.prelabel import prelabel_batch
from service.work.wiring import Parts
from tests.scripted_endpoint import Answer, ScriptedEndpoint, answering, called, said
from tests.service.reporting_ground import add_pictures, parts_of

AGENT = "agent:here/a/model"
GOOD = {"reason": "ears", "label": "cat", "question": "", "confidence": "high"}
ENDPOINTS = "endpoints:\n  here:\n    url: %s\n    price: {input_per_m: 100, output_per_m: 200}\n"


def script(path: str, body: dict[str, Any]) -> Answer:
    """A server that sees pictures, calls tools, and takes more tokens for some pictures than for others."""
    if path == "/models":
        return Answer('{"data": []}')
    names = [tool["function"]["name"] for tool in body.get("tools", [])]
    seen = crc32(json.dumps(body["messages"]).encode())
    if "answer" in names:
        return called(("answer", GOOD), tokens=(600 + seen % 300, 20 + seen % 7))
    if names:
        return called(("note", {"word": "x"}))
    pictures = [part for part in body["messages"][0]["content"] if part["type"] == "image_url"]
    return said(f"seen {json.dumps(pictures)[-60:]}", tokens=(100 + 80 * len(pictures), 3))


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    with answering(script) as running:
        yield running


@pytest.fixture
def ready(
    database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project], endpoint: ScriptedEndpoint
) -> tuple[Parts, Project]:
    """A project whose first engine has looked at everything; an agent is to look at what is in doubt."""
    (tmp_path / "endpoints.yaml").write_text(ENDPOINTS % endpoint.url)
    probe_endpoint(Settings(home=tmp_path), database, "here/a/model")
    use = EngineUse(AGENT, below_margin=0.95, sends=("image",))
    policy = Policy(engine="scripted", escalation=(use,), budget=Budget(10_000_000_000))
    project, parts = make_project(database, policy=policy), parts_of(database, tmp_path)
    add_pictures(parts, project, 90, noise=60)
    prelabel_batch(parts, project.id, size=200)
    return parts, project


def row_of_agent(parts: Parts, project: Project, pilot: int) -> dict[str, Any]:
    document = make(parts, project, EngineRequest(kind=ReportKind.PLAN, pilot=pilot), unwatched)
    assert document["budget"]["enough"] == "yes"
    row: dict[str, Any] = document["engines"][1]
    return row


def spent(parts: Parts, project: Project) -> int:
    with reading(parts.database) as session:
        return call_ledger.spending(session, project.id).spent_micro


def run(parts: Parts, project: Project) -> int:
    """Escalate until nothing is left; how many images were looked at."""
    looked = 0
    while (counts := escalate_batch(parts, project.id))["left"]:
        looked += counts["done"]
    return looked + counts["done"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("pilot", [0, 8])
def test_the_run_costs_what_was_planned(ready: tuple[Parts, Project], pilot: int) -> None:
    parts, project = ready

    planned = row_of_agent(parts, project, pilot)
    in_the_pilot = spent(parts, project)
    looked = run(parts, project)
    cost = spent(parts, project) - in_the_pilot

    money, images = planned["money_micro"], planned["images"]
    assert planned["error"] == "" and looked >= 20
    assert in_the_pilot == planned["pilot_cost_micro"] and planned["piloted"] == pilot
    assert images["lower"] <= looked - pilot <= images["upper"]  # those of the pilot are answered from the book
    assert money["lower"] <= cost <= money["upper"]
    assert bool(pilot) == (planned["measured"] >= 5)
    assert row_of_agent(parts, project, 0)["money_micro"] == {"lower": 0.0, "likely": 0.0, "upper": 0.0}
    if pilot:
        assert money["upper"] < planned["most_micro"] * images["upper"] / 2  # it knows better than the bound


def test_an_engine_is_listed_and_shown_with_its_price_and_what_its_model_can_do(
    ready: tuple[Parts, Project],
) -> None:
    parts, project = ready

    listed = list_engines(parts.settings, [project])
    shown = show(parts, project, AGENT)
    first = show(parts, project, "scripted")

    kinds = {kind["name"]: kind for kind in listed["engines"]}
    assert kinds["agent"]["ready"] and kinds["agent"]["used"] == [{"engine": AGENT, "project": "animals"}]
    assert listed["endpoints"][0]["price"] == shown["price"] == "100 in, 200 out USD a million tokens"
    assert shown["probe"]["images"] and shown["used"] and shown["facts"] is None
    assert (first["price"], first["probe"], first["facts"]["prelabels"]) == ("free", {}, 90)
