"""An export has one row a labelled image, says where each label comes from, and is whole or not there."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from db.session import transaction
from db.tables import (
    AnnotationRow,
    AnnotatorRow,
    FetchRow,
    GroupRow,
    ImageRow,
    LabelRow,
    PrelabelRow,
    QueryRow,
    RegistrationRow,
    ReviewRow,
)
from labeling.errors import Invalid
from labeling.types import LabelClass, Project, ProjectConfig, ProjectId
from service.export import COLUMNS, export_labels, spreadsheet_safe
from tests.conftest import NOW

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＋1", "－1", "＠SUM(A1)")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A database with one project, to which a test adds labelled images."""

    database: sa.Engine
    project: Project

    def add(self, name: str, *labels: tuple[str | None, str], text: str | None = None) -> int:
        """An image with labels, oldest first, each a value and a source. Of two people one answers, one skips."""
        with transaction(self.database) as session:
            group = GroupRow(project_id=self.project.id, founder_hash=name, side="holdout", created_at=NOW)
            session.add(group)
            session.flush()
            image = ImageRow(
                project_id=self.project.id, content_hash=name, perceptual_hash="0" * 16, format="PNG", width=1,
                height=1, size_bytes=1, text=text, details={}, group_id=group.id, bridge=False, fetched_at=NOW,
            )  # fmt: skip
            registration = RegistrationRow(
                project_id=self.project.id, reference=f"photos/{name}.png", address=f"/photos/{name}.png", text=text,
                details={}, fingerprint="1", known_label=None, registered_at=NOW,
            )  # fmt: skip
            session.add_all([image, registration])
            session.flush()
            session.add(FetchRow(registration_id=registration.id, image_id=image.id, fetched_at=NOW))
            session.add(_prelabel(image.id))
            for value, source in labels:
                review = self._review(session, image.id) if source == "people" and value else None
                session.add(
                    LabelRow(
                        project_id=self.project.id,
                        image_id=image.id,
                        value=value,
                        source=source,
                        author="test",
                        reason="",
                        review_id=review,
                        evidence={},
                        created_at=NOW,
                    )  # fmt: skip
                )
            return image.id

    def _review(self, session: Any, image: int) -> int:
        query = QueryRow(
            project_id=self.project.id, number=image, strategy="margin", seed=0, version_id=None, pool_size=1,
            trigger="by hand", created_at=NOW,
        )  # fmt: skip
        session.add(query)
        session.flush()
        review = ReviewRow(
            project_id=self.project.id, image_id=image, query_id=query.id, kind="evaluation", blind=True,
            probability=1.0, place=0.5, token=f"token-{image}", created_at=NOW,
        )  # fmt: skip
        session.add(review)
        session.flush()
        for user, action in ((1, "answered"), (2, "skipped")):
            self._annotate(session, review.id, user, action)
        return review.id

    def _annotate(self, session: Any, review: int, user: int, action: str) -> None:
        annotator = AnnotatorRow(project_id=self.project.id, ls_user_id=100 * review + user, name=f"person {user}")
        session.add(annotator)
        session.flush()
        session.add(
            AnnotationRow(
                review_id=review,
                annotator_id=annotator.id,
                ls_annotation_id=user,
                unique_id=f"{review}-{user}",
                action=action,
                answers=["dog"],
                result_hash="h",
                shown=None,
                accepted=None,
                lead_time_s=1.0,
                updated_at=NOW,
                recorded_at=NOW,
            )  # fmt: skip
        )
        session.flush()


def _prelabel(image: int) -> PrelabelRow:
    return PrelabelRow(
        image_id=image, engine="scripted", revision="1", probs=[0.2, 0.7, 0.1], description="", duration_s=0.0,
        cost_micro=0, created_at=NOW,
    )  # fmt: skip


@pytest.fixture
def labelled(any_database: sa.Engine, make_project: Callable[..., Project]) -> Labelled:
    return Labelled(any_database, make_project(any_database))


def as_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def as_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().decode().splitlines()]


def test_a_label_comes_with_everything_about_where_it_is_from(labelled: Labelled, tmp_path: Path) -> None:
    image = labelled.add("a", ("dog", "people"), text="a dog")

    count = export_labels(labelled.database, labelled.project, tmp_path / "labels.jsonl")

    assert count == 1
    assert as_jsonl(tmp_path / "labels.jsonl") == [
        {
            "image": image,
            "content_hash": "a",
            "reference": "photos/a.png",
            "text": "a dog",
            "label": "dog",
            "source": "people",
            "kind": "evaluation",
            "annotator": "person 1",
            "labelled_at": NOW.isoformat(),
            "prelabel": "dog",
            "prelabel_confidence": 0.7,
            "side": "holdout",
        }
    ]


