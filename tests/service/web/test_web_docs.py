"""The API's reference names every route that is served, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import sqlalchemy as sa

from service.errors import STATUS
from service.web.app import create_app
from tests.service.web_client import settings_for

DOCUMENT = Path(__file__).parents[3] / "docs/reference/api.md"


def test_the_reference_names_every_route_with_its_summary_and_access(database: sa.Engine, tmp_path: Path) -> None:
    document = create_app(settings_for(database, tmp_path)).openapi()

    served = {
        (f"{method.upper()} {path}", operation["summary"], operation["x-access"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }

    assert (
        set(re.findall(r"^\| `((?:GET|POST|PUT) [^`]+)` \| ([^|]+) \| ([^|]+) \|$", DOCUMENT.read_text(), re.M))
        == served
    )


def test_every_route_describes_its_answer_and_its_errors(database: sa.Engine, tmp_path: Path) -> None:
    document = create_app(settings_for(database, tmp_path)).openapi()

    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert "default" in operation["responses"], path
            assert operation["summary"] and operation["tags"] and "security" in operation, path


def test_the_reference_names_every_status_of_our_errors() -> None:
    text = DOCUMENT.read_text()

    assert all(str(status) in text for status in STATUS.values())


def test_every_error_of_the_openapi_document_is_a_problem(database: sa.Engine, tmp_path: Path) -> None:
    document = create_app(settings_for(database, tmp_path)).openapi()

    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status in operation["responses"].keys() & {"422", "default"}:
                answer = operation["responses"][status]
                assert set(answer["content"]) - {"text/html"} == {"application/problem+json"}, (method, path)
                assert answer["content"]["application/problem+json"]["schema"]["$ref"].endswith("/ProblemOut")
