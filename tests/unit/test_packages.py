"""Every package says in its `__init__` what it is for and what it offers: what other packages import from it.

`python -m tests.unit.test_packages` writes the lists anew.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOP = ("labeling", "db", "service")
PACKAGES = sorted(
    path.parent for top in TOP for path in (ROOT / top).rglob("__init__.py") if len(list(path.parent.glob("*.py"))) > 1
)
IDS = [".".join(path.relative_to(ROOT).parts) for path in PACKAGES]
OFFERS = re.compile(r"\n\nOffers (.*?)\.\n", re.DOTALL)


@cache
def offered() -> dict[str, set[str]]:
    """By package: the modules that others import whole, and `module.name` of what they import from one."""
    found: dict[str, set[str]] = defaultdict(set)
    for top in TOP:
        for path in (ROOT / top).rglob("*.py"):
            importer = ".".join(path.parent.relative_to(ROOT).parts)
            for package, what in _imported(ast.parse(path.read_text(encoding="utf-8"))):
                if package != importer:
                    found[package].add(what)
    return found


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node.module is None or node.module.split(".")[0] not in TOP:
            continue
        module = ROOT.joinpath(*node.module.split("."))
        for name in (alias.name for alias in node.names):
            if module.with_suffix(".py").exists():
                yield node.module.rpartition(".")[0], f"{module.name}.{name}"
            elif module.is_dir():  # a module of it, or a name that its `__init__` defines
                yield node.module, name


def said(package: Path) -> set[str]:
    """What the docstring of the package's `__init__` lists."""
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8"))) or ""
    listed = OFFERS.search(f"{text}\n")
    return set(re.findall(r"`([\w.]+)`", listed[1])) if listed else set()


@pytest.mark.parametrize("package", PACKAGES, ids=IDS)
def test_a_package_says_what_it_is_for_and_what_it_offers(package: Path) -> None:
    name = ".".join(package.relative_to(ROOT).parts)

    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8")))

    assert text and said(package) == offered().get(name, set()), "python -m tests.unit.test_packages"


def write(package: Path) -> None:
    """Bring the list of one package up to date; the words before it stay."""
    path, names = package / "__init__.py", sorted(offered().get(".".join(package.relative_to(ROOT).parts), ()))
    source = path.read_text(encoding="utf-8")
    text = ast.get_docstring(ast.parse(source)) or ""
    words = OFFERS.sub("\n", f"{text}\n").strip()
    listed = textwrap.fill("Offers " + ", ".join(f"`{name}`" for name in names) + ".", 120) if names else ""
    body = source.partition('"""')[2].partition('"""')[2] if text else source
    lines = [words, *(["", listed] if listed else [])]
    docstring = "\n".join(lines) + ("\n" if listed or "\n" in words else "")
    path.write_text(f'"""{docstring}"""{body or chr(10)}', encoding="utf-8")


if __name__ == "__main__":
    for one in PACKAGES:
        write(one)
