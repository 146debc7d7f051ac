"""Engines at endpoints as a project names them: probed first, every call in the book, cached, within the budget."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from PIL import Image

from db.repositories.engines import probes
from db.session import reading
from db.tables import CallRow
from labeling.errors import Invalid, OverBudget
from labeling.prelabel.engine import Item
from labeling.project import Budget, EngineUse, Policy, Project
from labeling.types import Outcome
from service.settings import Settings
from service.work.engines.endpoint_engines import probe_endpoint
from service.work.engines.factory import make_engine
from tests.scripted_endpoint import Answer, ScriptedEndpoint, answering, called, said

MakeProject = Callable[..., Project]
GOOD = {"reason": "ears", "label": "cat", "question": "", "confidence": "high"}


def script(path: str, body: dict[str, Any]) -> Answer:
    """A server that sees pictures and calls tools."""
    if path == "/models":
        return Answer('{"data": []}')
    names = [tool["function"]["name"] for tool in body.get("tools", [])]
    if "answer" in names:
        return called(("answer", GOOD))
    if names:
        return called(("note", {"word": "x"}))
    pictures = [part for part in body["messages"][0]["content"] if part["type"] == "image_url"]
    return said(f"seen {json.dumps(pictures)[-60:]}", tokens=(100 + 80 * len(pictures), 3))


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    with answering(script) as running:
        yield running


def settings(home: Path, url: str, **more: str) -> Settings:
    price = more.pop("price", "{input_per_m: 1, output_per_m: 2}")
    extra = "".join(f"\n    {key}: {value}" for key, value in more.items())
    (home / "endpoints.yaml").write_text(f"endpoints:\n  here:\n    url: {url}\n    price: {price}{extra}\n")
    return Settings(home=home)


def agent(sends: tuple[str, ...] = ("image", "text"), kind: str = "agent") -> EngineUse:
    return EngineUse(f"{kind}:here/a/model", sends=sends)


def item(text: str = "a text") -> Item:
    return Item(Image.new("RGB", (64, 64), "red"), text, f"key of {text}")


def test_an_engine_that_was_never_probed_says_what_to_type(
    database: sa.Engine, make_project: MakeProject, tmp_path: Path, endpoint: ScriptedEndpoint
) -> None:
    here = settings(tmp_path, endpoint.url)

    with pytest.raises(Invalid, match="hardcase engines probe here/a/model"):
        make_engine(make_project(database), here, agent(), database)

    assert endpoint.count == 0


def test_a_probed_model_labels_and_the_second_look_is_free(
    database: sa.Engine, make_project: MakeProject, tmp_path: Path, endpoint: ScriptedEndpoint
) -> None:
    here = settings(tmp_path, endpoint.url)
    probe_endpoint(here, database, "here/a/model")
    project = make_project(database, policy=Policy(budget=Budget(1_000_000)))
    engine = make_engine(project, here, agent(), database)
    first = engine.look([item()]).prelabels[0]
    asked = endpoint.count

    second = make_engine(project, here, agent(), database).look([item()]).prelabels[0]

    assert (first.answer, first.outcome, second.answer) == ("cat", Outcome.LABEL, "cat")
    assert first.cost_micro > 0 == second.cost_micro
    assert second.evidence.cached and not first.evidence.cached
    assert endpoint.count == asked
    assert first.revision == second.revision


def test_every_call_is_in_the_book_a_probe_in_no_projects_name(
    database: sa.Engine, make_project: MakeProject, tmp_path: Path, endpoint: ScriptedEndpoint
) -> None:
    here = settings(tmp_path, endpoint.url)
    probe_endpoint(here, database, "here/a/model")
    project = make_project(database, policy=Policy(budget=Budget(1_000_000)))
    probing = endpoint.count

    make_engine(project, here, agent(), database).look([item()])

    with reading(database) as session:
        owners = list(session.scalars(sa.select(CallRow.project_id).order_by(CallRow.id)))
    assert owners[:probing] == [None] * probing
    assert set(owners[probing:]) == {project.id}
    assert len(owners) == endpoint.count


def test_a_probe_is_kept_and_another_address_needs_a_new_one(
    database: sa.Engine, make_project: MakeProject, tmp_path: Path, endpoint: ScriptedEndpoint
) -> None:
    here = settings(tmp_path, endpoint.url)
    first = probe_endpoint(here, database, "here/a/model")
    second = probe_endpoint(here, database, "here/a/model")
    elsewhere = settings(tmp_path, endpoint.url.replace("127.0.0.1", "localhost"))

    with reading(database) as session:
        kept = probes.newest(session, endpoint="here", model="a/model", url=endpoint.url)
    assert kept == second != first
    assert (second.result["images"], second.result["tools"], second.result["json_schema"]) == (True, True, False)
    with pytest.raises(Invalid, match="never probed"):
        make_engine(make_project(database), elsewhere, agent(), database)


def test_a_model_that_did_not_see_the_picture_is_refused_unless_only_text_is_sent(
    database: sa.Engine, make_project: MakeProject, tmp_path: Path, endpoint: ScriptedEndpoint
) -> None:
    endpoint.script = lambda path, body: said("A picture.") if path != "/models" else Answer("{}")
    here = settings(tmp_path, endpoint.url)
    probe_endpoint(here, database, "here/a/model")
    project = make_project(database)

    with pytest.raises(Invalid, match="did not see the picture.*sends: \\[text\\]"):
        make_engine(project, here, agent(), database)

    assert make_engine(project, here, agent(("text",)), database).image_encoder == ""


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (agent(kind="decide"), "engine: agent:"),
        (EngineUse("agent:there/model"), "names no endpoint"),
        (EngineUse("agent:here"), "names no endpoint"),
        (EngineUse("agent"), "ENDPOINT/MODEL"),
    ],
)
def test_a_wrong_name_says_what_is_right(
    database: sa.Engine,
    make_project: MakeProject,
    tmp_path: Path,
    endpoint: ScriptedEndpoint,
    use: EngineUse,
    words: str,
) -> None:
    here = settings(tmp_path, endpoint.url)

    with pytest.raises(Invalid, match=words):
        make_engine(make_project(database), here, use, database)


def test_what_the_budget_does_not_allow_is_not_sent(
    database: sa.Engine, make_project: MakeProject, tmp_path: Path, endpoint: ScriptedEndpoint
) -> None:
    here = settings(tmp_path, endpoint.url)
    probe_endpoint(here, database, "here/a/model")
    asked = endpoint.count
    engine = make_engine(make_project(database, policy=Policy(budget=Budget(10))), here, agent(), database)

    with pytest.raises(OverBudget):
        engine.look([item()])

    assert endpoint.count == asked


def test_a_deciding_endpoint_is_probed_and_used_by_its_own_kind(
    database: sa.Engine, make_project: MakeProject, tmp_path: Path, endpoint: ScriptedEndpoint
) -> None:
    def deciding(path: str, body: dict[str, Any]) -> Answer:
        names = list(body["questions"]["label"]["criteria"]) if path == "/systemone" else []
        seen = len(json.dumps(body.get("assets", "")))
        weights = [seen % 7 + 1, *[1] * (len(names) - 1)]
        found = {name: weight / sum(weights) for name, weight in zip(names, weights, strict=False)}
        usage = {"input_tokens": 10 + seen, "output_tokens": 0}
        body = {"answers": {"label": {"probabilities": found}}, "usage": usage}
        return Answer(json.dumps(body), 200 if names else 404)

    endpoint.script = deciding
    here = settings(tmp_path, endpoint.url, price="free", kind="decide")
    probe = probe_endpoint(here, database, "here/a/model")

    found = make_engine(make_project(database), here, agent(("text",), "decide"), database).look([item()]).prelabels[0]

    assert probe.result["decides"] == "/systemone"
    assert (found.outcome, len(found.probs), found.cost_micro) == (Outcome.LABEL, 3, 0)
