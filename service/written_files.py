"""YAML files that people write, checked when they are read: every mistake is reported with its place.

In: a path and the shape of its content. Out: the content; a missing file is like an empty one.
"""

from __future__ import annotations

from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from labeling.errors import Invalid
from service.written_yaml import Written, read_yaml

_SHOWN = 20
_NUMBER = "this must be a number, with a point (0.1) where others write a comma, and without a unit"
_KEYS = "this must have keys with values below it; leave it out if it has none"
_WORDS = {
    "string_type": "this must be one text, in quotes if need be",
    "list_type": "this must be a list: each item in a line of its own, after `- `",
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), _KEYS),
    **dict.fromkeys(
        ("int_parsing", "float_parsing", "decimal_parsing", "int_type", "float_type", "decimal_type"), _NUMBER
    ),
    "invalid_key": "a key must be a text: write it in quotes. A number has a point (0.1) where others write a comma",
}
"""What is said of a mistake in place of the checker's own words."""


class Strict(BaseModel):
    """A part of such a file: an unknown key is a mistake, and so is a bare `yes` where a number is wanted."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_as_number(cls, value: Any, info: ValidationInfo) -> Any:
        wanted = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and wanted in (int, float, Decimal):
            raise ValueError("this must be a number. YAML reads yes, no, on and off without quotes as true or false")
        return value


T = TypeVar("T", bound=Strict)


def read_file(path: Path, kind: type[T]) -> T:
    """The content of the file.

    Raises
    ------
    Invalid
        The file has mistakes; the message names each with its place.
    """
    if not path.exists():
        return kind()
    try:
        written = read_yaml(read_text(path))
    except Invalid as error:
        raise Invalid(f"{path} cannot be read: {error.message}") from error
    try:
        return kind.model_validate(written.content or {})
    except ValidationError as error:
        raise Invalid(f"{path} has mistakes:{mistakes(error, written, kind)}") from error


def read_text(path: Path) -> str:
    """The text of a file that a person wrote: UTF-8, with or without a byte order mark, or UTF-16 with one.

    Raises
    ------
    Invalid
        It cannot be read, or is neither.
    """
    try:
        data = path.read_bytes()
        return data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Invalid(f"{path} is not UTF-8 text (line {line}). Save it as UTF-8.") from error
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}.") from error


def mistakes(error: ValidationError, written: Written | None = None, kind: type[BaseModel] = BaseModel) -> str:
    """A line for each mistake, with its place, and in which line of the text that is; `kind` knows the right keys."""
    found = error.errors()
    lines = [_mistake(one, written or Written(None), kind) for one in found[:_SHOWN]]
    more = f"\n  and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "".join(f"\n  {line}" for line in lines) + more


def place_in(content: Any, one: Any) -> tuple[str | int, ...]:
    """Where a mistake stands in what was written: without the checker's own steps through a choice of kinds."""
    kept: list[str | int] = []
    now = content
    for step in one["loc"]:
        there = isinstance(step, int) and step < len(now) if isinstance(now, list) else step in now
        if there:
            kept.append(step)
            now = now[step]
        if not isinstance(now, dict | list):
            break
    absent = one["type"] in ("missing", "extra_forbidden") and kept[-1:] != [*one["loc"][-1:]]
    return (*kept, *one["loc"][-1:]) if absent else tuple(kept)


def _mistake(one: Any, written: Written, kind: type[BaseModel]) -> str:
    place, given = one["loc"], one.get("input")
    if isinstance(written.content, dict | list):
        place = place_in(written.content, one)
    line = written.line(place) if place else None
    where = f" (line {line})" if line else ""
    no_text = one["type"] in ("string_type", "literal_error") and not isinstance(given, str | dict | list)
    said = (
        written.as_read(place, given) if no_text else _WORDS.get(one["type"], one["msg"].removeprefix("Value error, "))
    )
    if one["type"] == "extra_forbidden":
        said = _unknown_key(str(place[-1]), _keys_at(kind, place[:-1]))
    return f"{'.'.join(map(str, place)) or 'file'}: {said}{where}"


def _unknown_key(key: str, keys: set[str]) -> str:
    close = get_close_matches(key.casefold(), keys, n=1)
    return "there is no such key here" + (f". Did you mean `{close[0]}`?" if close else "")


def _keys_at(kind: type[BaseModel], place: tuple[str | int, ...]) -> set[str]:
    """The keys that there are at a place of a file of this kind."""
    kinds = {kind}
    for step in place:  # the number of an item and the name of an entry lead to what is in it
        inside = [one.model_fields[step].annotation for one in kinds if step in one.model_fields]
        kinds = {found for annotation in inside for found in _kinds_in(annotation)} if inside else kinds
    return {field.alias or name for one in kinds for name, field in one.model_fields.items()}


def _kinds_in(annotation: Any) -> set[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return {found for part in get_args(annotation) for found in _kinds_in(part)}
