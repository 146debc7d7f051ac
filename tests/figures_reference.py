"""Writes docs/reference/figures.md from the structs of `service/figures`: `python -m tests.figures_reference > PAGE`.

In: the tables of figures and reports, their docstrings and those below their fields. Out: the page as text.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec

from service.figures.engine_reports import REPORTS
from service.figures.estimates import Interval, Known, Range
from service.figures.figures import OF_CLASSIFIERS, OF_PEOPLE

__all__ = ["page"]

WIDTH = 120
INTRO = """\
The worker computes these and keeps them; pages draw them, and `GET /api/projects/{project}/figures` gives their data.
They are a cache: they can be deleted and are made again, and none is computed twice for the same facts. A figure that
another release of hardcase kept in another form is neither shown nor given: it is computed again with the next sweep,
and until then its page says so.

This page is written by `python -m tests.figures_reference`; `service/figures/` holds the text.
"""
ESTIMATES = """\
A figure that rests on fewer than 30 images is *not yet known*: `known` is false and its numbers are null. Intervals are
two-sided 95 %, those of a share exact (Clopper and Pearson), over images of which no two are near-duplicates.
"""
PEOPLE = """\
The jobs `quality` (after every batch of answers) and `inspect` (with the sweep) compute these.
"""
REPORTS_INTRO = """\
Made when somebody asks, and kept as they were. A report that another release of hardcase kept in another form is not
shown: ask for a new one.
"""
TALLY_INTRO = """\
Counts that the pages show beside the figures, refreshed with them.
"""
TALLY = {
    ("registered",): "things that were named as images",
    ("gone",): "of these, those that their source no longer holds",
    ("quarantined",): "registrations that could not be fetched or used",
    ("fetched",): "images, each set of equal bytes once",
    ("prelabelled",): "images with a pre-label of the engine in force",
    ("ready",): "prelabelled images with a group",
    ("pool", "reserved"): "ready images that a strategy may pick, and those that are reserved for the random stream",
    ("groups",): "groups of near-duplicates",
    ("asked",): "reviews",
    ("open",): "reviews that wait for an answer",
    ("answered", "skipped"): "reviews by what people did with them",
    ("labelled",): "images with a label",
    ("labels_by_source",): "the same by where the label comes from",
}
SHARED: Mapping[str, type[msgspec.Struct]] = {"estimate": Known, "range": Range}
"""What many figures hold, and what it is called there."""
PLAIN: Mapping[object, str] = {
    int: "number",
    float: "number",
    str: "text",
    bool: "yes or no",
    datetime: "time",
    type(None): "null",
}


def page() -> str:
    """The whole page."""
    parts = [
        "# Figures\n",
        INTRO,
        "## Estimates\n",
        ESTIMATES,
        *(text for name, kind in SHARED.items() for text in (f"**{name}**: {_words(kind)}", _table_of(kind))),
        *_figures(OF_CLASSIFIERS),
        "# Figures about people's work\n",
        PEOPLE,
        *_figures(OF_PEOPLE),
        "# Reports on engines\n",
        REPORTS_INTRO,
        *_figures(REPORTS),
        "# The tally\n",
        TALLY_INTRO,
        _table(("count", "what it counts"), [(_keys(names), text) for names, text in TALLY.items()]),
    ]
    return "\n".join(parts)


def _figures(kinds: Mapping[str, type[msgspec.Struct]]) -> Iterator[str]:
    for name, kind in kinds.items():
        yield f"## `{name}`\n"
        yield _words(kind)
        yield _table_of(kind)
        yield from _inside(kind)


def _inside(kind: type) -> Iterator[str]:
    """The structs in a struct, however deep, each once, under the names of the keys that hold it."""
    places: dict[type, list[str]] = {}
    waiting = [("", kind)]
    while waiting:
        place, outer = waiting.pop(0)
        for name, hint in typing.get_type_hints(outer).items():
            inner = _struct_in(hint)
            if inner is None or inner in SHARED.values():
                continue
            here = f"{place}{name}" + ("[]" if typing.get_origin(hint) is list else "")
            if inner not in places:
                waiting.append((f"{here}.", inner))
            places.setdefault(inner, []).append(here)
    for inner, found in places.items():
        yield "\n".join(textwrap.wrap(f"{_keys(found)}: {inspect.getdoc(inner)}", WIDTH)) + "\n"
        yield _table_of(inner)


def _struct_in(hint: object) -> type | None:
    """The struct, or dataclass, that a type is, or holds."""
    if isinstance(hint, type) and hasattr(hint, "__annotations__"):
        return hint
    return next((found for part in typing.get_args(hint) if (found := _struct_in(part)) is not None), None)


def _table_of(kind: type) -> str:
    """Its keys; those of an estimate that it is itself stand in one row."""
    ours = [one for one in kind.__mro__ if one.__module__.startswith(("service.", "db."))]
    shared = [one for one in ours if one.__module__ == Interval.__module__ and one is not kind]
    hints = typing.get_type_hints(kind)
    own = [entry for one in ours if kind is Known or one not in shared for entry in _fields(one).items()]
    rows = [(_keys([name]), _type(hints[name]), text) for name, text in own]
    if shared and kind is not Known:
        names = [name for one in shared for name in _fields(one)]
        rows.append((_keys(names), "estimate", inspect.getdoc(shared[0]) or ""))
    return _table(("key", "type", "what it holds"), rows)


def _fields(kind: type) -> dict[str, str]:
    """The keys that a class adds itself, each with the docstring below it."""
    body = typing.cast(ast.ClassDef, ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]).body
    found: dict[str, str] = {}
    last = ""
    for node in body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            last = node.target.id
            found[last] = ""
        elif last and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found[last] = " ".join(str(node.value.value).split())
    return found


def _type(hint: object) -> str:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if hint in PLAIN:
        return PLAIN[hint]
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(part) for part in parts)
    if origin is list:
        return f"list of {_type(parts[0])}s" if parts[0] in (int, str) else "list"
    if origin is tuple:
        return " and ".join(_type(part) for part in parts)
    if origin is dict:
        return f"{_type(parts[1])}s by name"
    return next((name for name, kind in SHARED.items() if kind is hint), "object")


def _words(kind: type) -> str:
    """A docstring as paragraphs."""
    paragraphs = (inspect.getdoc(kind) or "").split("\n\n")
    return "\n\n".join("\n".join(textwrap.wrap(" ".join(one.split()), WIDTH)) for one in paragraphs) + "\n"


def _keys(names: typing.Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(head: tuple[str, ...], rows: typing.Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


if __name__ == "__main__":
    sys.stdout.write(page())
