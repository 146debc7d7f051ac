"""Machine labels in exports: in every format, marked, and never among people's labels unless that is asked for."""

from __future__ import annotations

import csv
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from db.session import transaction
from db.tables import ImageRow
from labeling.errors import Conflict, Invalid
from labeling.project import Project
from service.exporting.label_set import LabelSet, Wanted, open_label_set, with_machine_labels
from service.exporting.registry import FORMATS, export
from service.labels.snapshots import create
from tests.conftest import NOW
from tests.service.exporting_ground import Ground
from tests.service.labelled_pool import add_champion, make_parts

FOLDERS = [name for name, form in FORMATS.items() if form.is_folder]


@pytest.fixture
def ground(any_database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path) -> Ground:
    return filled(Ground(any_database, make_project(any_database), tmp_path))


@pytest.fixture
def here(database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path) -> Ground:
    """On SQLite alone."""
    return filled(Ground(database, make_project(database), tmp_path))


def filled(ground: Ground) -> Ground:
    """Images 1 and 2 have labels; the champion, version 1, says of 1 to 5 dog, cat, cat, bird, dog; 6 came later."""
    images = [ground.image(number, text=f"text {number}") for number in range(1, 7)]
    ground.answered(images[0], {"anna": "cat"})
    ground.label(images[1], "bird")
    probs = [[0.1, 0.8, 0.1], [0.9, 0.1, 0], [0.6, 0.2, 0.2], [0, 0.25, 0.75], [0.2, 0.5, 0.3]]
    add_champion(make_parts(ground.database, ground.home), ground.project, images[:5], probs)
    return ground


def labels_of(ground: Ground, wanted: Wanted | None, at_least: float = 0.0) -> LabelSet:
    labels = open_label_set(ground.database, ground.project, ground.images, None)
    return labels if wanted is None else with_machine_labels(labels, ground.home, wanted, at_least)


def written(ground: Ground, wanted: Wanted | None, at_least: float = 0.0) -> list[tuple[int, str, str]]:
    """Image, label and source of each row of JSON lines."""
    to = ground.home / "out.jsonl"
    labels = labels_of(ground, wanted, at_least)
    count = export(labels, to, FORMATS["jsonl"])
    rows = [json.loads(line) for line in to.read_text().splitlines()]
    assert count == len(rows) == len(labels)
    return [(row["image"], row["label"], row["source"]) for row in rows]


LABELS = [(1, "cat", "people"), (2, "bird", "import")]
REST = [(3, "cat", "machine"), (4, "bird", "machine"), (5, "dog", "machine")]


def test_what_is_asked_for_is_written_and_nothing_else(ground: Ground) -> None:
    assert written(ground, None) == LABELS
    assert written(ground, Wanted.REST) == REST
    assert written(ground, Wanted.ALL) == [(1, "dog", "machine"), (2, "cat", "machine"), *REST]
    assert written(ground, Wanted.WITH) == [*LABELS, *REST]


def test_a_threshold_leaves_out_machine_labels_and_never_labels(here: Ground) -> None:
    assert written(here, Wanted.REST, 0.6) == REST[:2]
    assert written(here, Wanted.WITH, 0.7) == [*LABELS, REST[1]]
    assert written(here, Wanted.ALL, 0.95) == []


def test_a_machine_label_comes_with_version_probability_and_score_and_no_person(here: Ground) -> None:
    to = here.home / "out.jsonl"

    export(labels_of(here, Wanted.WITH), to, FORMATS["jsonl"])

    first, *_, last = (json.loads(line) for line in to.read_text().splitlines())
    marked = {name: last[name] for name in ("source", "split", "decided")}
    assert marked == dict.fromkeys(marked, "machine")
    assert (last["version"], last["probability"], last["score"]) == (1, 0.5, pytest.approx(0.5, abs=1e-3))
    assert (last["annotators"], last["people"], last["kind"], last["gold"], last["confidence"]) == (
        [],
        0,
        None,
        False,
        None,
    )
    assert (last["reference"], last["text"], last["prelabel"]) == ("photos/5.png", "text 5", "dog")
    assert (last["asked_at"], last["labelled_at"]) == (None, NOW.isoformat())
    assert (first["source"], first["probability"], first["score"]) == ("people", None, None)


def test_images_with_neither_are_counted_and_named(here: Ground) -> None:
    assert labels_of(here, Wanted.WITH).without_any() == (
        1,
        [("photos/6.png", "it came after version 1 had predicted")],
    )
    assert labels_of(here, None).without_any() == (0, [])


