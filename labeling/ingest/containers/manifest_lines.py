"""The lines of a manifest as mappings from its columns: CSV in its dialects, and JSON Lines.

In: the bytes of a file. Out: for each record its number, as an editor counts lines, and what it says or why it cannot
be used. Bytes that are no text, quotes that never close and values without a column cost their own line and no other.
"""

from __future__ import annotations

import codecs
import io
import posixpath
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from labeling.ingest.containers.csv_records import Line, csv_records, split_line
from labeling.ingest.containers.json_records import json_record
from labeling.ingest.headers import ACCEPTED_EXTENSIONS
from labeling.normal_form import one_line

__all__ = ["OURS", "Record", "records_of"]

OURS = ("image", "text", "label", "gold", "id")
"""The columns that have a meaning; any other is metadata."""
MAX_LINE = 1_000_000
Record = tuple[int, dict[str, Any] | str]
"""The number of a line, and what it says; text says why it cannot be used."""
_BAD = re.compile("[\ud800-\udfff]")
_TOO_LONG = "\ud800"
_MARKS = (
    *((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")),
    (b"\xef\xbb\xbf", "utf-8-sig"),
)
_NO_TEXT = {
    b"PK\x03\x04": "a workbook of Excel, or another ZIP archive",
    b"\xd0\xcf\x11\xe0": "a workbook of an old Excel",
    b"\x1f\x8b": "a gzip archive",
    b"PAR1": "a Parquet file",
    b"SQLite format 3": "a database",
}
_SEPARATOR = re.compile(r"\"?sep=(.)\"?\1*")
_OPEN_HEAD = "A quote opens in the line that names the columns, and is not closed in it. Close it; a name has one line."
_FORMULA = re.compile(r'\A="([^"]*)"\Z')
"""How programs write a text for Excel that it would take for a number."""
_INDEX = re.compile(r"(|Unnamed: \d+(\.\d+)?)")
"""What the column of row numbers is called that pandas and spreadsheets write."""


def records_of(file: BinaryIO, name: str) -> Iterator[Record]:
    """The records of a manifest; its extension tells CSV (`,`, `;`, `|` or tab) from JSON Lines.

    >>> list(records_of(io.BytesIO(b"image;label\\na.png;cat\\n"), "m.csv"))
    [(2, {'image': 'a.png', 'label': 'cat'})]
    """
    if kind := _other_kind(file):
        yield 1, f"This is {kind}, and no table as text. Save it as CSV in UTF-8."
        return
    text = _as_text(file)
    try:
        lines = _lines(text)
        yield from _json_lines(lines) if name.lower().endswith((".jsonl", ".ndjson")) else _csv(lines)
    finally:
        text.detach()  # the file is its owner's to close


def _other_kind(file: BinaryIO) -> str | None:
    start = file.read(16)
    file.seek(0)
    return next((kind for magic, kind in _NO_TEXT.items() if start.startswith(magic)), None)


def _as_text(file: BinaryIO) -> io.TextIOWrapper:
    """Text by its byte order mark, or by the zeros of UTF-16; UTF-8 without either. Bytes that are none are marked."""
    start = file.read(4)
    file.seek(0)
    encoding = next((encoding for mark, encoding in _MARKS if start.startswith(mark)), None)
    if encoding is None and len(start) >= 2 and (start[0] == 0) != (start[1] == 0):
        encoding = "utf-16-le" if start[1] == 0 else "utf-16-be"
    codecs.register_error("hardcase.marked", _marked)
    errors = "surrogateescape" if encoding in (None, "utf-8-sig") else "hardcase.marked"
    return io.TextIOWrapper(file, encoding=encoding or "utf-8", errors=errors, newline="")


def _marked(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


def _lines(text: io.TextIOWrapper) -> Iterator[Line]:
    """The lines with their numbers; `_TOO_LONG` in place of one over `MAX_LINE`."""
    number = 0
    while line := text.readline(MAX_LINE + 1):
        number += 1
        rest = line
        while len(rest) > MAX_LINE and not rest.endswith(("\n", "\r")):
            rest = text.readline(MAX_LINE + 1)
        yield number, line.removeprefix("\ufeff") if rest is line else _TOO_LONG


def _unusable(line: str) -> str | None:
    """Why a line cannot be used whatever it says; None if it can."""
    if line.isascii():
        return None
    if _TOO_LONG in line:
        return f"The line has over {MAX_LINE:,} characters. Shorten it."
    if found := _BAD.search(line):
        byte = ord(found[0]) - 0xDC00
        before = line[: found.start()][-20:]
        which = f" (the byte {byte:02X} after {before!r})" if 0x80 <= byte < 0xFF else f" (after {before!r})"
        return f"The line is not UTF-8{which}. Save the manifest as UTF-8."
    return None


def _json_lines(lines: Iterator[Line]) -> Iterator[Record]:
    first = True
    for number, line in lines:
        if not line.strip():
            continue
        if first and line.strip() in ("[", "{", "[{"):
            yield number, "This is one JSON document over several lines. Write one object a line (`jq -c '.[]' FILE`)."
            return
        first = False
        yield number, _unusable(line) or _from_json(line)


def _from_json(line: str) -> dict[str, Any] | str:
    record = json_record(line)
    return record if isinstance(record, str) or "image" in record else _with_our_names(record)


def _with_our_names(record: dict[str, Any]) -> dict[str, Any] | str:
    names = _our_names(list(record))
    if twice := [name for name in OURS if names.count(name) > 1]:
        return f"`{twice[0]}` is given twice. Leave one out."
    return dict(zip(names, record.values(), strict=True))


def _our_names(names: list[str]) -> list[str]:
    """Column names with ours in small letters, where that makes no two of them equal."""
    ours = {name: name.casefold() for name in names if name.casefold() in OURS}
    return [ours[name] if name in ours and ours[name] not in names else name for name in names]


def _csv(lines: Iterator[Line]) -> Iterator[Record]:
    number, head, delimiter = _head(lines)
    if reason := _unusable(head):
        yield number, reason
        return
    delimiter = delimiter or _delimiter(head)
    given = split_line(head, delimiter)
    names = _our_names([one_line(name) for name in given or []])
    if reason := _OPEN_HEAD if given is None else _why_no_header(names):
        yield number, reason
        return
    image, unnamed = names.index("image"), [at for at, name in enumerate(names) if _INDEX.fullmatch(name)]

    def is_record(values: list[str], opened: list[str]) -> bool:
        if len(values) != len(names) or len(names) == 1:
            return False
        return _names_an_image(values[image]) or (image < len(opened) and _is_alike(values, image, opened[image]))

    short = [at for at, name in enumerate(names) if name in OURS and name != "text"]
    for number, values in csv_records(lines, delimiter, len(names), is_record, short):
        record = values if isinstance(values, str) else _from_values(names, unnamed, values, delimiter)
        if record is not None:
            yield number, record


def _from_values(
    names: list[str], unnamed: list[int], values: list[str], delimiter: str
) -> dict[str, Any] | str | None:
    line = delimiter.join(values)
    if reason := _unusable(line):
        return reason
    plain = [_FORMULA.sub(r"\1", value) for value in values] if '="' in line else values
    return _by_name(names, unnamed, plain)


def _head(lines: Iterator[Line]) -> tuple[int, str, str | None]:
    """The line that names the columns, after empty lines and Excel's `sep=`; and the delimiter that this names."""
    delimiter = None
    number = 1
    for number, line in lines:
        if found := _SEPARATOR.fullmatch(line.strip(" \r\n")):
            delimiter = found[1]
        elif line.strip():
            return number, line, delimiter
    return number, "", delimiter


def _delimiter(head: str) -> str:
    """What divides the first line into most columns, `image` among them: the others may stand in a name in quotes."""

    def columns(delimiter: str) -> tuple[bool, int]:
        names = split_line(head, delimiter) or head.split(delimiter)
        return "image" in [one_line(name).casefold() for name in names], len(names)

    return max(",;\t|", key=columns)


def _why_no_header(names: list[str]) -> str | None:
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        return f"The first line must name each column once: `{'`, `'.join(twice)[:200]}` stands there twice."
    if "image" not in names:
        given = ", ".join(name or "(no name)" for name in names)[:200]
        return (
            "The first line must name the columns, and one of them must be `image`: the path or web address of the "
            f"image. It names: {given or 'nothing'}. Call the column that holds the paths `image`."
        )
    return None


def _names_an_image(value: str) -> bool:
    word = value.strip().lower()
    return word.startswith(("http://", "https://")) or word.endswith(tuple(ACCEPTED_EXTENSIONS))


def _is_alike(values: list[str], image: int, other: str) -> bool:
    """Whether values name an image with the extension of another one, or without any as that, and are no prose."""
    named, other = values[image].strip(), other.strip(' "')
    if not named or not other or len(named.split()) > 1 or len(other.split()) > 1:
        return False
    is_prose = any(value.startswith(" ") or '"' in value for value in values)
    return not is_prose and posixpath.splitext(named.lower())[1] == posixpath.splitext(other.lower())[1]


def _by_name(names: list[str], unnamed: list[int], values: list[str]) -> dict[str, Any] | str | None:
    """The values by the names of their columns; None for an empty line, text where a value has no column."""
    if not any(map(str.strip, values)):
        return None
    if any(map(str.strip, values[len(names) :])):
        return f"There are {len(values)} values for {len(names)} columns. Is a value with commas quoted?"
    record = dict(zip(names, values, strict=False))
    for at in unnamed:
        value = values[at].strip() if at < len(values) else ""
        is_row_number = value.removeprefix("-").isdecimal() and (at == 0 or names[at] != "")
        if value and not is_row_number and names[at] == "":
            return f"Column {at + 1} has no name in the first line, and holds {value[:50]!r}. Give it a name."
        if not value or is_row_number:
            record.pop(names[at], None)
    return record
