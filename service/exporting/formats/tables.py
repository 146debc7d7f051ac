"""Labels as one table, a row an image: CSV, JSON lines and Parquet.

In: a label set and a file to write. Out: how many rows it has. JSON lines and Parquet keep every text unchanged;
CSV cells that a spreadsheet would run as a formula get an apostrophe.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from labeling.slices import batches
from service.exporting.columns import COLUMNS, Record, as_json
from service.exporting.formats.spreadsheets import spreadsheet_safe
from service.exporting.label_set import LabelSet

_ROWS = 5_000
"""Rows of one group of a Parquet file, which are in memory together."""
_TYPES = {
    "int": pa.int64(),
    "str": pa.string(),
    "bool": pa.bool_(),
    "float": pa.float64(),
    "datetime": pa.timestamp("us", tz="UTC"),
    "tuple[str, ...]": pa.list_(pa.string()),
    "dict[str, float]": pa.map_(pa.string(), pa.float64()),
}
_SMALL = ("width", "height", "people", "version")
SCHEMA = pa.schema(
    {
        field.name: pa.int32() if field.name in _SMALL else _TYPES[str(field.type).removesuffix(" | None")]
        for field in fields(Record)
    }
)
"""The columns of a record with the Arrow types of its annotations; small numbers have 32 bits."""


def write_csv(labels: LabelSet, to: Path) -> int:
    """Comma-separated, UTF-8, with a header; null is an empty cell, lists and soft labels are JSON."""
    return write_rows_as_csv(COLUMNS, map(as_json, labels.records()), to)


def write_rows_as_csv(columns: Iterable[str], rows: Iterable[Mapping[str, Any]], to: Path) -> int:
    """Any rows as such a CSV; returns how many."""
    count = 0
    with to.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        for row in rows:
            writer.writerow({name: spreadsheet_safe(_cell(value)) for name, value in row.items()})
            count += 1
    return count


def write_jsonl(labels: LabelSet, to: Path) -> int:
    """One JSON object a line, in UTF-8, texts as they are."""
    count = 0
    with to.open("w", encoding="utf-8", newline="") as file:
        for record in labels.records():
            file.write(json.dumps(as_json(record), ensure_ascii=False) + "\n")
            count += 1
    return count


def write_parquet(labels: LabelSet, to: Path) -> int:
    """One Parquet file; its metadata name the project, the classes in order, and the snapshot with its hash."""
    count = 0
    schema = SCHEMA.with_metadata({"hardcase": json.dumps(_about(labels), ensure_ascii=False)})
    with pq.ParquetWriter(to, schema, compression="zstd") as writer:
        for records in batches(labels.records(), _ROWS):
            writer.write_batch(pa.RecordBatch.from_pylist(list(map(_row, records)), schema=schema))
            count += len(records)
    return count


def _about(labels: LabelSet) -> dict[str, Any]:
    snapshot = labels.snapshot
    frozen = None if snapshot is None else {"name": snapshot.name, "hash": snapshot.hash}
    return {"project": labels.project.config.name, "classes": list(labels.classes), "snapshot": frozen}


def _row(record: Record) -> dict[str, Any]:
    row = {name: getattr(record, name) for name in COLUMNS}
    soft = record.soft_label
    return {**row, "annotators": list(record.annotators), "soft_label": None if soft is None else list(soft.items())}


def _cell(value: object) -> object:
    """Lists and soft labels as JSON; true and false in small letters, as JSON has them."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | tuple | dict | bool) else value
