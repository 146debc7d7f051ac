"""What a function may come to call, read from the source: names are resolved through imports, bodies are followed.

In: a function of ours. Out: whether it refers, over any number of steps, to a target. It follows what is referred to by
name (functions, tables of them, classes with all of their methods), not what is called through an object.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
OURS = ("db.", "labeling.", "service.")


def reaches(function: Callable[..., Any], target: str) -> bool:
    """Whether following the names in a function's body leads to `module.name`."""
    seen, waiting = set[str](), [f"{function.__module__}.{function.__name__}"]
    while waiting:
        name = waiting.pop()
        if name == target:
            return True
        if name not in seen:
            seen.add(name)
            waiting += _referred(name)
    return False


@cache
def _referred(name: str) -> list[str]:
    module, _, attribute = name.rpartition(".")
    body = _bodies(module).get(attribute) if module.startswith(OURS) else None
    return [] if body is None else list(_names(body, _imports(module) | _local(body), module))


def _names(body: ast.AST, imports: dict[str, str], module: str) -> Iterator[str]:
    for node in ast.walk(body):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in imports:
            yield f"{imports[node.value.id]}.{node.attr}"
        elif isinstance(node, ast.Name):
            yield imports.get(node.id, f"{module}.{node.id}")


@cache
def _tree(module: str) -> ast.Module:
    place = ROOT.joinpath(*module.split("."))
    files = [file for file in (place.with_suffix(".py"), place / "__init__.py") if file.exists()]
    return ast.parse(files[0].read_text() if files else "")


@cache
def _bodies(module: str) -> dict[str, ast.AST]:
    found: dict[str, ast.AST] = {}
    for node in _tree(module).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign):
            found |= {target.id: node for target in node.targets if isinstance(target, ast.Name)}
    return found


@cache
def _imports(module: str) -> dict[str, str]:
    return _imported(_tree(module).body)


def _local(body: ast.AST) -> dict[str, str]:
    return _imported(list(ast.walk(body)))


def _imported(nodes: list[Any]) -> dict[str, str]:
    found = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return {one.asname or one.name: f"{node.module}.{one.name}" for node in found for one in node.names}
