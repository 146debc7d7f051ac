"""Pictures in a folder a class, as ImageNet has them: `train/cat/<hash>.jpg`, with a manifest beside.

In: a label set and an empty folder. Out: how many pictures it holds. File names are made of hashes, folder names are
cleaned; `manifest.csv` has a row for every picture with all its columns, `classes.csv` the folder of each class.
Readers number the classes of a split by its sorted folders, so every split has the folders of all classes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from service.exporting.columns import COLUMNS, as_json
from service.exporting.formats.class_folders import folder_names
from service.exporting.formats.text_tables import write_rows_as_csv
from service.exporting.label_set import LabelSet

CLASS_MAP = "classes.txt"
"""The folders in the order in which readers number them, one a line; timm takes it as `class_map`."""


def write_imagenet(labels: LabelSet, to: Path) -> int:
    """One folder a split with one folder a class, the same ones in every split; some of them may be empty."""
    known = labels.project.config.answers
    folders = folder_names(known.labels)
    used: dict[str, set[str]] = defaultdict(set)
    count = write_rows_as_csv(("file", *COLUMNS), _place(labels, to, folders, used), to / "manifest.csv")
    everywhere = set(known.classes).union(*used.values())
    for split in used:
        for label in everywhere - used[split]:
            (to / split / folders[label]).mkdir()
    numbered = sorted(folders[label] for label in everywhere)
    (to / CLASS_MAP).write_text("".join(f"{folder}\n" for folder in numbered), encoding="utf-8")
    numbers = {folder: number for number, folder in enumerate(numbered)}
    classes = [
        {"position": labels.position(name), "label": name, "folder": folder, "number": numbers.get(folder)}
        for name, folder in folders.items()
    ]
    write_rows_as_csv(("position", "label", "folder", "number"), classes, to / "classes.csv")
    return count


def _place(
    labels: LabelSet, to: Path, folders: Mapping[str, str], used: dict[str, set[str]]
) -> Iterator[dict[str, Any]]:
    """Write each picture, and give its row of the manifest; `used` gets the labels of each split."""
    for record in labels.records():
        place = Path(record.split) / folders[record.label]
        (to / place).mkdir(parents=True, exist_ok=True)
        used[record.split].add(record.label)
        name = labels.save_picture(record, to / place)
        yield {"file": (place / name).as_posix(), **as_json(record)}
