"""Row 27 of the faults: no project and no caller of the API decides where a question goes; only endpoints.yaml does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from labeling.errors import BadAddress, HardcaseError, Invalid
from labeling.project import EngineUse, Project
from service.ingest.register import checked_source
from service.projects.engine_use import EngineUseIn
from service.projects.project_file import PolicyIn, ProjectFile, parse_project
from service.settings import Settings
from service.work.engines.factory import make_engine
from tests.scripted_endpoint import Answer, answering

MakeProject = Callable[..., Project]


@pytest.mark.parametrize("name", ["agent", "decide"])
def test_an_engine_is_an_endpoint_by_name_and_never_an_address(
    database: sa.Engine, make_project: MakeProject, tmp_path: Path, name: str
) -> None:
    project = make_project(database)

    with answering(lambda path, body: Answer("{}")) as endpoint, pytest.raises(Invalid, match=r"endpoints\.yaml"):
        make_engine(project, Settings(home=tmp_path), EngineUse(f"{name}:{endpoint.url}/m"), database)

    assert endpoint.count == 0


@pytest.mark.parametrize(
    "policy",
    [
        "engine: {url}",
        "engine: dual-encoder:{url}",
        "engine: vlm:{url}",
        "engine: agent:{url}",
        "engine: scripted\n  image_encoder: backbone:{url}",
        "engine: scripted\n  text_encoder: sentences:{url}",
    ],
)
def test_an_address_where_a_model_is_named_is_refused_and_never_asked(
    database: sa.Engine, make_project: MakeProject, tmp_path: Path, policy: str
) -> None:
    with answering(lambda path, body: Answer("{}")) as endpoint:
        text = f"name: p\nlabels: [a, b]\npolicy:\n  {policy.format(url=endpoint.url)}\n"

        with pytest.raises(HardcaseError) as refused:
            stored = make_project(database, policy=parse_project(text).policy)
            make_engine(stored, Settings(home=tmp_path, local_only=True), None, database)

    assert endpoint.count == 0 and len(str(refused.value)) > 20


@pytest.mark.parametrize("key", ["base_url", "url", "endpoint", "endpoints", "api_key", "proxy"])
@pytest.mark.parametrize("model", [ProjectFile, PolicyIn, EngineUseIn])
def test_no_key_of_a_project_takes_an_address(model: type, key: str) -> None:
    assert key not in model.model_fields  # type: ignore[attr-defined]

    with pytest.raises(Invalid, match=key):
        parse_project(f"name: p\nlabels: [a, b]\npolicy: {{engine: scripted, {key}: 'http://127.0.0.1/v1'}}\n")


@pytest.mark.parametrize(
    "address", ["http://169.254.169.254/latest", "https://internal/", "ftp://inside/x", "file::http://x/"]
)
def test_a_source_is_no_web_address(address: str) -> None:
    with pytest.raises(BadAddress):
        checked_source(address)
