"""Labels as one table with types, a row an image: Parquet. Every text is kept unchanged.

In: a label set and a file to write. Out: how many rows it has.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from labeling.slices import batches
from service.exporting.columns import COLUMNS, Record
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
    snapshot, machine = labels.snapshot, labels.machine
    frozen = None if snapshot is None else {"name": snapshot.name, "hash": snapshot.state}
    about = {"project": labels.project.config.name, "classes": list(labels.classes), "snapshot": frozen}
    if machine is None:
        return about
    return {**about, "machine": {"version": machine.said.version.number, "at_least": machine.at_least}}


def _row(record: Record) -> dict[str, Any]:
    row = {name: getattr(record, name) for name in COLUMNS}
    soft = record.soft_label
    return {**row, "annotators": list(record.annotators), "soft_label": None if soft is None else list(soft.items())}
