"""A folder that `datasets.load_dataset` opens: pictures within Parquet, one file a split, and a card.

In: a label set and an empty folder. Out: how many pictures it holds. Labels are a ClassLabel in the order of the label
set; "none of these" is -1, the value of that library for no class.
"""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from labeling.errors import Conflict
from labeling.slices import batches
from service.exporting.columns import COLUMNS, Record
from service.exporting.formats.tables import SCHEMA
from service.exporting.label_set import LabelSet
from service.labels.machine_labels import MACHINE

_ROWS = 200
"""Pictures that are in memory together; those of one split are one row group of its file."""
MACHINE_SPLIT = "`machine` is what a version says: no person has checked these. See `probability` and `version`.\n"


def write_hugging_face(labels: LabelSet, to: Path) -> int:
    """`data/<split>.parquet` for every split that has pictures, and README.md; the library opens no empty set."""
    (to / "data").mkdir()
    schema, writers = _schema(labels), dict[str, pq.ParquetWriter]()
    counts = {split: Counter[str]() for split in labels.splits}
    with ExitStack() as stack:
        for records in batches(labels.records(), _ROWS):
            for split in labels.splits:
                here = [record for record in records if record.split == split]
                if here and split not in writers:
                    writer = pq.ParquetWriter(to / "data" / f"{split}.parquet", schema, compression="zstd")
                    writers[split] = stack.enter_context(writer)
                if here:
                    rows = [_row(labels, record) for record in here]
                    writers[split].write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))
                counts[split].update(record.label for record in here)
    if not writers:
        raise Conflict("There are no labels to export yet.")
    (to / "README.md").write_text(_card(labels, {split: counts[split] for split in writers}), encoding="utf-8")
    return sum(counter.total() for counter in counts.values())


def _schema(labels: LabelSet) -> pa.Schema:
    """The columns of a table, with the picture and the label in the form of that library."""
    picture = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    fields = [pa.field("image", picture), *(_field(SCHEMA.field(name)) for name in COLUMNS[1:])]
    features = {field.name: _feature(field, labels.classes) for field in fields}
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def _field(field: pa.Field) -> pa.Field:
    if field.name == "label":
        return pa.field("label", pa.int64())
    if field.name == "soft_label":  # that library has no maps
        return pa.field("soft_label", pa.list_(pa.float64()))
    return field


def _feature(field: pa.Field, classes: tuple[str, ...]) -> dict[str, Any]:
    if field.name == "image":
        return {"_type": "Image"}
    if field.name == "label":
        return {"_type": "ClassLabel", "names": list(classes)}
    if pa.types.is_list(field.type):
        return {"_type": "Sequence", "feature": {"_type": "Value", "dtype": _dtype(field.type.value_type)}}
    return {"_type": "Value", "dtype": _dtype(field.type)}


def _dtype(kind: pa.DataType) -> str:
    return "float64" if kind == pa.float64() else str(kind)


def _row(labels: LabelSet, record: Record) -> dict[str, Any]:
    data, name = labels.picture(record)
    row = {column: getattr(record, column) for column in COLUMNS[1:]}
    position, soft = labels.position(record.label), record.soft_label
    return {
        **row,
        "image": {"bytes": data, "path": name},
        "label": -1 if position is None else position,
        "annotators": list(record.annotators),
        "soft_label": None if soft is None else [soft.get(name, 0.0) for name in labels.classes],
    }


def _card(labels: LabelSet, counts: Mapping[str, Counter[str]]) -> str:
    """The card: the source and the number of the labels; the owner adds licence and intended use."""
    splits = [split for split in labels.splits if split in counts]
    files = [{"split": split, "path": f"data/{split}.parquet"} for split in splits]
    head = {
        "pretty_name": labels.project.config.name,
        "task_categories": ["image-classification"],
        "configs": [{"config_name": "default", "data_files": files}],
    }
    names = sorted({label for counter in counts.values() for label in counter})
    frozen = labels.snapshot
    state = f"snapshot {frozen.name}, {frozen.state}" if frozen else "the labels of the time of this export"
    rows = [f"| {_plain(name)} | {' | '.join(str(counts[split][name]) for split in splits)} |" for name in names]
    return "\n".join(
        [
            f"---\n{yaml.safe_dump(head, allow_unicode=True, sort_keys=False)}---",
            f"\n# {_plain(labels.project.config.name)}\n",
            f"Labelled with hardcase: {state}.\n",
            "`train` is for training, `test` is the random stream (without near-duplicates of `train`), `other` has",
            "gold and audit answers and labels that neither teach nor measure. `label` is -1 where people said that no",
            "class fits. `soft_label` follows the order of the classes; it is null without a consensus.\n",
            *([MACHINE_SPLIT] if MACHINE in splits else []),
            f"| label | {' | '.join(splits)} |\n|{'---|' * (len(splits) + 1)}",
            *rows,
            "",
        ]
    )


def _plain(text: str) -> str:
    """A name without markup."""
    return html.escape(" ".join(text.split())).replace("|", "&#124;").replace("`", "&#96;")
