"""A real worker, killed with SIGKILL at every point where a step writes, loses nothing and doubles nothing."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from db.repositories import label_studio as places
from db.repositories import projects, versions
from db.session import reading
from db.tables import (
    AnnotationRow,
    FetchRow,
    ImageRow,
    PredictionFileRow,
    PrelabelRow,
    PromotionRow,
    PushRow,
    ReviewRow,
    VersionRow,
)
from labeling.types import Project
from service.demo.annotators import Account, Annotators
from service.work.classifiers import load_classifier
from service.work.failpoints import NAMES
from service.work.snapshots import rebuild_snapshot
from tests.e2e.conftest import RealLabelStudio
from tests.e2e.running import Hardcase, make_pictures, running_hardcase, wait_until

CLASSES = ("cat", "dog", "bird")
IMAGES = 48
PROJECT = f"""
name: killed
labels: [{", ".join(CLASSES)}]
policy:
  engine: scripted
  query_size: 12
  low_water: 6
  learn_after_labels: 4
  gate: {{min_labels: 2, margin: 0.5}}
  shares: {{evaluation_until_target: 0.3, control: 0.1, calibration: 0.1}}
"""


def test_a_worker_killed_at_every_point_loses_nothing_and_doubles_nothing(
    label_studio: RealLabelStudio, tmp_path: Path
) -> None:
    make_pictures(tmp_path / "pictures", IMAGES, CLASSES)
    (tmp_path / "project.yaml").write_text(PROJECT)
    with running_hardcase(label_studio, tmp_path / "home") as hardcase:
        hardcase.cli("project", "create", str(tmp_path / "project.yaml"))
        hardcase.cli("ingest", "killed", str(tmp_path / "pictures"), "--no-wait")
        annotators: Annotators | None = None

        for name in NAMES:
            if annotators is None and name.startswith("sync"):
                annotators = _people(hardcase, label_studio)
                annotators.__enter__()
            _kill_at(hardcase, name)
        assert annotators is not None
        _finish(hardcase, annotators)

        _assert_nothing_lost_or_doubled(hardcase, label_studio)


def _kill_at(hardcase: Hardcase, name: str) -> None:
    """Run a worker until the failpoint kills it; it must get there."""
    worker = hardcase.start_worker(failpoint=name)
    try:
        wait_until(lambda: worker.poll() is not None, f"the worker dies at {name}: {hardcase.words_of_the_worker()}")
    finally:
        if worker.poll() is None:
            worker.kill()
        worker.wait()
    assert worker.returncode == -9, f"{name}: {hardcase.words_of_the_worker()}"


def _people(hardcase: Hardcase, label_studio: RealLabelStudio) -> Annotators:
    account = label_studio.make_annotator()
    with reading(hardcase.database) as session:
        place = places.get(session, projects.by_name(session, "killed").id)
    assert place is not None
    return Annotators(
        label_studio.url,
        place.ls_project_id,
        [Account(account.email, account.password)],
        lambda task: str(task["data"]["text"]),
        pause_s=0.0,
    )


def _finish(hardcase: Hardcase, annotators: Annotators) -> None:
    """Let one worker live until all that people answered has come back and nothing moves any more."""
    worker = hardcase.start_worker()
    try:
        wait_until(lambda: _count(hardcase, PredictionFileRow) >= 1, "the pool is predicted")
        annotators.stop()
        annotators.check()
        seen = -1
        while seen != (seen := _count(hardcase, AnnotationRow)) or not seen:
            time.sleep(6)
        assert worker.poll() is None, hardcase.words_of_the_worker()
    finally:
        worker.terminate()
        assert worker.wait(20) == 0


def _assert_nothing_lost_or_doubled(hardcase: Hardcase, label_studio: RealLabelStudio) -> None:
    with reading(hardcase.database) as session:
        project = projects.by_name(session, "killed")
        place = places.get(session, project.id)
        champion = versions.champion(session, project.id)
        recorded = Counter(session.scalars(sa.select(AnnotationRow.unique_id)))
        pushed = set(session.scalars(sa.select(PushRow.ls_task_id)))
        verdicts = Counter(session.scalars(sa.select(PromotionRow.version_id)))
        snapshots = session.scalars(sa.select(VersionRow.snapshot_hash)).all()
    assert place is not None and champion is not None
    exported = _export(label_studio, place.ls_project_id)

    assert [_count(hardcase, table) for table in (ImageRow, FetchRow, PrelabelRow)] == [IMAGES] * 3
    assert _count(hardcase, ReviewRow) == len(pushed)
    assert {task["id"] for task in exported} == pushed
    assert len({task["data"]["external_id"] for task in exported}) == len(exported)
    assert recorded == Counter(a["unique_id"] for task in exported for a in task["annotations"])
    assert set(recorded.values()) == {1}
    assert set(verdicts.values()) == {1}
    assert len(set(snapshots)) == len(snapshots)
    _assert_the_champion_is_whole(hardcase, project)


def _assert_the_champion_is_whole(hardcase: Hardcase, project: Project) -> None:
    """Its files hash to its card (load_classifier checks), and its training set comes back to the same hash."""
    with reading(hardcase.database) as session:
        champion = versions.champion(session, project.id)
        assert champion is not None
        again = rebuild_snapshot(session, project, champion)
    classifier, card = load_classifier(hardcase.home, champion)

    assert again.hash == champion.snapshot_hash
    assert tuple(card.classes) == CLASSES
    assert classifier is not None


def _export(label_studio: RealLabelStudio, ls_project: int) -> list[dict[str, Any]]:
    answer = httpx.get(
        f"{label_studio.url}/api/projects/{ls_project}/export",
        params={"exportType": "JSON", "download_all_tasks": "true"},
        headers={"Authorization": f"Token {label_studio.token}"},
        timeout=60,
    )
    found: list[dict[str, Any]] = answer.raise_for_status().json()
    return found


def _count(hardcase: Hardcase, table: type[Any]) -> int:
    with reading(hardcase.database) as session:
        return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0