def test_tables_of_every_format_mark_them(here: Ground) -> None:
    for name in ("csv", "parquet"):
        export(labels_of(here, Wanted.WITH, 0.6), here.home / f"out.{name}", FORMATS[name])

    with (here.home / "out.csv").open(newline="") as file:
        cells = [(row["label"], row["source"], row["probability"]) for row in csv.DictReader(file)]
    table = pq.read_table(here.home / "out.parquet")
    rows = [(row["label"], row["source"], row["probability"]) for row in table.to_pylist()]
    about = json.loads(table.schema.metadata[b"hardcase"])
    assert [(label, source, p and float(p)) for label, source, p in cells] == [(a, b, p or "") for a, b, p in rows]
    assert [source for _, source, _ in rows] == ["people", "import", "machine", "machine"]
    assert about["machine"] == {"version": 1, "at_least": 0.6}


def test_imagenet_coco_and_hugging_face_have_a_part_of_their_own_for_them(here: Ground, tmp_path: Path) -> None:
    for name in ("imagenet", "coco", "huggingface"):
        assert export(labels_of(here, Wanted.WITH), tmp_path / name, FORMATS[name]) == 5

    folders = {
        path.parent.relative_to(tmp_path / "imagenet").as_posix() for path in (tmp_path / "imagenet").rglob("*.png")
    }
    assert {name for name in folders if name.startswith("machine")} == {"machine/cat", "machine/bird", "machine/dog"}
    documents = {name: load(tmp_path / "coco" / f"{name}.json") for name in ("train", "test", "other", "machine")}
    assert {name: len(found["images"]) for name, found in documents.items()} == {
        "train": 2, "test": 0, "other": 0, "machine": 3
    }  # fmt: skip
    assert {one["source"] for one in documents["machine"]["annotations"]} == {"machine"}
    opened = datasets.load_dataset(str(tmp_path / "huggingface"), cache_dir=str(tmp_path / "cache"))
    assert {split: opened[split].num_rows for split in opened} == {"train": 2, "machine": 3}
    assert opened["machine"]["label"][:] == [0, 2, 1]
    assert "no person has checked" in (tmp_path / "huggingface" / "README.md").read_text()


def test_label_studio_gets_them_as_predictions_and_never_as_annotations(here: Ground, tmp_path: Path) -> None:
    export(labels_of(here, Wanted.WITH), tmp_path / "out", FORMATS["label-studio"])

    tasks = load(tmp_path / "out" / "tasks.json")
    assert [len(task["annotations"]) for task in tasks] == [1, 1, 0, 0, 0]
    [said] = tasks[3]["predictions"]
    assert (said["model_version"], said["score"]) == ("version 1", 0.75)
    assert said["result"][0]["value"]["choices"] == ["bird"]


@pytest.mark.parametrize("form", FORMATS)
def test_without_being_asked_no_format_has_one_and_twice_is_the_same(here: Ground, tmp_path: Path, form: str) -> None:
    for wanted, machine in ((None, False), (Wanted.WITH, True)):
        trees = []
        for run in ("one", "two"):
            to = tmp_path / f"{machine}-{run}" / f"out{'' if FORMATS[form].is_folder else '.' + form}"
            to.parent.mkdir()
            export(labels_of(here, wanted), to, FORMATS[form])
            files = [to] if to.is_file() else [path for path in to.rglob("*") if path.is_file()]
            trees.append({path.name: path.read_bytes() for path in files})
        assert trees[0] == trees[1]
        plain = b"".join(data for name, data in trees[0].items() if not name.endswith((".png", ".parquet")))
        assert form in ("parquet", "huggingface") or (b"machine" in plain) is machine


def test_before_the_first_version_and_for_a_snapshot_it_is_refused_with_the_way_out(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    ground = Ground(database, make_project(database), tmp_path)
    ground.label(ground.image(1), "cat")
    kept = create(database, tmp_path, ground.project, "v1", author="anna", note="", now=NOW)

    with pytest.raises(Conflict, match="no version yet"):
        labels_of(ground, Wanted.REST)
    with pytest.raises(Invalid, match="Leave out one"):
        with_machine_labels(open_label_set(database, ground.project, ground.images, kept), tmp_path, Wanted.REST)
    for no_score in (-0.1, 1.1, float("nan")):
        with pytest.raises(Invalid, match="between 0 and 1"):
            labels_of(ground, Wanted.REST, no_score)


def test_five_thousand_go_through_in_little_memory(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    ground, many = Ground(database, make_project(database), tmp_path), 5_000
    project = ground.project.id
    images = [
        {"id": n, "project_id": project, "content_hash": f"{n:064x}", "format": "PNG",
         "width": 1, "height": 1, "size_bytes": 1, "text": "x" * 2_000, "details": {}, "bridge": False,
         "fetched_at": NOW}
        for n in range(1, many + 1)
    ]  # fmt: skip
    with transaction(database) as session:
        session.execute(sa.insert(ImageRow), images)
    del images
    probs = np.random.default_rng(0).dirichlet(np.ones(3), many)
    add_champion(make_parts(database, tmp_path), ground.project, range(1, many + 1), probs)
    labels, to = labels_of(ground, Wanted.REST), tmp_path / "out.jsonl"

    tracemalloc.start()
    count = export(labels, to, FORMATS["jsonl"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert count == many
    assert peak < to.stat().st_size / 2


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
