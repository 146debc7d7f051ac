"""Folders for other tools: read back by those tools; no random stream in train, nothing of a camera in a picture."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import datasets
import pytest
import sqlalchemy as sa
from PIL import Image

from labeling.errors import Conflict, NotFound
from labeling.ingest.decoding import decode, encode_shown
from labeling.ingest.headers import Limits
from labeling.project import Project
from labeling.review.kinds import Split
from labeling.types import NONE_OF_THESE
from service.exporting.label_set import open_label_set
from service.exporting.registry import FORMATS, export
from tests.service.exporting_ground import Ground

FOLDERS = [name for name, form in FORMATS.items() if form.is_folder]


@pytest.fixture
def ground(database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path) -> Ground:
    """Two images to learn from, two of the random stream, gold, one reserved, and one that is none of the classes."""
    ground = Ground(database, make_project(database), tmp_path)
    ground.answered(ground.image(1, text="a cat"), {"anna": "cat", "ben": "cat"}, evidence={"soft": {"cat": 1.0}})
    ground.label(ground.image(2), "bird")
    ground.answered(ground.image(3, reserved=True), {"anna": "dog"}, kind="random")
    ground.answered(ground.image(4, reserved=True), {"anna": NONE_OF_THESE}, kind="random")
    ground.label(ground.image(5), "dog", "gold")
    ground.answered(ground.image(6, reserved=True), {"anna": "cat"})
    ground.answered(ground.image(7), {"anna": NONE_OF_THESE})
    return ground


def write(ground: Ground, form: str, to: Path) -> int:
    return export(open_label_set(ground.database, ground.project, ground.images, None), to, FORMATS[form])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_imagenet_has_a_folder_a_class_and_a_manifest(ground: Ground, tmp_path: Path) -> None:
    to = tmp_path / "out"

    count = write(ground, "imagenet", to)

    manifest = rows(to / "manifest.csv")
    folders = {path.parent.relative_to(to).as_posix() for path in to.rglob("*.png")}
    assert count == len(manifest) == 7
    assert folders == {
        "train/cat", "train/bird", "test/dog", f"test/{NONE_OF_THESE}", "other/dog", "other/cat",
        f"other/{NONE_OF_THESE}",
    }  # fmt: skip
    assert all(sha256((to / row["file"]).read_bytes()).hexdigest() == row["content_hash"] for row in manifest)
    assert all(Path(row["file"]).stem == row["content_hash"] for row in manifest)
    assert [(row["position"], row["label"]) for row in rows(to / "classes.csv")] == [
        ("0", "cat"), ("1", "dog"), ("2", "bird"), ("", NONE_OF_THESE)
    ]  # fmt: skip


def test_b40_every_split_has_the_folders_of_all_classes_so_that_numbers_are_the_same(
    ground: Ground, tmp_path: Path
) -> None:
    """B40: readers number the sorted folders of each split; a class that is in one split only moved all others."""
    to = tmp_path / "out"

    write(ground, "imagenet", to)

    splits = [path for path in to.iterdir() if path.is_dir()]
    numbered = {split.name: sorted(path.name for path in split.iterdir()) for split in splits}
    classes = rows(to / "classes.csv")
    assert set(numbered) == {"train", "test", "other"}
    assert set(map(tuple, numbered.values())) == {("bird", "cat", "dog", NONE_OF_THESE)}
    assert (to / "classes.txt").read_text().splitlines() == ["bird", "cat", "dog", NONE_OF_THESE]
    assert {row["folder"]: row["number"] for row in classes} == {
        "bird": "0",
        "cat": "1",
        "dog": "2",
        NONE_OF_THESE: "3",
    }


def test_b40_what_no_image_is_called_has_no_number(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    few = Ground(database, make_project(database, classes=("b", "a", "c")), tmp_path)
    few.label(few.image(1), "a")

    write(few, "imagenet", tmp_path / "out")

    numbers = {row["label"]: row["number"] for row in rows(tmp_path / "out" / "classes.csv")}
    assert numbers == {"a": "0", "b": "1", "c": "2", NONE_OF_THESE: ""}


@pytest.mark.parametrize("name", ["a #1+b", "out ls #1 +100% ü", "a?b&c=d;e", "100%25", "plain"])
def test_b41_label_studio_reads_the_path_that_was_written(ground: Ground, tmp_path: Path, name: str) -> None:
    """B41: of `out ls #1 +100% ü` a browser sent `out ls `, and every picture was missing."""
    write(ground, "label-studio", tmp_path / name)

    addresses = [urlsplit(task["data"]["image"]) for task in load(tmp_path / name / "tasks.json")]

    assert {one.fragment for one in addresses} == {""} and {one.path for one in addresses} == {"/data/local-files/"}
    paths = [parse_qs(one.query, strict_parsing=True)["d"] for one in addresses]
    assert all(len(found) == 1 and (tmp_path / found[0]).is_file() for found in paths)
    assert len(paths) == 7


def test_hostile_class_names_stay_within_the_folder(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    classes = ("../../up", "a/b", "a_b", "CON", "=1+1", "x" * 3_000)
    hostile = Ground(database, make_project(database, classes=classes), tmp_path)
    for number, name in enumerate(classes):
        hostile.label(hostile.image(number), name)
    before = {path for path in tmp_path.rglob("*") if "out" not in path.parts}

    write(hostile, "imagenet", tmp_path / "out")

    pictures = list((tmp_path / "out").rglob("*.png"))
    assert len({path.parent for path in pictures}) == len(pictures) == len(classes)
    assert {len(path.relative_to(tmp_path / "out").parts) for path in pictures} == {3}
    assert {path for path in tmp_path.rglob("*") if "out" not in path.parts} == before
    assert {row["label"] for row in rows(tmp_path / "out" / "classes.csv")} >= {"'=1+1", "a/b"}


def test_hugging_face_opens_it_with_classes_splits_and_pictures(ground: Ground, tmp_path: Path) -> None:
    count = write(ground, "huggingface", tmp_path / "out")

    opened = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))

    assert count == 7
    assert {split: opened[split].num_rows for split in opened} == {"train": 2, "test": 2, "other": 3}
    assert opened["train"].features["label"] == datasets.ClassLabel(names=["cat", "dog", "bird"])
    assert opened["train"]["label"][:] == [0, 2]
    assert opened["test"]["label"][:] == [1, -1]
    first = opened["train"][0]
    assert first["image"].size == (24, 16)
    assert (first["annotators"], first["people"], first["soft_label"]) == (["anna", "ben"], 2, [1.0, 0.0, 0.0])
    assert first["labelled_at"].year == 2026
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| cat | 1 | 0 | 1 |" in card
    assert "license" not in card


def test_a_project_without_labels_gives_hugging_face_nothing(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    empty = Ground(database, make_project(database), tmp_path)

    with pytest.raises(Conflict, match="no labels"):
        write(empty, "huggingface", tmp_path / "out")


def test_coco_has_one_document_a_split_whose_numbers_fit(ground: Ground, tmp_path: Path) -> None:
    to = tmp_path / "out"

    write(ground, "coco", to)

    documents = {split: load(to / f"{split}.json") for split in ("train", "test", "other")}
    assert {split: len(found["images"]) for split, found in documents.items()} == {"train": 2, "test": 2, "other": 3}
    for document in documents.values():
        categories = {category["id"]: category["name"] for category in document["categories"]}
        images = {image["id"]: image for image in document["images"]}
        assert categories == {1: "cat", 2: "dog", 3: "bird"}
        for annotation in document["annotations"]:
            assert categories[annotation["category_id"]] == annotation["label"]
            with Image.open(to / images[annotation["image_id"]]["file_name"]) as picture:
                assert picture.size == (24, 16)
    assert len(documents["test"]["annotations"]) == 1  # of the other image people said that no class fits
    assert sorted(path.name for path in to.iterdir()) == ["images", "other.json", "test.json", "train.json"]


def test_label_studio_gets_the_label_the_prelabel_and_gold_as_ground_truth(ground: Ground, tmp_path: Path) -> None:
    to = tmp_path / "out"

    write(ground, "label-studio", to)

    tasks = load(to / "tasks.json")
    chosen = [task["annotations"][0]["result"][0]["value"]["choices"][0] for task in tasks]
    assert chosen == ["cat", "bird", "dog", NONE_OF_THESE, "dog", "cat", NONE_OF_THESE]
    assert [task["annotations"][0]["ground_truth"] for task in tasks].index(True) == 4
    assert tasks[0]["predictions"][0]["score"] == 0.7
    assert tasks[0]["data"]["hardcase"]["people"] == 2
    for task in tasks:
        name = task["data"]["image"].removeprefix("/data/local-files/?d=out/")
        assert sha256((to / name).read_bytes()).hexdigest() == task["data"]["external_id"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("form", FOLDERS)
def test_no_image_of_the_random_stream_and_no_gold_is_in_train(ground: Ground, tmp_path: Path, form: str) -> None:
    to = tmp_path / "out"

    write(ground, form, to)

    by_form: dict[str, Callable[[], list[tuple[str, str, bool]]]] = {
        "imagenet": lambda: [
            (Path(row["file"]).parts[0], row["reference"], row["gold"] == "true") for row in rows(to / "manifest.csv")
        ],
        "huggingface": lambda: [
            (split, row["reference"], row["gold"])
            for split, part in datasets.load_dataset(str(to), cache_dir=str(tmp_path / "cache")).items()
            for row in part.remove_columns("image")
        ],
        "coco": lambda: [
            (split, image["reference"], image["id"] in {a["image_id"] for a in found["annotations"] if a["gold"]})
            for split in ("train", "test", "other")
            for found in [load(to / f"{split}.json")]
            for image in found["images"]
        ],
        "label-studio": lambda: [
            (task["data"]["hardcase"]["split"], task["data"]["hardcase"]["reference"], task["data"]["hardcase"]["gold"])
            for task in load(to / "tasks.json")
        ],
    }
    found = by_form[form]()
    assert len(found) == 7
    of_split = {split: {(name, gold) for found_in, name, gold in found if found_in == split} for split in Split}
    assert of_split[Split.TRAIN] == {("photos/1.png", False), ("photos/2.png", False)}
    assert of_split[Split.TEST] == {("photos/3.png", False), ("photos/4.png", False)}


@pytest.mark.parametrize("form", FOLDERS)
def test_place_and_serial_number_of_the_camera_do_not_come_out(ground: Ground, tmp_path: Path, form: str) -> None:
    exif = Image.Exif()
    exif[0x0110] = "CAMERA-SERIAL-4711"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 15.0)})
    original = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(original, "JPEG", exif=exif)
    shown, media_type = encode_shown(decode(original.getvalue(), Limits()))
    image = ground.image(90, stored=False)
    ground.label(image, "cat")
    labels = open_label_set(ground.database, ground.project, ground.images, None)
    digest = next(record.content_hash for record in labels.records() if record.image == image)
    ground.images.keep(digest, shown, media_type, original.getvalue())  # the project keeps originals

    write(ground, form, tmp_path / "out")

    written = [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert b"CAMERA-SERIAL" in original.getvalue()
    assert not any(b"CAMERA-SERIAL" in data or b"Exif" in data for data in written)


@pytest.mark.parametrize("form", FOLDERS)
def test_twice_is_the_same_and_a_killed_run_before_it_does_no_harm(ground: Ground, tmp_path: Path, form: str) -> None:
    (tmp_path / "two" / "out.tmp" / "train").mkdir(parents=True)
    (tmp_path / "two" / "out.tmp" / "train" / "half.png").write_bytes(b"half")
    (tmp_path / "two" / "out").mkdir()
    (tmp_path / "one").mkdir()

    for name in ("one", "two"):
        write(ground, form, tmp_path / name / "out")

    one, two = (contents(tmp_path / name) for name in ("one", "two"))
    assert one == two


@pytest.mark.parametrize("form", FOLDERS)
def test_a_folder_that_holds_anything_is_never_touched(ground: Ground, tmp_path: Path, form: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")

    with pytest.raises(Conflict, match="not empty"):
        write(ground, form, tmp_path / "out")

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("form", FOLDERS)
def test_a_picture_that_is_gone_is_said_and_nothing_half_is_left(ground: Ground, tmp_path: Path, form: str) -> None:
    ground.label(ground.image(80, stored=False), "cat")

    with pytest.raises(NotFound, match="bytes of this image"):
        write(ground, form, tmp_path / "out")

    assert not list(tmp_path.glob("out*"))
