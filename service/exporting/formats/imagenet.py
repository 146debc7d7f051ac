"""Pictures in a folder a class, as ImageNet has them: `train/cat/<hash>.jpg`, with a manifest beside.

In: a label set and an empty folder. Out: how many pictures it holds. File names are made of hashes, folder names are
cleaned; `manifest.csv` says everything about every picture, `classes.csv` which class has which folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from service.exporting.columns import COLUMNS, as_json
from service.exporting.formats.class_folders import folder_names
from service.exporting.formats.tables import write_rows_as_csv
from service.exporting.label_set import LabelSet


def write_imagenet(labels: LabelSet, to: Path) -> int:
    """One folder a split, in it one a class; a class without pictures in a split has none there."""
    folders = folder_names(labels.project.config.answers.labels)
    classes = [{"position": labels.position(name), "label": name, "folder": folder} for name, folder in folders.items()]
    write_rows_as_csv(("position", "label", "folder"), classes, to / "classes.csv")
    return write_rows_as_csv(("file", *COLUMNS), _place(labels, to, folders), to / "manifest.csv")


def _place(labels: LabelSet, to: Path, folders: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Write each picture to its place, and say where that is."""
    for record in labels.records():
        data, name = labels.picture(record)
        place = Path(record.split) / folders[record.label] / name
        (to / place).parent.mkdir(parents=True, exist_ok=True)
        (to / place).write_bytes(data)
        yield {"file": place.as_posix(), **as_json(record)}
