"""Bringing 10,000 tasks with predictions to a real Label Studio and their annotations back (P7); what sweeps cost it.

Ours pushes and syncs as the worker does. The floor is Label Studio's own bulk import of the same bodies into a project
beside it, round by round, and its own export on the way back. The peer is the loop of the SDK's documentation, one task
and one prediction a call, on a sample. Then nothing changes any more, and the sweeps are weighed: seconds of calls to
Label Studio over the time between sweeps.

python -m bench.sync [--quick]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
from label_studio_sdk import LabelStudio as Sdk
from pydantic import SecretStr

from bench.report import at_least, at_most, emit
from bench.webhook import free_port
from db.repositories.projects import projects
from db.repositories.reviews import label_studio
from db.repositories.reviews.reviews import is_current
from db.session import reading, transaction
from db.tables import AnnotationRow, GroupRow, ImageRow, PrelabelRow, QueryRow, ReviewRow, ViewRow
from labeling.project import LabelClass, Policy, Project, ProjectConfig
from labeling.review.config import labelling_config
from service.operations.label_studio_server import find_program
from service.schema import bring_to_head
from service.settings import Settings
from service.work.review.push import ACTIVE, push
from service.work.review.sync import sync
from service.work.wiring import Parts, make_parts
from service.work.workflows import FULL_SWEEP_EVERY
from tests.label_studio_server import LabelStudioServer, start

CLASSES = ("cat", "dog", "bird")
SWEEP_EVERY_S = Settings.model_fields["sweep_every_s"].default
TEMPLATE = Path(tempfile.gettempdir()) / "hardcase-label-studio-template"


@dataclass(frozen=True, slots=True)
class Ground:
    """A running Label Studio, our parts that talk to it, and a project of ours."""

    studio: LabelStudioServer
    parts: Parts
    project: Project
    http: httpx.Client

    @property
    def ls_project(self) -> int:
        with reading(self.parts.database) as session:
            place = label_studio.get(session, self.project.id)
        assert place is not None
        return place.ls_project_id


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="600 tasks, a sample of 10")
    quick = parser.parse_args().quick
    tasks, sample = (600, 10) if quick else (10_000, 100)
    with tempfile.TemporaryDirectory(prefix="bench-sync") as folder:
        ground = make_ground(Path(folder))
        try:
            report(ground, there_and_back(ground, tasks, min(ACTIVE, tasks // 2)), sdk_loop(ground, sample), tasks)
        finally:
            ground.http.close()
            ground.parts.jobs.close()
            ground.parts.label_studio.close()
            ground.studio.stop()


def report(ground: Ground, seconds: dict[str, float], per_task_s: float, tasks: int) -> None:
    """Print what was measured, and what the sweeps cost now that nothing changes."""
    lost, doubled = compare(ground)
    ordinary = weigh(lambda: sweep(ground, full=False), 5)
    full = weigh(lambda: sweep(ground, full=True), 1)
    share = ((FULL_SWEEP_EVERY - 1) * ordinary + full) / (FULL_SWEEP_EVERY * SWEEP_EVERY_S)
    lines: list[dict[str, Any]] = [
        {"arm": "hardcase", "tasks": tasks, "push_s": seconds["push"], "sync_s": seconds["sync"],
         "sync_over_export": round(seconds["sync"] / seconds["export"], 2)},
        {"arm": "label studio alone", "import_s": seconds["import"], "export_s": seconds["export"]},
        {"arm": "sdk, a task a call", "tasks_per_s": round(1 / per_task_s, 2)},
        {"arm": "sweep, nothing changed", "ordinary_s": ordinary, "full_s": full, "full_every": FULL_SWEEP_EVERY,
         "every_s": SWEEP_EVERY_S},
    ]  # fmt: skip
    emit(
        "sync",
        {
            "push_over_bulk_import": at_most(seconds["push"] / seconds["import"], 1.1),
            "sdk_loop_over_push": at_least(per_task_s * tasks / seconds["push"], 20),
            "lost": at_most(lost, 0),
            "doubled": at_most(doubled, 0),
            "sweeps_share_of_label_studios_time": at_most(share, 0.01),
        },
        lines,
    )


def there_and_back(ground: Ground, tasks: int, batch: int) -> dict[str, float]:
    """Round by round, as many as Label Studio holds at once: push, the floor, people accept in bulk, sync."""
    spent: defaultdict[str, float] = defaultdict(float)
    beside = _project_beside(ground)
    for first in range(0, tasks, batch):
        ask(ground, first, min(batch, tasks - first))
        spent["push"] += timed(lambda: push(ground.parts, ground.project.id))
        bodies = _bodies(ground, first)
        spent["import"] += timed(lambda: _import(ground, beside, bodies))  # noqa: B023 - called at once
        _accept_all(ground, first)
        spent["sync"] += timed(lambda: sync(ground.parts, ground.project.id))
    spent["export"] = timed(lambda: _export(ground))
    return {name: round(value, 2) for name, value in spent.items()}


def sdk_loop(ground: Ground, sample: int) -> float:
    """Seconds a task, as the SDK's documentation makes tasks and predictions one by one."""
    beside = _project_beside(ground)
    bodies = _bodies(ground, 0)[:sample]
    with httpx.Client(timeout=300) as client:
        sdk = Sdk(base_url=ground.studio.url, api_key=ground.studio.token, httpx_client=client)

        def loop() -> None:
            for body in bodies:
                task = sdk.tasks.create(project=beside, data=body["data"])
                found = body["predictions"][0]
                sdk.predictions.create(
                    task=task.id, result=found["result"], score=found["score"], model_version=found["model_version"]
                )

        return timed(loop) / sample


