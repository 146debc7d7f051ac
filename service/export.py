"""Write a project's labels as CSV or JSON lines, one row an image, with where each label comes from.

The file is written beside its place and moved there when it is whole, so a reader never sees half of one.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

import sqlalchemy as sa

from db.repositories import exports
from db.session import reading
from labeling.errors import Invalid
from labeling.types import Project

__all__ = ["COLUMNS", "export_labels", "spreadsheet_safe"]

COLUMNS = (
    "image",
    "content_hash",
    "reference",
    "text",
    "label",
    "source",
    "kind",
    "annotator",
    "labelled_at",
    "prelabel",
    "prelabel_confidence",
    "side",
)
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def export_labels(database: sa.Engine, project: Project, to: Path) -> int:
    """Write all labelled images of a project to `to` (.csv or .jsonl); returns how many."""
    writers = {".csv": _write_csv, ".jsonl": _write_jsonl}
    if to.suffix not in writers:
        raise Invalid(f"{to.name} must end in .csv or .jsonl; that is how the format is chosen.")
    unfinished = to.with_name(to.name + ".tmp")
    try:
        with reading(database) as session, unfinished.open("w", encoding="utf-8", newline="") as file:
            count = writers[to.suffix](file, exports.labelled(session, project))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(to)
    except OSError as error:
        raise Invalid(f"{to} cannot be written ({error.strerror}). Name a file in a folder that can be.") from error
    finally:
        if unfinished.exists():
            unfinished.unlink()
    return count


def spreadsheet_safe(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula: such text gets an apostrophe before it.

    >>> spreadsheet_safe("=1+1")
    "'=1+1"
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _write_csv(file: TextIO, rows: Iterable[dict[str, object]]) -> int:
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    count = 0
    for row in rows:
        writer.writerow({name: spreadsheet_safe(value) for name, value in row.items()})
        count += 1
    return count


def _write_jsonl(file: TextIO, rows: Iterable[dict[str, object]]) -> int:
    count = 0
    for row in rows:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
        count += 1
    return count
