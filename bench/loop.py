"""A round of the loop against the script that a user would write, on a real Label Studio (P10).

10,000 images with made vectors; in each of ten rounds 100 are drawn and brought to Label Studio, people answer them
there (which is not counted), the answers come back, a classifier is fitted and judged, and every image is predicted.
*Script*: Label Studio's SDK, scikit-activeml and scikit-learn, see `bench/peers/labelling_script.py`. Both arms take
turns, round by round, on one Label Studio. Seconds of the clock; beside them the accuracy over all images at the end,
of our champion, which never trains on the fifth of the answers that measures, and of the script, which trains on all.

python -m bench.loop [--quick] [--images 10000] [--rounds 10]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx
import numpy as np
import sqlalchemy as sa
from label_studio_sdk import LabelStudio as Sdk

from bench.certified_project import Images, MadeEngine, PlayedProject
from bench.peers.labelling_script import Script
from bench.report import at_most, emit
from bench.sync import Ground, make_ground
from db.repositories.reviews.reviews import is_open
from db.repositories.versions import versions
from db.session import reading, transaction
from db.tables import PushRow, ReviewRow, ViewRow
from labeling.jobs import Trigger
from labeling.review.config import labelling_config
from labeling.types import ImageId
from service.labels.machine_labels import champion_labels
from service.work.learn import learn
from service.work.promote import judge
from service.work.promote.predict import predict
from service.work.review.push import push
from service.work.review.sync import sync
from service.work.select.query import choose_query

CLASSES, KINDS, DIMENSIONS, BATCH = 10, 3, 384, 100
STEPS = ("ask", "read", "learn")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="600 images, two rounds")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=10)
    chosen = parser.parse_args()
    images, rounds = (600, 2) if chosen.quick else (chosen.images, chosen.rounds)
    with tempfile.TemporaryDirectory(prefix="bench-loop") as folder:
        ground = make_ground(Path(folder))
        try:
            report(play(ground, _made(images, np.random.default_rng(0)), rounds))
        finally:
            ground.http.close()
            ground.parts.jobs.close()
            ground.parts.label_studio.close()
            ground.studio.stop()


def play(ground: Ground, images: Images, rounds: int) -> dict[str, Any]:
    """Both arms in turns; the seconds of each step by arm, and the accuracies at the end."""
    ours, script = _Ours(ground, images), _Scripted(ground, images)
    seconds: dict[str, defaultdict[str, list[float]]] = {"ours": defaultdict(list), "script": defaultdict(list)}
    for number in range(rounds):
        for name, arm in (("ours", ours), ("script", script)):
            spent = seconds[name]
            spent["ask"].append(_timed(lambda: arm.ask(number)))  # noqa: B023 - called at once
            arm.answer()
            spent["read"].append(_timed(arm.read))
            spent["learn"].append(_timed(arm.learn))
    return {"seconds": seconds, "ours": ours.accuracy(), "script": script.accuracy(), "images": len(images.said)}


def report(found: Mapping[str, Any]) -> None:
    """Medians over the rounds, and the ratio of whole rounds."""
    seconds = found["seconds"]
    whole = {arm: [sum(one) for one in zip(*(of[step] for step in STEPS), strict=True)] for arm, of in seconds.items()}
    lines = [
        {
            "arm": arm,
            "images": found["images"],
            "rounds": len(whole[arm]),
            **{f"{step}_s": round(statistics.median(of[step]), 2) for step in STEPS},
            "round_s": round(statistics.median(whole[arm]), 2),
            "slowest_s": round(max(whole[arm]), 2),
            "accuracy": round(found[arm], 4),
        }
        for arm, of in seconds.items()
    ]
    ratio = sum(whole["ours"]) / sum(whole["script"])
    emit("loop", {"round_over_script": at_most(ratio, 0.3)}, lines)


class _Ours:
    """The product's steps, as the worker takes them."""

    def __init__(self, ground: Ground, images: Images) -> None:
        self.ground = ground
        parts = replace(ground.parts, engine_for=lambda project, use=None: cast(Any, MadeEngine()))
        self.made = PlayedProject(parts.settings.home, images, None, 0, query_size=BATCH, parts=parts)
        self.parts, self.project = parts, self.made.project

    def ask(self, _number: int) -> None:
        choose_query(self.parts, self.project.id, Trigger.ANSWERED, force=True)
        push(self.parts, self.project.id)

    def answer(self) -> None:
        with transaction(self.parts.database) as session:
            open_now = sa.select(PushRow.ls_task_id, ReviewRow.image_id, ReviewRow.id).join(
                ReviewRow, ReviewRow.id == PushRow.review_id
            )
            asked = session.execute(open_now.where(is_open(), ReviewRow.project_id == self.project.id)).all()
            session.add_all(ViewRow(review_id=review, at=self.parts.now()) for _, _, review in asked)  # they saw it
        names = self.project.config.classes
        _answer(self.ground.http, {task: names[self.made.said[ImageId(image)]] for task, image, _ in asked})

    def read(self) -> None:
        sync(self.parts, self.project.id)

    def learn(self) -> None:
        if learn.due(self.parts, self.project.id):
            learn.learn(self.parts, self.project.id, Trigger.ANSWERED)
            judge.judge(self.parts, self.project.id, Trigger.LEARNED)
            predict(self.parts, self.project.id)

    def accuracy(self) -> float:
        with reading(self.parts.database) as session:
            assert versions.champion(session, self.project.id) is not None
            labels = champion_labels(session, self.parts.settings.home, self.project.id)
        said = labels.said(np.arange(len(labels))).positions
        return float(np.mean([self.made.said[i] == k for i, k in zip(labels.image_ids.tolist(), said, strict=True)]))


