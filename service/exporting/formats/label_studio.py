"""Tasks for Label Studio: `tasks.json` with annotations and predictions, `config.xml`, and the pictures.

In: a label set and an empty folder. Out: how many tasks there are. Every annotation is the current label; its
evidence is in the task's data. A machine label is a prediction and no annotation. Gold is marked as ground truth. No
account is named: it would have to exist there.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from labeling.project import ProjectConfig
from labeling.review.config import labelling_config
from labeling.review.controls import OURS
from service.exporting.columns import Record, as_json
from service.exporting.label_set import LabelSet
from service.labels.machine_labels import MACHINE

LOCAL_FILES = "/data/local-files/?d="
"""The address of a file in the folder that Label Studio may serve."""


def write_label_studio(labels: LabelSet, to: Path) -> int:
    """Pictures are in `images`; a task names one as `<name of the folder>/images/<hash>`."""
    root = to.name.removesuffix(".tmp")
    (to / "config.xml").write_text(labelling_config(_plain(labels.project.config)), encoding="utf-8")
    (to / "images").mkdir()
    count = 0
    with (to / "tasks.json").open("w", encoding="utf-8") as file:
        file.write("[")
        for record in labels.records():
            name = labels.save_picture(record, to / "images")
            task = _task(labels, record, address_of(f"{root}/images/{name}"))
            file.write(",\n" * bool(count) + json.dumps(task, ensure_ascii=False))
            count += 1
        file.write("]\n")
    return count


def address_of(path: str) -> str:
    """The address of a file in that folder, with every sign encoded that would mean something in it.

    >>> address_of("a #1+b/images/c.png")
    '/data/local-files/?d=a%20%231%2Bb/images/c.png'
    """
    return LOCAL_FILES + quote(path, safe="/")


def _task(labels: LabelSet, record: Record, image: str) -> dict[str, Any]:
    data = {OURS.image_key: image, OURS.text_key: record.text or "", "external_id": record.content_hash}
    known = {"data": {**data, "hardcase": as_json(record)}}
    if record.source == MACHINE:
        said = _prediction(record.label, f"version {record.version}", record.probability)
        return {**known, "annotations": [], "predictions": [said]}
    answer = {"result": _result(record.label), "was_cancelled": False, "ground_truth": record.gold}
    predicted = labels.project.config.answers.is_choice(record.prelabel)
    said = _prediction(record.prelabel or "", record.engine, record.prelabel_confidence)
    return {**known, "annotations": [answer], "predictions": [said] if predicted else []}


def _prediction(answer: str, by: str | None, sure: float | None) -> dict[str, Any]:
    score = {} if sure is None else {"score": sure}
    return {"result": _result(answer), "model_version": by, **score}


def _result(answer: str) -> list[dict[str, Any]]:
    named = {"from_name": OURS.choices, "to_name": OURS.image, "type": "choices"}
    return [{**named, "value": {"choices": [answer]}}]


def _plain(config: ProjectConfig) -> ProjectConfig:
    """Without the fields that only our own queue fills in: hints and the overlay."""
    return replace(config, policy=replace(config.policy, show=(), regions="", explanation=""))
