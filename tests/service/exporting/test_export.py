"""An export has one row a labelled image, says where each label comes from, and is whole or not there."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from db.repositories.images import sources
from db.session import reading, transaction
from db.tables import AnnotationRow, ImageRow, LabelRow, QueryRow, RegistrationRow
from db.views import exports
from db.views.exports import LabelFact
from labeling.errors import Conflict, Invalid
from labeling.project import Policy, Project, Team
from labeling.types import NONE_OF_THESE
from service.exporting.columns import COLUMNS
from service.exporting.formats.spreadsheets import from_spreadsheet, spreadsheet_safe
from service.exporting.label_set import open_label_set
from service.exporting.registry import FORMATS, export, format_for
from service.labels.snapshots import create
from tests import factories
from tests.conftest import NOW
from tests.service.exporting_ground import Ground

NAMED = Policy(team=Team(names_in_exports=True))
FORMULAS = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1+1",
    "＋1",
    "－1",
    "＠SUM(A1)",
    "'=1",
    '="a""b"',
)


@pytest.fixture
def ground(any_database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path) -> Ground:
    return Ground(any_database, make_project(any_database, policy=NAMED), tmp_path)


@pytest.fixture
def here(database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path) -> Ground:
    """On SQLite alone."""
    return Ground(database, make_project(database, policy=NAMED), tmp_path)


def write(ground: Ground, name: str, form: str = "", *, project: Project | None = None) -> Path:
    to = ground.home / name
    labels = open_label_set(ground.database, project or ground.project, ground.images, None)
    export(labels, to, format_for(to, form))
    return to


def as_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def as_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().decode().splitlines()]


def test_a_label_comes_with_everything_about_where_it_is_from(ground: Ground) -> None:
    image = ground.image(1, text="a dog")
    ground.answered(
        image,
        {"anna": "dog", "ben": "dog", "cho": "cat"},
        "dog",
        evidence={"soft": {"dog": 0.8, "cat": 0.2}, "confidence": 0.8},
    )
    with transaction(ground.database) as session:
        version = factories.version(session, ground.project.id, 4)
        session.execute(sa.update(QueryRow).values(version_id=version))

    row = as_jsonl(write(ground, "labels.jsonl"))[0]

    assert row["content_hash"] and row["group"]
    assert {name: row[name] for name in COLUMNS if name not in ("content_hash", "group")} == {
        "image": image,
        "reference": "photos/1.png",
        "text": "a dog",
        "width": 24,
        "height": 16,
        "label": "dog",
        "source": "people",
        "kind": "hard",
        "gold": False,
        "split": "train",
        "annotators": ["anna", "ben", "cho"],
        "people": 3,
        "agreement": 0.666667,
        "confidence": 0.8,
        "soft_label": {"dog": 0.8, "cat": 0.2},
        "probability": None,
        "score": None,
        "decided": "answers",
        "decided_by": None,
        "prelabel": "dog",
        "prelabel_confidence": 0.7,
        "engine": "scripted-1",
        "version": 4,
        "asked_at": NOW.isoformat(),
        "labelled_at": NOW.isoformat(),
    }


def test_imports_gold_and_decisions_say_so(here: Ground) -> None:
    here.label(here.image(1), "cat", "import")
    here.label(here.image(2), "dog", "gold")
    here.decided(here.image(3), "bird", "lena", "adjudication")

    rows = as_jsonl(write(here, "labels.jsonl"))

    seen = [(r["source"], r["kind"], r["gold"], r["split"], r["decided"], r["decided_by"], r["people"]) for r in rows]
    assert seen == [
        ("import", None, False, "train", "import", None, 0),
        ("gold", None, True, "other", "gold", None, 0),
        ("people", None, False, "train", "adjudication", "lena", 0),
    ]


@pytest.mark.parametrize("team", [Team(), Team(pseudonyms=True), Team(pseudonyms=True, names_in_exports=True)])
def test_unless_the_policy_wants_names_in_exports_no_name_leaves(here: Ground, team: Team) -> None:
    here.answered(here.image(1), {"anna": "dog"})
    here.decided(here.image(2), "cat", "lena")
    hidden = replace(here.project, config=replace(here.project.config, policy=Policy(team=team)))

    for name in ("labels.csv", "labels.jsonl"):
        text = write(here, name, project=hidden).read_text()

        assert "annotator" in text
        assert "anna" not in text and "lena" not in text


def test_who_agreed_after_the_label_was_set_counts_now_and_not_in_a_snapshot(here: Ground) -> None:
    agreed, disputed = here.image(1), here.image(2)
    for image in (agreed, disputed):
        here.answered(image, {"anna": "dog"}, evidence={"soft": {"dog": 1.0}, "confidence": 1.0})
    kept = create(here.database, here.home, here.project, "v1", author="anna", note="", now=NOW)
    with reading(here.database) as session:
        first, second = session.scalars(sa.select(AnnotationRow.id).order_by(AnnotationRow.id))
    later = here.answered(here.image(3), {"ben": "dog"})
    with reading(here.database) as session:
        third = session.get_one(LabelRow, later).evidence["annotations"][0]
    here.soft(agreed, {"dog": 0.9, "cat": 0.1}, [first, third])
    here.soft(disputed, {"cat": 0.6, "dog": 0.4}, [second, third])

    now = list(open_label_set(here.database, here.project, here.images, None).records())[:2]
    then = list(open_label_set(here.database, here.project, here.images, kept).records())

    assert [(r.annotators, r.soft_label, r.confidence) for r in now] == [
        (("anna", "ben"), {"dog": 0.9, "cat": 0.1}, 0.9),
        (("anna",), {"dog": 1.0}, 1.0),
    ]
    assert [(r.annotators, r.soft_label, r.confidence) for r in then] == [(("anna",), {"dog": 1.0}, 1.0)] * 2


def test_only_labels_that_stand_are_written_oldest_image_first(ground: Ground) -> None:
    first, withdrawn, _, last = (ground.image(number) for number in range(4))
    ground.label(first, "cat")
    ground.answered(first, {"anna": "dog"})
    ground.label(withdrawn, "cat")
    ground.label(withdrawn, None)
    ground.label(last, NONE_OF_THESE)

    rows = as_csv(write(ground, "labels.csv"))

    assert [(row["image"], row["label"], row["source"]) for row in rows] == [
        (str(first), "dog", "people"),
        (str(last), NONE_OF_THESE, "import"),
    ]


def test_another_projects_labels_are_not_in_it(here: Ground, make_project: Callable[..., Project]) -> None:
    here.label(here.image(1), "cat")
    other = make_project(here.database, name="beasts")

    path = write(here, "labels.csv", project=other)

    assert path.read_text().splitlines() == [",".join(COLUMNS)]


def test_all_tables_have_the_same_columns_and_say_the_same(here: Ground) -> None:
    here.answered(here.image(1, text='a, "b"\n'), {"anna": "cat", "ben": "cat"}, evidence={"soft": {"cat": 1.0}})
    here.label(here.image(2, reserved=None), "dog")

    lines = as_jsonl(write(here, "labels.jsonl"))
    cells = as_csv(write(here, "labels.csv"))
    table = pq.read_table(write(here, "labels.parquet"))

    rows, texts = table.to_pylist(), [row["text"] for row in lines]
    assert tuple(lines[0]) == tuple(cells[0]) == tuple(table.column_names) == COLUMNS
    assert texts == [row["text"] for row in rows] == [from_spreadsheet(row["text"]) or None for row in cells]
    assert [json.loads(row["annotators"]) for row in cells] == [row["annotators"] for row in lines]
    assert [row["annotators"] for row in rows] == [row["annotators"] for row in lines]
    assert [row["soft_label"] and dict(row["soft_label"]) for row in rows] == [row["soft_label"] for row in lines]
    assert [row["labelled_at"].isoformat() for row in rows] == [row["labelled_at"] for row in lines]
    assert [row["gold"] for row in cells] == ["false", "false"]


def test_a_parquet_file_names_its_project_classes_and_snapshot(here: Ground) -> None:
    here.label(here.image(1), "cat")
    kept = create(here.database, here.home, here.project, "v1", author="anna", note="", now=NOW)
    to = here.home / "labels.parquet"

    export(open_label_set(here.database, here.project, here.images, kept), to, format_for(to))

    about = json.loads(pq.read_schema(to).metadata[b"hardcase"])
    assert about == {
        "project": "animals",
        "classes": ["cat", "dog", "bird"],
        "snapshot": {"name": "v1", "hash": kept.hash},
    }


def test_a_snapshot_exports_what_stood_when_it_was_made(here: Ground) -> None:
    image = here.image(1)
    here.label(image, "cat")
    kept = create(here.database, here.home, here.project, "v1", author="anna", note="", now=NOW)
    here.label(image, "dog")
    here.label(here.image(2), "dog")

    labels = open_label_set(here.database, here.project, here.images, kept)

    assert [record.label for record in labels.records()] == ["cat"]
    assert len(labels) == 1


def test_no_cell_of_a_csv_is_a_formula_and_the_rest_keeps_every_byte(here: Ground) -> None:
    for number, text in enumerate(FORMULAS):
        here.label(here.image(number, text=text, stored=False), "cat")

    cells = [row["text"] for row in as_csv(write(here, "labels.csv"))]
    lines = [row["text"] for row in as_jsonl(write(here, "labels.jsonl"))]
    frame = pd.read_parquet(write(here, "labels.parquet"))

    assert cells == [f"'{text}" for text in FORMULAS]
    assert [from_spreadsheet(cell) for cell in cells] == lines == list(frame["text"]) == list(FORMULAS)
    assert "＝1+1" in (here.home / "labels.jsonl").read_text(encoding="utf-8")


@given(st.text())
def test_every_text_comes_back_from_its_cell_and_none_is_a_formula(text: str) -> None:
    cell = str(spreadsheet_safe(text))

    assert from_spreadsheet(cell) == text
    assert not cell.startswith(tuple("=+-@\t\r\n＝＋－＠"))


@pytest.mark.parametrize("cell", ["a cat", "1+1", " padded", "", None, -1, -0.5])
def test_a_cell_that_is_no_formula_is_left_as_it_is(cell: object) -> None:
    assert spreadsheet_safe(cell) == cell


def label_many(ground: Ground, many: int, text: str) -> None:
    """So many imported images with this text, written in bulk."""
    project = ground.project.id
    images = [
        {"id": n, "project_id": project, "content_hash": f"{n:064x}", "format": "PNG",
         "width": 1, "height": 1, "size_bytes": 1, "text": text, "details": {}, "fetched_at": NOW}
        for n in range(1, many + 1)
    ]  # fmt: skip
    labels = [
        {"project_id": project, "image_id": n, "value": "cat", "source": "import", "evidence": {}, "author": "test",
         "reason": "", "created_at": NOW}
        for n in range(1, many + 1)
    ]  # fmt: skip
    with transaction(ground.database) as session:
        session.execute(sa.insert(ImageRow), images)
        session.execute(sa.insert(LabelRow), labels)


def test_five_thousand_labels_go_through_in_little_memory(here: Ground) -> None:
    label_many(here, 5_000, "x" * 2_000)

    tracemalloc.start()
    path = write(here, "labels.jsonl")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert len(path.read_bytes().splitlines()) == 5_000
    assert peak < path.stat().st_size / 2


def test_postgresql_hands_the_labels_over_in_pieces(postgres: sa.Engine, make_project: Callable[..., Project]) -> None:
    ground = Ground(postgres, make_project(postgres), Path())
    label_many(ground, 2 * exports.CHUNK, "")

    with reading(postgres) as session, closing(_facts(session, ground)) as facts:
        first = next(facts)

        assert len(first) == exports.CHUNK
        assert session.scalar(sa.text("SELECT count(*) FROM pg_cursors")) == 1


def _facts(session: Session, ground: Ground) -> Generator[list[LabelFact], None, None]:
    yield from exports.label_facts(session, ground.project.id, 2**31 - 1)


def test_an_export_replaces_the_one_before_and_leaves_nothing_beside_it(here: Ground) -> None:
    (here.home / "labels.csv").write_text("old")
    (here.home / "labels.csv.tmp").write_text("half of one, from a run that was killed")
    here.label(here.image(1), "cat")

    once, twice = write(here, "labels.csv").read_bytes(), write(here, "labels.csv").read_bytes()

    assert once == twice != b"old"
    assert [path.name for path in here.home.glob("labels*")] == ["labels.csv"]


def test_an_export_that_fails_halfway_leaves_the_one_before(here: Ground) -> None:
    (here.home / "labels.csv").write_text("old")
    here.label(here.image(1), "cat")
    with here.database.begin() as connection:
        connection.exec_driver_sql("DROP TABLE prelabel")

    with pytest.raises(sa.exc.OperationalError):
        write(here, "labels.csv")

    assert (here.home / "labels.csv").read_text() == "old"
    assert [path.name for path in here.home.glob("labels*")] == ["labels.csv"]


@pytest.mark.parametrize("name", ["labels", "labels.xlsx", "labels.csv.gz"])
def test_a_format_that_is_not_known_is_refused_with_all_that_are(name: str) -> None:
    with pytest.raises(Invalid, match="csv, jsonl, parquet, imagenet, huggingface, label-studio, coco"):
        format_for(Path(name))


def test_a_format_that_is_named_counts_for_more_than_the_ending() -> None:
    assert format_for(Path("labels.csv"), "jsonl") is FORMATS["jsonl"]


@pytest.mark.parametrize("name", ["no-such-folder/labels.csv", "file/labels.csv", f"{'x' * 300}.csv"])
def test_a_place_that_cannot_be_written_is_refused(here: Ground, name: str) -> None:
    (here.home / "file").write_text("")

    with pytest.raises(Invalid, match="cannot be written"):
        write(here, name)


def test_a_folder_in_the_place_of_a_file_is_refused(here: Ground) -> None:
    (here.home / "labels.csv").mkdir()

    with pytest.raises(Conflict, match="is a folder"):
        write(here, "labels.csv")


def test_a_full_disk_is_said_and_nothing_half_is_left(tmp_path: Path) -> None:
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from labeling.errors import StorageFull\n"
        "from service.exporting.placing import staged_file\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    with staged_file(Path(sys.argv[1])) as staged:\n"
        "        staged.write_bytes(bytes(10_000))\n"
        "except StorageFull as error:\n"
        "    sys.exit(0 if 'no room' in error.message else 1)\n"
        "sys.exit(2)\n"
    )

    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "labels.csv")], timeout=60, check=False)

    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("reference", "source", "folder", "written"),
    [
        ("/srv/secret/photos/cat/1.jpg", "/srv/secret/photos", "cat", "cat/1.jpg"),
        ("/srv/secret/photos/1.jpg", "/srv/secret/photos/", None, "1.jpg"),
        ("/srv/secret/m/cats/1.jpg", "/srv/secret/m/table.csv", None, "cats/1.jpg"),
        ("s3://secret/photos/cat/1.jpg", "s3://secret/photos", "cat", "cat/1.jpg"),
        ("file:///srv/secret/cat/1.jpg", "file:///srv/secret", "cat", "cat/1.jpg"),
        ("/srv/secret/photos/cat/black/1.jpg", None, "cat", "cat/black/1.jpg"),
        ("/srv/secret/photos/1.jpg", None, None, "1.jpg"),
        ("/1.jpg", "/", None, "1.jpg"),
        ("https://example.org/a/1.jpg", None, None, "https://example.org/a/1.jpg"),
    ],
)
def test_a_reference_is_relative_to_its_source_and_names_no_path_of_the_server(
    here: Ground, reference: str, source: str | None, folder: str | None, written: str
) -> None:
    image = here.image(1)
    with transaction(here.database) as session:
        at = None if source is None else sources.add(session, here.project.id, source, NOW).id
        details = {"folder": folder} if folder else {}
        session.execute(
            sa.update(RegistrationRow).values(reference=reference, address=reference, source_id=at, details=details)
        )
    here.label(image, "cat")

    assert [row["reference"] for row in as_jsonl(write(here, "labels.jsonl"))] == [written]
    assert "secret" not in write(here, "labels.csv").read_text()


def test_a_name_that_somebody_chose_stays_as_it_is(here: Ground) -> None:
    image = here.image(1)
    with transaction(here.database) as session:
        session.execute(sa.update(RegistrationRow).values(reference="/shop/4711", address="/srv/secret/1.jpg"))
    here.label(image, "cat")

    assert as_jsonl(write(here, "labels.jsonl"))[0]["reference"] == "/shop/4711"
