"""The documents are true: what they name exists, what they list is complete, and their links lead somewhere."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from service.projects.project_file import (
    BudgetIn,
    CertificateIn,
    EngineUseIn,
    GateIn,
    GoldIn,
    LabelIn,
    OverlapIn,
    PolicyIn,
    ProjectFile,
    SharesIn,
    TargetsIn,
    TeamIn,
)
from service.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
IDS = [str(page.relative_to(ROOT)) for page in PAGES]

NAMED = re.compile(r"`([\w./-]+\.py)::([\w.]+)`")
PATHS = re.compile(r"`((?:labeling|db|service|tests|bench|alembic|docs)/[\w./-]*)`")
LINKS = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
COMMANDS = re.compile(r"(?:^|`|\s)hardcase ((?:[a-z][a-z-]* ?)+)", re.MULTILINE)


def defined_in(path: Path) -> set[str]:
    """Every function and class of a file, methods as Class.method."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
    return names


def rows_of(page: str, heading: str | None = None) -> dict[str, str]:
    """The first two cells of a table's rows: the first table, or the one under a heading."""
    text = (ROOT / page).read_text(encoding="utf-8")
    if heading is not None:
        text = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    cells = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in text.splitlines() if line[:1] == "|"]
    return {row[0]: row[1] for row in cells[2:]}


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_function_that_a_page_names_exists(page: Path) -> None:
    named = NAMED.findall(page.read_text(encoding="utf-8"))

    missing = [f"{file}::{name}" for file, name in named if name not in defined_in(ROOT / file)]

    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    named = PATHS.findall(page.read_text(encoding="utf-8"))

    assert not [path for path in named if not (ROOT / path).exists()]


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    links = LINKS.findall(page.read_text(encoding="utf-8"))

    assert not [link for link in links if not (page.parent / link).exists()]


def test_the_index_leads_to_every_page() -> None:
    index = ROOT / "docs" / "index.md"

    linked = {(index.parent / link).resolve() for link in LINKS.findall(index.read_text(encoding="utf-8"))}

    assert not [page.name for page in PAGES[1:] if page != index and page.resolve() not in linked]


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("At the top", ProjectFile),
        ("In `labels`", LabelIn),
        ("In `policy`", PolicyIn),
        ("In `policy.escalation`", EngineUseIn),
        ("In `policy.budget`", BudgetIn),
        ("In `policy.shares`", SharesIn),
        ("In `policy.gate`", GateIn),
        ("In `policy.gold`", GoldIn),
        ("In `policy.overlap`", OverlapIn),
        ("In `policy.team`", TeamIn),
        ("In `policy.targets`", TargetsIn),
        ("In `policy.certificate`", CertificateIn),
    ],
)
def test_the_project_file_page_explains_every_key_with_its_default(heading: str, model: type[BaseModel]) -> None:
    documented = rows_of("docs/reference/project-file.md", heading)

    assert set(documented) == set(model.model_fields)
    for name, field in model.model_fields.items():
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert float(documented[name]) == field.default, name


def test_the_settings_page_explains_every_setting_with_its_default() -> None:
    documented = rows_of("docs/reference/settings.md")

    assert set(documented) == set(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert float(documented[name]) == field.default, name


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=lambda page: page.stem)
def test_a_decision_says_context_decision_consequences_and_alternatives(page: Path) -> None:
    headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)

    assert headings == ["Context", "Decision", "Consequences", "Alternatives"]
    assert re.match(r"\d{4}-", page.name)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    from service.cli.app import app

    program: Any = typer.main.get_command(app)
    code = re.findall(r"`[^`\n]+`|^ {4}.+$", page.read_text(encoding="utf-8"), re.MULTILINE)

    for words in (shlex.split(found) for line in code for found in COMMANDS.findall(line)):
        assert words[0] in program.commands, words
        command = program.load(words[0])
        if hasattr(command, "commands") and len(words) > 1:
            assert words[1] in command.commands, words
