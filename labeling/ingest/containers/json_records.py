"""JSON Lines, line by line: one object a line.

In: the text of a line. Out: the object, or why the line is none, in words for whoever wrote it.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

__all__ = ["json_record"]

_PAIR = re.compile(r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_HALF = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
"""A character over U+FFFF as JSON writes it in two halves, and one half alone: a byte that was no UTF-8."""
_NO_JSON = re.compile(r'"(?:[^"\\]|\\.)*"|(-?\b(?:NaN|Infinity|None|True|False|undefined)\b)')


def json_record(line: str) -> dict[str, Any] | str:
    """The object that a line holds; text says why it cannot be used.

    >>> json_record('{"image": "a.png"}')
    {'image': 'a.png'}
    >>> json_record('{"image": NaN}')[:15]
    'NaN is not JSON'
    """
    try:
        record = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return _why_no_json(line, error)
    if isinstance(record, list):
        return "This is a JSON array. Write one object a line (`jq -c '.[]' FILE`)."
    if not isinstance(record, dict):
        return "This is not a JSON object. Write one object a line."
    if any(line.count(f'"{key}"') > 1 for key in record) and (twice := _given_twice(line)):
        return f"`{twice}` is given twice. Leave one out."
    return record


def _why_no_json(line: str, error: Exception) -> str:
    for found in _NO_JSON.finditer(line):
        if found[1]:
            return f"{found[1]} is not JSON. Write null for what is not known, and true or false in small letters."
    if half := _HALF.search(_PAIR.sub("", line)):
        return f"{half[0]} is no character: what stood there was not UTF-8. Write the text or the name in UTF-8."
    return f"This is not JSON ({str(error)[:100]}). Write one object a line."


def _given_twice(line: str) -> str | None:
    found: list[str | None] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs]
        found.append(next((name for name in names if names.count(name) > 1), None))

    json.loads(line, object_pairs_hook=note)
    return found[-1]  # the outermost object ends last
