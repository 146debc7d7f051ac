"""The examples of docs/how-to/extend.md: one file and its row, in a copy of hardcase, and each does its part."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "extend.md"
PACKAGES = ("labeling", "db", "service")
BLOCKS = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
WALKS = (
    "tests/unit/learn/test_classifier.py",
    "tests/service/cli/test_cli_engines.py",
    "tests/service/test_plugins.py",
)
WALKED = "test_classifier.py or every_kind or every_row or our_own"


def blocks(language: str) -> list[str]:
    return [text for found, text in BLOCKS.findall(PAGE.read_text(encoding="utf-8")) if found == language]


def run(*command: str, where: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=where,
        env={"PYTHONPATH": str(where), "HOME": str(where)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of hardcase with the page's files and rows, and nothing else changed."""
    copy = tmp_path_factory.mktemp("extended")
    for package in (*PACKAGES, "tests", "alembic"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for text in blocks("python"):
        head, source = text.split("\n", 1)
        place = copy / head.removeprefix("# ")
        assert head.startswith("# ") and place.parent.is_dir() and not place.exists(), head
        place.write_text(source, encoding="utf-8")
    for text in blocks("diff"):
        head, change = text.split("\n", 1)
        place = copy / head.removeprefix("--- ")
        place.write_text(changed(place.read_text(encoding="utf-8"), change), encoding="utf-8")
    return copy


def changed(source: str, change: str) -> str:
    """The source with every part of a change made; each part must fit in one place only."""
    for part in change.split("@@\n"):
        lines = part.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] in " -")
        assert source.count(before) == 1, before
        source = source.replace(before, "".join(line[1:] for line in lines if line[0] in " +"))
    return source


def test_every_session_of_the_page_runs_as_it_stands(extended: Path) -> None:
    (extended / "sessions.txt").write_text("\n".join(blocks("pycon")), encoding="utf-8")

    done = run("-m", "doctest", "sessions.txt", where=extended)

    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_the_tests_that_go_over_every_row_pass_with_the_new_ones(extended: Path) -> None:
    done = run("-m", "pytest", "-v", "-p", "no:cacheprovider", "-k", WALKED, *WALKS, where=extended)

    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"[{row}]" in done.stdout for row in ("brightness", "image_only-logistic", "image_only-nearest_mean"))


def test_every_file_of_the_page_is_shown_with_its_row_and_in_a_session() -> None:
    sections = PAGE.read_text(encoding="utf-8").split("\n## ")[1:]

    for section in sections:
        languages = [language for language, _ in BLOCKS.findall(section)]
        assert {"python", "diff", "pycon"} == set(languages), section.splitlines()[0]
