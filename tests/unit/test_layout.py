"""Rules about the tree of tests and packages that no other tool checks: they read the files as text."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_only_the_factories_make_rows() -> None:
    made = re.compile(r"\b[A-Z]\w*Row\(")

    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if path.name != "factories.py"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if made.search(line)
    ]

    assert found == []


def test_a_folder_of_service_tests_holds_at_most_sixteen_files() -> None:
    folders = [ROOT / "tests" / "service", *(path for path in (ROOT / "tests" / "service").iterdir() if path.is_dir())]

    many = {path.name: count for path in folders if (count := len(list(path.glob("*.py")))) > 16}

    assert many == {}
