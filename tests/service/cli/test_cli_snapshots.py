"""`hardcase snapshot`, `release` and `export` as they are typed: tables for people, one document with --json."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import Result
from typer.testing import CliRunner

from db.session import make_engine
from labeling.project import Project
from service.cli import app
from tests.service.exporting_ground import Ground
from tests.service.labelled_pool import add_champion, make_parts


class Typed:
    """Commands typed in a home with one labelled project."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground

    def __call__(self, *words: str) -> Result:
        return CliRunner().invoke(app, list(words), env={"HARDCASE_HOME": str(self.ground.home), "COLUMNS": "200"})

    def document(self, *words: str, code: int = 0) -> Any:
        done = self(*words, "--json")
        assert done.exit_code == code, done.output
        assert done.stdout.count("\n") == 1
        return json.loads(done.stdout)


@pytest.fixture
def typed(empty_database: Path, make_project: Callable[..., Project], tmp_path: Path) -> Iterator[Typed]:
    (tmp_path / "hardcase.db").write_bytes(empty_database.read_bytes())
    engine: sa.Engine = make_engine(f"sqlite:///{tmp_path / 'hardcase.db'}")
    ground = Ground(engine, make_project(engine), tmp_path)
    ground.label(ground.image(1), "cat")
    ground.label(ground.image(2), "dog")
    yield Typed(ground)
    engine.dispose()


def test_snapshots_are_made_listed_shown_compared_and_verified(typed: Typed) -> None:
    first = typed.document("snapshot", "create", "animals", "v1", "--note", "first")
    typed.ground.decided(1, "bird", "lena")
    typed.ground.label(typed.ground.image(3), "cat")
    typed.document("snapshot", "create", "animals", "v2")

    listed = typed.document("snapshot", "list", "animals")
    compared = typed.document("snapshot", "compare", "animals", "v1", "v2")
    said = typed("snapshot", "compare", "animals", "v1").stdout

    assert [one["name"] for one in listed] == ["v2", "v1"]
    assert typed.document("snapshot", "show", "animals", "v1") == first
    assert (len(compared["added"]), len(compared["changed"]), compared["same"]) == (1, 1, 1)
    assert {"before": "cat", "after": "bird", "images": 1} in compared["moves"]
    assert typed.document("snapshot", "compare", "animals", "v1") == {**compared, "after": None}
    assert "1 added, 0 removed, 1 changed" in said
    assert "bird" in said
    assert typed.document("snapshot", "verify", "animals", "v1")["ok"]
    assert first["hash"][:12] in typed("snapshot", "list", "animals").stdout


def test_a_file_that_was_changed_is_refused_and_rebuilt(typed: Typed) -> None:
    made = typed.document("snapshot", "create", "animals", "v1")
    (typed.ground.home / made["path"]).write_text("changed")

    refused = typed.document("snapshot", "verify", "animals", "v1", code=1)
    rebuilt = typed.document("snapshot", "verify", "animals", "v1", "--rebuild")

    assert refused["error"] == "BadArtifact"
    assert rebuilt["ok"]


def test_a_snapshot_is_exported_after_the_labels_have_moved_on(typed: Typed, tmp_path: Path) -> None:
    typed.document("snapshot", "create", "animals", "v1")
    typed.ground.decided(1, "bird", "lena")
    to = tmp_path / "out"

    document = typed.document("export", "animals", str(to), "--format", "imagenet", "--snapshot", "v1")

    assert document == {"to": str(to), "labels": 2, "snapshot": "v1", "machine": None}
    assert {path.parent.name for path in to.rglob("*.png")} == {"cat", "dog"}
    assert typed.document("export", "animals", str(to), "--format", "coco", code=1)["error"] == "Conflict"
    assert typed.document("export", "animals", str(to), "--format", "xml", code=1)["error"] == "Invalid"
    assert typed.document("export", "animals", "a.csv", "--snapshot", "none", code=1)["error"] == "NotFound"


def test_a_release_is_made_once_and_says_where_its_page_is(typed: Typed) -> None:
    made = typed.document("release", "animals", "v1", "--note", "For internal use.")
    again = typed.document("release", "animals", "v1", code=1)

    assert "For internal use." in Path(made["page"]).read_text()
    assert made["labels"] == 2
    assert again["error"] == "Conflict"
    assert "2 labels released" in typed("release", "animals", "v2").stdout.replace("\n", "")


def test_machine_labels_are_exported_where_that_is_asked_for(typed: Typed, tmp_path: Path) -> None:
    to, ground = tmp_path / "out.jsonl", typed.ground
    refused = typed.document("export", "animals", str(to), "--predictions", "rest", code=1)
    images = [ground.image(3), ground.image(4)]
    add_champion(make_parts(ground.database, ground.home), ground.project, images[:1], [[0.2, 0.5, 0.3]])

    document = typed.document("export", "animals", str(to), "--predictions", "with", "--at-least", "0.4")
    said = typed("export", "animals", str(to), "--predictions", "rest").stdout

    assert "no version yet" in refused["message"]
    assert (document["labels"], document["machine"]) == (
        3,
        {
            "version": 1,
            "at_least": 0.4,
            "without_any_label": 1,
            "first_without": [{"image": "photos/4.png", "why": "it came after version 1 had predicted"}],
        },
    )
    assert "1 machine labels, of images without a label, in" in said and "with a score of" not in said
    assert "photos/4.png: it came after version 1 had predicted" in said
    assert typed.document("export", "animals", str(to))["machine"] is None


@pytest.mark.parametrize(
    "words", [("--at-least", "0.5"), ("--predictions", "some"), ("--predictions", "rest", "--at-least", "2")]
)
def test_options_for_machine_labels_that_make_no_sense_are_wrong_usage(
    typed: Typed, tmp_path: Path, words: tuple[str, ...]
) -> None:
    assert typed("export", "animals", str(tmp_path / "out.csv"), *words).exit_code == 2


def test_a_snapshot_and_machine_labels_do_not_go_together(typed: Typed, tmp_path: Path) -> None:
    typed.document("snapshot", "create", "animals", "v1")
    words = ("export", "animals", str(tmp_path / "o.csv"), "--snapshot", "v1", "--predictions", "rest")

    assert typed.document(*words, code=1)["error"] == "Invalid"
