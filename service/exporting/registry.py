"""Every format by its name, and the function that writes a complete export or nothing.

In: a label set, a place and perhaps a format's name. Out: how many images were written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from labeling.errors import Invalid
from service.exporting.formats.coco import write_coco
from service.exporting.formats.hugging_face import write_hugging_face
from service.exporting.formats.imagenet import write_imagenet
from service.exporting.formats.label_studio import write_label_studio
from service.exporting.formats.tables import write_parquet
from service.exporting.formats.text_tables import write_csv, write_jsonl
from service.exporting.label_set import LabelSet
from service.exporting.placing import staged_file, staged_folder


@dataclass(frozen=True, slots=True)
class Format:
    """How a format is written, and whether it is a folder."""

    write: Callable[[LabelSet, Path], int]
    is_folder: bool


FORMATS = {
    "csv": Format(write_csv, is_folder=False),
    "jsonl": Format(write_jsonl, is_folder=False),
    "parquet": Format(write_parquet, is_folder=False),
    "imagenet": Format(write_imagenet, is_folder=True),
    "huggingface": Format(write_hugging_face, is_folder=True),
    "label-studio": Format(write_label_studio, is_folder=True),
    "coco": Format(write_coco, is_folder=True),
}


def format_for(to: Path, name: str = "") -> Format:
    """The format of that name, else of the file's ending; Invalid lists all formats."""
    found = FORMATS.get(name or to.suffix.removeprefix("."))
    if found is None:
        choice = f"{name!r} is no format" if name else f"{to.name} does not end in the name of a format"
        raise Invalid(f"{choice}. Give --format one of: {', '.join(FORMATS)}.")
    return found


def export(labels: LabelSet, to: Path, form: Format) -> int:
    """Write the labels; returns how many images that are."""
    with (staged_folder if form.is_folder else staged_file)(to) as staged:
        return form.write(labels, staged)