def compare(ground: Ground) -> tuple[int, int]:
    """Annotations of Label Studio's export that the ledger lacks, and those that it holds too many."""
    said = Counter(int(a["id"]) for task in _export(ground) for a in task["annotations"])
    with reading(ground.parts.database) as session:
        held = Counter(session.scalars(sa.select(AnnotationRow.ls_annotation_id).where(is_current())))
    return (said - held).total(), (held - said).total()


def sweep(ground: Ground, *, full: bool) -> None:
    """What the job `review` does when the sweep asks for it."""
    sync(ground.parts, ground.project.id, full=full)
    push(ground.parts, ground.project.id)


def weigh(work: Callable[[], object], rounds: int) -> float:
    """The median of several turns, after one that does not count."""
    work()
    return round(sorted(timed(work) for _ in range(rounds))[rounds // 2], 3)


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


# --- the ground -----------------------------------------------------------------------------------------


def make_ground(folder: Path) -> Ground:
    """A fresh Label Studio and a fresh home with one project."""
    studio = start(find_program(Path(__file__).parents[1]), folder / "label-studio", free_port(), template=TEMPLATE)
    settings = Settings(
        home=folder,
        secret=SecretStr("0123456789abcdef" * 3),
        label_studio_url=studio.url,
        label_studio_token=SecretStr(studio.token),
        label_studio_timeout_s=300,
        port=free_port(),
    )
    parts = make_parts(settings)
    parts = replace(parts, now=lambda: datetime.now(UTC))
    bring_to_head(parts.database)
    config = ProjectConfig("bench", tuple(LabelClass(name) for name in CLASSES), policy=Policy(engine="scripted"))
    with transaction(parts.database) as session:
        project = projects.create(session, config, salt="salt", author="bench", now=datetime.now(UTC))
    http = httpx.Client(base_url=studio.url, headers={"Authorization": f"Token {studio.token}"}, timeout=600)
    return Ground(studio, parts, project, http)


def ask(ground: Ground, first: int, count: int) -> None:
    """One query about so many new images, each with a pre-label; written straight into the tables."""
    now, project = datetime.now(UTC), ground.project.id
    ids = range(first + 1, first + count + 1)
    with transaction(ground.parts.database) as session:
        query = QueryRow(
            project_id=project, number=first + 1, strategy="margin", seed=0, version_id=None, pool_size=count,
            trigger="by hand", created_at=now,
        )  # fmt: skip
        session.add(query)
        session.flush()
        rows: Sequence[tuple[type[Any], Callable[[int], dict[str, Any]]]] = (
            (GroupRow, lambda i: {"id": i, "project_id": project, "founder_hash": f"{i:064x}", "position": 0.9,
                                  "created_at": now}),
            (ImageRow, lambda i: {"id": i, "project_id": project, "content_hash": f"{i:064x}",
                                  "format": "PNG", "width": 640, "height": 480,
                                  "size_bytes": 1, "text": f"Seen at gate {i % 11}.", "details": {}, "group_id": i,
                                  "fetched_at": now}),
            (PrelabelRow, lambda i: {"image_id": i, "engine": "scripted", "revision": "one", "description": "",
                                     "probs": [0.2 + (i % 50) / 100, 0.5 - (i % 50) / 100, 0.3], "duration_s": 0.0,
                                     "cost_micro": 0, "outcome": "label", "answer": None, "evidence": {},
                                     "created_at": now}),
            (ReviewRow, lambda i: {"id": i, "project_id": project, "image_id": i, "query_id": query.id, "kind": "hard",
                                   "blind": False, "probability": 1.0, "place": 0.5, "token": f"{i:032x}",
                                   "created_at": now}),
            (ViewRow, lambda i: {"review_id": i, "at": now}),
        )  # fmt: skip
        for table, row in rows:
            session.connection().execute(sa.insert(table.__table__), [row(i) for i in ids])


def _project_beside(ground: Ground) -> int:
    """An empty project set up like ours."""
    body = {"title": "beside", "label_config": labelling_config(ground.project.config)}
    return int(ground.http.post("/api/projects/", json=body).raise_for_status().json()["id"])


def _bodies(ground: Ground, first: int) -> list[dict[str, Any]]:
    """The tasks from one of ours on, as Label Studio has them, in the form in which they were imported."""
    tasks = [t.task_id for t in ground.parts.label_studio.changed(ground.ls_project, None)][first:]
    return [
        {"data": task.data, "predictions": [
            {name: found[name] for name in ("result", "score", "model_version")} for found in task.predictions
        ]}
        for task in ground.parts.label_studio.tasks(ground.ls_project, tasks)
    ]  # fmt: skip


def _import(ground: Ground, project: int, bodies: list[dict[str, Any]]) -> None:
    ground.http.post(f"/api/projects/{project}/import", json=bodies).raise_for_status()


def _accept_all(ground: Ground, first: int) -> None:
    """Annotations from predictions, for all tasks of this round, by Label Studio's own action."""
    tasks = [t.task_id for t in ground.parts.label_studio.changed(ground.ls_project, None)][first:]
    body = {"selectedItems": {"all": False, "included": tasks}}
    params: dict[str, str | int] = {"id": "predictions_to_annotations", "project": ground.ls_project}
    ground.http.post("/api/dm/actions", params=params, json=body).raise_for_status()


def _export(ground: Ground) -> list[dict[str, Any]]:
    params = {"exportType": "JSON", "download_all_tasks": "true"}
    answer = ground.http.get(f"/api/projects/{ground.ls_project}/export", params=params)
    found: list[dict[str, Any]] = json.loads(answer.raise_for_status().content)
    return found


if __name__ == "__main__":
    main()
