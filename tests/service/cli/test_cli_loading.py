"""What the command line loads: `--help` and completion nothing but the list, a command only what it uses."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import typer

from service.cli import app

PROGRAM: Any = typer.main.get_command(app)
HEAVY = (
    "PIL", "altair", "anthropic", "fastapi", "fsspec", "httpx", "label_studio_sdk", "numpy", "openai",
    "sklearn", "torch", "transformers", "uvicorn",
)  # fmt: skip
UNUSED_BY_READERS = ("alembic", "dbos", "psycopg", "structlog")
DATABASE = ("db", "msgspec", "sqlalchemy")
SCRIPT = """
import json, sys
from service.cli import main
sys.argv = ["hardcase", *{words!r}]
try:
    main()
except SystemExit as ended:
    loaded = sorted({{name for name in {names!r} if name in sys.modules}})
    print("\\n" + json.dumps({{"code": ended.code, "loaded": loaded}}))
"""


def run(words: Iterable[str], names: Iterable[str], home: Path, **environment: str) -> tuple[list[str], dict[str, Any]]:
    """Type a command in a new process: the lines that it prints, how it ended, and which of `names` it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(words=list(words), names=tuple(names))],
        env={"HARDCASE_HOME": str(home), "PATH": "/usr/bin:/bin", "COLUMNS": "200", **environment},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    *lines, last = done.stdout.splitlines()
    return lines, json.loads(last)


@pytest.fixture
def home(empty_database: Path, tmp_path: Path) -> Path:
    """An initialised home with the project `animals`."""
    (tmp_path / "hardcase.db").write_bytes(empty_database.read_bytes())
    (tmp_path / "animals.yaml").write_text("name: animals\nlabels: [cat, dog]\n")
    assert run(("project", "create", str(tmp_path / "animals.yaml")), (), tmp_path)[1]["code"] == 0
    return tmp_path


@pytest.mark.parametrize("name", PROGRAM.commands)
def test_the_list_says_of_a_command_what_its_own_help_says_first(name: str) -> None:
    listed, command = PROGRAM.commands[name], PROGRAM.load(name)

    first, *_ = command.help.split("\n\n")

    assert command.name == name
    assert listed.help == " ".join(first.split())


@pytest.mark.parametrize("words", [("--help",), ()])
def test_help_lists_every_command_and_loads_none(words: tuple[str, ...], tmp_path: Path) -> None:
    lines, ended = run(words, (*HEAVY, *UNUSED_BY_READERS, *DATABASE, "service.cli.output"), tmp_path)

    assert ended["loaded"] == []
    for name, listed in PROGRAM.commands.items():
        assert any(name in line and listed.help in line for line in lines), name


def test_a_wrong_command_is_answered_with_the_nearest_and_loads_none(tmp_path: Path) -> None:
    _, ended = run(("statsu",), (*HEAVY, *UNUSED_BY_READERS, *DATABASE), tmp_path)

    assert ended == {"code": 2, "loaded": []}


@pytest.mark.parametrize(
    ("typed", "found"),
    [("hardcase sta", {"status"}), ("hardcase key re", {"revoke"}), ("hardcase status --js", {"--json"})],
)
def test_a_shell_completes_commands_their_commands_and_options(typed: str, found: set[str], tmp_path: Path) -> None:
    environment = {"_HARDCASE_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}

    lines, ended = run((), (), tmp_path, **environment)

    assert ended["code"] == 0
    assert set(filter(None, lines)) == found


def test_status_loads_nothing_but_what_reads_the_database(home: Path) -> None:
    lines, ended = run(("status", "animals"), (*HEAVY, *UNUSED_BY_READERS), home)

    assert ended == {"code": 0, "loaded": []}
    assert "champion: none yet" in lines
