"""Classification in the form of COCO: one JSON a split with images, categories and annotations, and the pictures.

In: a label set and an empty folder. Out: how many images there are. Category ids count from 1 in the order of the label
set; an image labelled "none of these" has no annotation. The documents are written as a stream.
"""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from service.exporting.columns import Record, as_json
from service.exporting.label_set import LabelSet

_OF_IMAGE = ("reference", "text", "group")


class _Document:
    """The document of one split; annotations are written to a second file that is appended at the end."""

    def __init__(self, path: Path, labels: LabelSet) -> None:
        self._file = path.open("w+", encoding="utf-8")
        self._beside = path.with_suffix(".annotations").open("w+", encoding="utf-8")
        self._images = self._annotations = 0
        categories = [
            {"id": number, "name": name, "supercategory": ""} for number, name in enumerate(labels.classes, 1)
        ]
        self._file.write(f'{{"info": {_json(_info(labels))},\n"categories": {_json(categories)},\n"images": [')

    def add(self, image: dict[str, Any], annotation: dict[str, Any] | None) -> None:
        self._file.write(",\n" * bool(self._images) + _json(image))
        self._images += 1
        if annotation is not None:
            self._beside.write(",\n" * bool(self._annotations) + _json(annotation))
            self._annotations += 1

    def close(self) -> None:
        with self._file, self._beside:
            self._file.write('],\n"annotations": [')
            self._beside.seek(0)
            shutil.copyfileobj(self._beside, self._file)
            self._file.write("]}\n")
        Path(self._beside.name).unlink()


def write_coco(labels: LabelSet, to: Path) -> int:
    """`<split>.json` for every split; pictures are in `images`."""
    (to / "images").mkdir()
    count = 0
    with ExitStack() as stack:
        documents = {split: _Document(to / f"{split}.json", labels) for split in labels.splits}
        for document in documents.values():
            stack.callback(document.close)
        for record in labels.records():
            name = labels.save_picture(record, to / "images")
            documents[record.split].add(*_entries(labels, record, f"images/{name}"))
            count += 1
    return count


def _entries(labels: LabelSet, record: Record, file_name: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The image, and its annotation; both have the image's number as id."""
    values = as_json(record)
    image = {
        "id": record.image,
        "file_name": file_name,
        "width": record.width,
        "height": record.height,
        **{name: values.pop(name) for name in _OF_IMAGE},
    }
    position = labels.position(record.label)
    if position is None:
        return {**image, "label": record.label}, None
    kept = {name: value for name, value in values.items() if name not in ("image", "width", "height")}
    return image, {"id": record.image, "image_id": record.image, "category_id": position + 1, **kept}


def _info(labels: LabelSet) -> dict[str, Any]:
    frozen = labels.snapshot
    version, digest = (frozen.name, frozen.state) if frozen else (None, None)
    return {"description": labels.project.config.name, "version": version, "hash": digest}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
