"""An export for Label Studio is taken by a real one, which then holds the same answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import sqlalchemy as sa

from labeling.project import Project
from labeling.review.events import parse_answer
from labeling.types import NONE_OF_THESE
from service.exporting.label_set import open_label_set
from service.exporting.registry import FORMATS, export
from tests.e2e.conftest import RealLabelStudio
from tests.service.exporting_ground import Ground


def test_a_real_label_studio_imports_the_tasks_and_holds_the_same_answers(
    label_studio: RealLabelStudio, database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    classes = ("cat", "dog & bone", "$price")
    ground = Ground(database, make_project(database, classes=classes), tmp_path)
    said = ["cat", "dog & bone", "$price", NONE_OF_THESE]
    for number, label in enumerate(said):
        ground.answered(ground.image(number), {"anna": label})
    ground.label(ground.image(9), "cat", "gold")
    labels = open_label_set(database, ground.project, ground.images, None)
    export(labels, tmp_path / "out", FORMATS["label-studio"])
    tasks = json.loads((tmp_path / "out" / "tasks.json").read_text())
    config = (tmp_path / "out" / "config.xml").read_text()

    with httpx.Client(
        base_url=label_studio.url, headers={"Authorization": f"Token {label_studio.token}"}, timeout=60
    ) as http:
        body = {"title": "an import", "label_config": config}
        made = http.post("/api/projects/", json=body).raise_for_status().json()["id"]
        taken = http.post(f"/api/projects/{made}/import", json=tasks).raise_for_status().json()
        found = http.get(f"/api/projects/{made}/export", params={"exportType": "JSON"}).raise_for_status().json()

    answers = {
        task["data"]["external_id"]: parse_answer(made, annotation, []).answers
        for task in found
        for annotation in task["annotations"]
    }
    assert (taken["task_count"], taken["annotation_count"], taken["prediction_count"]) == (5, 5, 5)
    assert sorted(answers.values()) == sorted((label,) for label in [*said, "cat"])
    assert answers == {task["data"]["external_id"]: _chosen(task) for task in tasks}
    assert sum(annotation["ground_truth"] for task in found for annotation in task["annotations"]) == 1


def _chosen(task: dict[str, list[dict[str, list[dict[str, dict[str, list[str]]]]]]]) -> tuple[str, ...]:
    return tuple(task["annotations"][0]["result"][0]["value"]["choices"])
