"""YAML as a person wrote it: its content, and where each part of it stands, so that a mistake is shown as written.

In: text. Out: the content, with the place of every value. YAML reads `no` as false, `1:30` as 90 and takes the last of
two equal keys without a word; what is lost or changed like that is refused, with its line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import yaml

from labeling.errors import Invalid

_NOT_AS_WRITTEN = re.compile(r"[-+]?(0[0-9_]+|[0-9_]+(:[0-9.]+)+)")
"""Plain numbers that YAML 1.1 reads in base 8 or 60."""


@dataclass(frozen=True, slots=True)
class Written:
    """The content of a YAML text. `root` is its node; None where the content did not come from a text."""

    content: Any
    root: yaml.Node | None = None

    def line(self, place: Sequence[str | int]) -> int | None:
        """The line of the value at a place, or of the innermost part of it that there is; None without a text."""
        node = self._node(place)
        return None if node is None else node.start_mark.line + 1

    def as_read(self, place: Sequence[str | int], value: Any) -> str:
        """What a value that should be text was written as, and what it was read as."""
        node = self._node(place)
        if not isinstance(node, yaml.ScalarNode):
            return f"`{json.dumps(value, default=str)[:100]}` is no text. Write it in quotes."
        if not node.value:
            return 'there is nothing here, which YAML reads as null. Write a text, in quotes: "..."'
        read = value.isoformat() if isinstance(value, date) else json.dumps(value, default=str)
        kind = (
            "the date "
            if isinstance(value, date)
            else ""
            if value is None or isinstance(value, bool)
            else "the number "
        )
        return f'YAML reads `{node.value}` as {kind}{read}. Write it in quotes: "{node.value}"'

    def _node(self, place: Sequence[str | int]) -> yaml.Node | None:
        node = self.root
        for step in place:
            inner = _inside(node, step)
            if inner is None:
                return node
            node = inner
        return node


def read_yaml(text: str) -> Written:
    """The content of a YAML text.

    Raises
    ------
    Invalid
        It is not YAML, names a key twice, or holds a number that YAML reads in base 8 or 60.
    """
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        _check(root)
        return Written(loader.construct_document(root) if root else None, root)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Invalid(f"This is not valid YAML: {str(error)[:500]}") from error
    finally:
        loader.dispose()


def _inside(node: yaml.Node | None, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        inner: yaml.Node = node.value[step]
        return inner
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if str(key.value) == str(step)), None)
    return None


def _check(root: yaml.Node | None) -> None:
    for node in _nodes(root):
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
        elif isinstance(node, yaml.ScalarNode) and node.style is None and not node.tag.endswith((":str", ":timestamp")):
            _check_number(node)


def _check_keys(node: yaml.MappingNode) -> None:
    first: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        name, line = (key.tag, key.value), key.start_mark.line + 1
        if name in first:
            raise Invalid(f"Line {line}: `{key.value}` is given twice, first in line {first[name]}. Leave one out.")
        first[name] = line


def _check_number(node: yaml.ScalarNode) -> None:
    if _NOT_AS_WRITTEN.fullmatch(node.value):
        base = 60 if ":" in node.value else 8
        raise Invalid(
            f"Line {node.start_mark.line + 1}: YAML reads `{node.value}` as a number in base {base}. "
            f'Write it in quotes if it is a text ("{node.value}"), else as an ordinary number.'
        )


def _nodes(root: yaml.Node | None) -> Iterator[yaml.Node]:
    """Every node once, however often an alias names it."""
    waiting = [] if root is None else [root]
    known: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in known:
            continue
        known.add(id(node))
        yield node
        if isinstance(node, yaml.MappingNode):
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