def test_both_formats_have_the_same_columns_in_the_same_order(labelled: Labelled, tmp_path: Path) -> None:
    labelled.add("a", ("cat", "import"))

    for name in ("labels.csv", "labels.jsonl"):
        export_labels(labelled.database, labelled.project, tmp_path / name)

    assert tuple(as_csv(tmp_path / "labels.csv")[0]) == COLUMNS
    assert tuple(as_jsonl(tmp_path / "labels.jsonl")[0]) == COLUMNS


def test_only_labels_that_stand_are_written_oldest_image_first(labelled: Labelled, tmp_path: Path) -> None:
    first = labelled.add("a", ("cat", "import"), ("dog", "people"))
    labelled.add("withdrawn", ("cat", "people"), (None, "people"))
    labelled.add("unlabelled")
    last = labelled.add("b", ("bird", "import"))

    count = export_labels(labelled.database, labelled.project, tmp_path / "labels.csv")

    rows = as_csv(tmp_path / "labels.csv")
    assert count == 2
    assert [(row["image"], row["label"], row["source"]) for row in rows] == [
        (str(first), "dog", "people"),
        (str(last), "bird", "import"),
    ]
    assert (rows[1]["kind"], rows[1]["annotator"]) == ("", "")


def test_another_projects_labels_are_not_in_it(
    labelled: Labelled, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    labelled.add("a", ("cat", "import"))
    other = make_project(labelled.database, name="beasts")

    assert export_labels(labelled.database, other, tmp_path / "labels.csv") == 0
    assert (tmp_path / "labels.csv").read_text().splitlines() == [",".join(COLUMNS)]


def test_no_cell_of_a_csv_is_a_formula_and_jsonl_keeps_every_byte(labelled: Labelled, tmp_path: Path) -> None:
    for number, text in enumerate(FORMULAS):
        labelled.add(f"{number}", ("cat", "import"), text=text)

    for name in ("labels.csv", "labels.jsonl"):
        export_labels(labelled.database, labelled.project, tmp_path / name)

    assert [row["text"] for row in as_csv(tmp_path / "labels.csv")] == [f"'{text}" for text in FORMULAS]
    assert [row["text"] for row in as_jsonl(tmp_path / "labels.jsonl")] == list(FORMULAS)
    assert "＝1+1" in (tmp_path / "labels.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize("cell", ["a cat", "1+1", " padded", "", None, -1, -0.5])
def test_a_cell_that_is_no_formula_is_left_as_it_is(cell: object) -> None:
    assert spreadsheet_safe(cell) == cell


def test_an_export_replaces_the_one_before_and_leaves_nothing_beside_it(labelled: Labelled, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("old")
    labelled.add("a", ("cat", "import"))

    export_labels(labelled.database, labelled.project, tmp_path / "labels.csv")

    assert [row["label"] for row in as_csv(tmp_path / "labels.csv")] == ["cat"]
    assert [path.name for path in tmp_path.glob("labels*")] == ["labels.csv"]


def test_an_export_that_fails_halfway_leaves_the_one_before(database: sa.Engine, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("old")
    with database.begin() as connection:
        connection.exec_driver_sql("DROP TABLE prelabel")

    with pytest.raises(sa.exc.OperationalError):
        export_labels(database, _project(), tmp_path / "labels.csv")

    assert (tmp_path / "labels.csv").read_text() == "old"
    assert [path.name for path in tmp_path.glob("labels*")] == ["labels.csv"]


@pytest.mark.parametrize("name", ["labels", "labels.xlsx", "labels.csv.gz"])
def test_a_format_that_is_not_known_is_refused(database: sa.Engine, tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid, match=r"must end in \.csv or \.jsonl"):
        export_labels(database, _project(), tmp_path / name)


@pytest.mark.parametrize("name", ["no-such-folder/labels.csv", "file/labels.csv"])
def test_a_place_that_cannot_be_written_is_refused(database: sa.Engine, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(Invalid, match="cannot be written"):
        export_labels(database, _project(), tmp_path / name)


def _project() -> Project:
    config = ProjectConfig("nothing", (LabelClass("cat"), LabelClass("dog")))
    return Project(id=ProjectId(1), config=config, config_version=1, salt="", created_at=NOW)
