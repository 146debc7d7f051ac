"""Labels as one table of text, a row an image: CSV and JSON lines, to a file or as a stream.

In: records, or a label set and a file to write. Out: pieces of text, or how many rows were written. JSON lines keep
every text unchanged; CSV cells that a spreadsheet would run as a formula get an apostrophe.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from service.exporting.columns import COLUMNS, Record, as_json
from service.exporting.formats.spreadsheets import spreadsheet_safe
from service.exporting.label_set import LabelSet

__all__ = ["TEXTS", "as_csv", "as_json_lines", "write_csv", "write_jsonl", "write_rows_as_csv"]


def as_csv(records: Iterable[Record]) -> Iterator[str]:
    """Comma-separated with a header, a line at a time; null is an empty cell, lists and soft labels are JSON."""
    return _csv_lines(COLUMNS, map(as_json, records))


def as_json_lines(records: Iterable[Record]) -> Iterator[str]:
    """One JSON object a line, texts as they are."""
    return (json.dumps(as_json(record), ensure_ascii=False) + "\n" for record in records)


TEXTS: Mapping[str, Callable[[Iterable[Record]], Iterator[str]]] = {"csv": as_csv, "jsonl": as_json_lines}
"""The formats that can be sent while they are made."""


def write_csv(labels: LabelSet, to: Path) -> int:
    """As `as_csv`, in UTF-8."""
    return write_rows_as_csv(COLUMNS, map(as_json, labels.records()), to)


def write_rows_as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], to: Path) -> int:
    """Any rows as such a CSV; returns how many."""
    return _write(_csv_lines(columns, rows), to) - 1


def write_jsonl(labels: LabelSet, to: Path) -> int:
    """As `as_json_lines`, in UTF-8."""
    return _write(as_json_lines(labels.records()), to)


def _write(pieces: Iterable[str], to: Path) -> int:
    count = 0
    with to.open("w", encoding="utf-8", newline="") as file:
        for piece in pieces:
            file.write(piece)
            count += 1
    return count


def _csv_lines(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.DictWriter(line, list(columns))
    writer.writeheader()
    yield line.getvalue()
    for row in rows:
        line.seek(0)
        line.truncate()
        writer.writerow({name: spreadsheet_safe(_cell(value)) for name, value in row.items()})
        yield line.getvalue()


def _cell(value: object) -> object:
    """Lists and soft labels as JSON; true and false in small letters, as JSON has them."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | tuple | dict | bool) else value
