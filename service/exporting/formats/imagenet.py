"""Pictures in a folder a class, as ImageNet has them: `train/cat/<hash>.jpg`, with a manifest beside.

In: a label set and an empty folder. Out: how many pictures it holds. File names are made of hashes, folder names are
cleaned; `manifest.csv` has a row for every picture with all its columns, `classes.csv` the folder of each class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from service.exporting.columns import COLUMNS, as_json
from service.exporting.formats.class_folders import folder_names
from service.exporting.formats.text_tables import write_rows_as_csv
from service.exporting.label_set import LabelSet


def write_imagenet(labels: LabelSet, to: Path) -> int:
    """One folder a split with one folder a class; a class without pictures in a split has no folder there."""
    folders = folder_names(labels.project.config.answers.labels)
    classes = [{"position": labels.position(name), "label": name, "folder": folder} for name, folder in folders.items()]
    write_rows_as_csv(("position", "label", "folder"), classes, to / "classes.csv")
    return write_rows_as_csv(("file", *COLUMNS), _place(labels, to, folders), to / "manifest.csv")


def _place(labels: LabelSet, to: Path, folders: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Write each picture, and give its row of the manifest."""
    for record in labels.records():
        place = Path(record.split) / folders[record.label]
        (to / place).mkdir(parents=True, exist_ok=True)
        name = labels.save_picture(record, to / place)
        yield {"file": (place / name).as_posix(), **as_json(record)}