class _Scripted:
    """The script, in a Label Studio project beside ours."""

    def __init__(self, ground: Ground, images: Images) -> None:
        self.ground, self.images = ground, images
        self.names = [f"class {number}" for number in range(images.n_classes)]
        config = replace(
            ground.project.config, labels=tuple(replace(ground.project.config.labels[0], name=n) for n in self.names)
        )
        body = {"title": "script", "label_config": labelling_config(config)}
        project = int(ground.http.post("/api/projects/", json=body).raise_for_status().json()["id"])
        sdk = Sdk(base_url=ground.studio.url, api_key=ground.studio.token, httpx_client=httpx.Client(timeout=600))
        self.script = Script(sdk, project, images.vectors, self.names)
        self.tasks: list[int] = []

    def ask(self, number: int) -> None:
        self.tasks = self.script.ask(BATCH, number)

    def answer(self) -> None:
        said = {task: self.names[int(self.images.said[self.script.rows[task]])] for task in self.tasks}
        _answer(self.ground.http, said)

    def read(self) -> None:
        self.script.read()

    def learn(self) -> None:
        self.script.learn()

    def accuracy(self) -> float:
        return float((self.script.predicted == self.images.said).mean())


def _answer(http: httpx.Client, said: Mapping[int, str]) -> None:
    """People answer these tasks in Label Studio."""
    for task, name in said.items():
        choice = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [name]}}
        http.post(f"/api/tasks/{task}/annotations/", json={"result": [choice], "lead_time": 2.0}).raise_for_status()


def _made(n: int, rng: np.random.Generator) -> Images:
    """Images of a few kinds a class; a fifth lie far from their kind."""
    truth, kind = rng.integers(CLASSES, size=n), rng.integers(KINDS, size=n)
    middles = rng.normal(size=(CLASSES, KINDS, DIMENSIONS)) / 4
    spread = np.where(rng.random(n) < 0.2, 1.5, 0.6)[:, None]
    vectors = (middles[truth, kind] + spread * rng.normal(size=(n, DIMENSIONS))).astype(np.float32)
    return Images(vectors, truth.astype(np.int64), CLASSES)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
