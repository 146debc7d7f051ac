"""YAML as a person wrote it: its content, and where each part of it stands, so that a mistake is shown as written.

In: text. Out: the content, with the place of every value. YAML reads `no` as false, `1:30` as 90 and takes the last of
two equal keys without a word; what is lost or changed like that is refused, with its line. What can mean one thing only
is read so: an item that goes on in the next line, `=`, a pictograph that JSON writes as two halves.
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

_TAG = "tag:yaml.org,2002:"
_TAGS = {_TAG + name for name in ("str", "int", "float", "bool", "null", "timestamp", "seq", "map", "merge")}
_NOT_AS_WRITTEN = re.compile(r"[-+]?(0[0_]*[1-7][0-7_]*[0-7]|[0-9_]+(:[0-9.]+)+)")
"""Plain numbers that YAML 1.1 reads in base 8 or 60, and that are another number so."""
_LINE_SIGNS = {0x2028: " ", 0x2029: " "}
"""Signs that the parser takes for the end of a line, and no editor does."""
_ODD_INDENT = re.compile(r"^ *([\t\u00a0\u2000-\u200b\u3000])", re.MULTILINE)
_QUOTES = "A text that begins with a sign of YAML, or has `: ` or ` #` in it, is written in quotes, all of it."


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
            comment = " (what begins with `#` is a comment)" if "#" in _rest_of_line(node) else ""
            return f'there is nothing here{comment}, which YAML reads as null. Write a text, in quotes: "..."'
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
        It is not YAML, names a key twice, has a type of its own, or holds what YAML reads otherwise than it is
        written: a number in base 8 or 60, a date that does not exist, an item within an item.
    """
    try:
        loader = yaml.SafeLoader(_without_tabs(text).translate(_LINE_SIGNS))
    except yaml.reader.ReaderError as error:
        line, sign = text.count("\n", 0, error.position) + 1, f"U+{ord(text[error.position]):04X}"
        raise Invalid(f"Line {line}: YAML takes no {sign}. Take it out, or write it as an escape in quotes.") from error
    try:
        root = loader.get_single_node()
        _check(root)
        return Written(loader.construct_document(root) if root else None, root)
    except yaml.MarkedYAMLError as error:
        raise Invalid(_no_yaml(error)) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Invalid(f"This is not valid YAML: {str(error)[:500]}") from error
    finally:
        loader.dispose()


def _without_tabs(text: str) -> str:
    """JSON may be indented by tabs, and holds none in its texts; a space in their place keeps every line and column."""
    if "\t" not in text:
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text.replace("\t", " ")


def _no_yaml(error: yaml.MarkedYAMLError) -> str:
    """Where the parser stopped, in one line, and what to do there."""
    mark = error.context_mark if error.context == "while scanning a simple key" else error.problem_mark
    text = "" if mark is None or mark.buffer is None else mark.buffer
    where = "" if mark is None else f" in line {mark.line + 1}, column {mark.column + 1}"
    said = ", ".join(part for part in (error.context, error.problem) if part)
    return f"This is not valid YAML{where}: {said}. {_advice(said, text)}"


def _advice(said: str, text: str) -> str:
    odd = _ODD_INDENT.search(text)
    if odd:
        line, sign = text.count("\n", 0, odd.start(1)) + 1, f"U+{ord(odd[1]):04X}"
        return f"Line {line} begins with {'a tab' if odd[1] == chr(9) else sign}: YAML takes only spaces there."
    if "another document" in said:
        return "Leave out the line `---` before it."
    if "escape" in said:
        return "Within double quotes a backslash is written twice, within single quotes once."
    return _QUOTES


def _rest_of_line(node: yaml.Node) -> str:
    mark = node.start_mark
    return "" if mark.buffer is None else str(re.split(r"[\r\n\0]", mark.buffer[mark.pointer :], maxsplit=1)[0])


def _inside(node: yaml.Node | None, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        inner: yaml.Node = node.value[step]
        return inner
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if str(key.value) == str(step)), None)
    return None


def _check(root: yaml.Node | None) -> None:
    for node in _nodes(root):
        _check_tag(node)
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
        elif isinstance(node, yaml.SequenceNode):
            _check_items(node)
        elif isinstance(node, yaml.ScalarNode) and node.style == '"':
            _join_halves(node)
        elif isinstance(node, yaml.ScalarNode) and node.style is None and node.tag != _TAG + "str":
            _check_plain(node)


def _check_tag(node: yaml.Node) -> None:
    if node.tag == _TAG + "value":
        node.tag = _TAG + "str"
    if node.tag not in _TAGS:
        written = "!!" + node.tag.removeprefix(_TAG) if node.tag.startswith(_TAG) else node.tag
        raise Invalid(
            f"Line {node.start_mark.line + 1}: YAML reads `{written[:100]}` as the type of what follows, and no such "
            "type is taken here. If it is a text, write it in quotes; a list is written without a type."
        )


def _check_keys(node: yaml.MappingNode) -> None:
    first: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        name, line = (key.tag, key.value), key.start_mark.line + 1
        if name in first:
            raise Invalid(f"Line {line}: `{key.value}` is given twice, first in line {first[name]}. Leave one out.")
        first[name] = line


def _check_items(node: yaml.SequenceNode) -> None:
    """An item may go on in the next line; one that begins there as an item of its own is lost in the one before."""
    for item in node.value:
        if item.tag == _TAG + "merge":
            item.tag = _TAG + "str"
        if not isinstance(item, yaml.ScalarNode) or item.style is not None or item.start_mark.buffer is None:
            continue
        lines = item.start_mark.buffer[item.start_mark.pointer : item.end_mark.pointer].splitlines()
        if any(line.lstrip().startswith("- ") for line in lines[1:]):
            raise Invalid(
                f"Line {item.start_mark.line + 1}: YAML reads this and the next line as one, `{item.value[:100]}`. "
                "Begin each item with `- ` in the same column, or write one of several lines in quotes."
            )


def _join_halves(node: yaml.ScalarNode) -> None:
    """JSON writes a pictograph as two halves, which the parser leaves apart."""
    try:
        node.value = node.value.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError as error:
        raise Invalid(
            f"Line {node.start_mark.line + 1}: half a character is written here (an escape from \\ud800 to \\udfff). "
            "Write the whole character."
        ) from error


def _check_plain(node: yaml.ScalarNode) -> None:
    written = f"Line {node.start_mark.line + 1}: YAML reads `{node.value[:100]}` as"
    if node.tag == _TAG + "timestamp":
        try:
            yaml.constructor.SafeConstructor().construct_yaml_timestamp(node)
        except ValueError as error:
            raise Invalid(f'{written} a date, and there is none such. Write it in quotes: "{node.value}"') from error
    if _NOT_AS_WRITTEN.fullmatch(node.value):
        base = 60 if ":" in node.value else 8
        raise Invalid(
            f'{written} a number in base {base}. Write it in quotes if it is a text ("{node.value}"), '
            "else as an ordinary number, with a point (0.1) where others write a comma."
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
