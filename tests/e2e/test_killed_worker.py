"""A real worker, killed with SIGKILL at every point where a step writes, loses nothing and doubles nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from db.repositories.projects import projects
from db.repositories.reviews import label_studio as places
from db.repositories.versions import versions
from db.session import reading
from db.tables import (
    AnnotationRow,
    FetchRow,
    ImageRow,
    PredictionFileRow,
    PrelabelRow,
    PromotionRow,
    PushRow,
    VersionRow,
)
from labeling.project import Project
from service.demo.annotators import Account, Annotators
from service.work.failpoints import NAMES
from service.work.pool.saved_versions import load_classifier
from service.work.pool.training_set import rebuild_snapshot
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
  shares: {{random_first: 0.4}}
"""
ESCALATION = """
  escalation: [{engine: scripted, templates: ["again, {name}"], below_margin: 1.0}]
"""


@pytest.mark.timeout(1200)  # some twenty worker starts, of a few seconds each
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
            if name == "escalate.before_write":
                _escalate(hardcase, tmp_path)
            if annotators is None and name.startswith("sync"):
                annotators = _people(hardcase, label_studio)
                annotators.__enter__()
            _kill_at(hardcase, name)
        assert annotators is not None
        _finish(hardcase, label_studio, annotators)

        _assert_nothing_lost_or_doubled(hardcase, label_studio)


def _kill_at(hardcase: Hardcase, name: str) -> None:
    """Run a worker until the failpoint kills it; it must get there."""
    worker = hardcase.start_worker(failpoint=name)
    try:
        wait_until(lambda: worker.poll() is not None, f"the worker dies at {name}", 180)
    finally:
        if worker.poll() is None:
            worker.kill()
        worker.wait()
    assert worker.returncode == -9, f"{name}: {hardcase.words_of_the_worker()}"


def _escalate(hardcase: Hardcase, folder: Path) -> None:
    """Let a second engine look at everything that no person has labelled; until now there was nothing for it to do."""
    (folder / "project.yaml").write_text(PROJECT.rstrip() + ESCALATION)
    hardcase.cli("project", "edit", "killed", str(folder / "project.yaml"), "--reason", "a second opinion")


def _people(hardcase: Hardcase, label_studio: RealLabelStudio) -> Annotators:
    account = label_studio.make_annotator()
    return Annotators(
        label_studio.url,
        _ls_project(hardcase),
        [Account(account.email, account.password)],
        lambda account, task: str(task["data"]["text"]),
        pause_s=0.0,
    )


def _finish(hardcase: Hardcase, label_studio: RealLabelStudio, annotators: Annotators) -> None:
    """Let one worker live until the people have stopped and everything that they answered has come back."""
    worker = hardcase.start_worker()
    try:
        wait_until(lambda: f"pid={worker.pid}" in hardcase.words_of_the_worker(), "the worker is ready")
        wait_until(lambda: _count(hardcase, PredictionFileRow) >= 1, "the pool is predicted")
        annotators.stop()
        annotators.check()
        wait_until(lambda: _recorded(hardcase) == _answered(hardcase, label_studio), "all answers are recorded", 120)
        assert worker.poll() is None, hardcase.words_of_the_worker()
    finally:
        worker.terminate()
        code = worker.wait(20)
    assert code == 0, hardcase.words_of_the_worker()


def _assert_nothing_lost_or_doubled(hardcase: Hardcase, label_studio: RealLabelStudio) -> None:
    with reading(hardcase.database) as session:
        project = projects.by_name(session, "killed")
        pushed = set(session.scalars(sa.select(PushRow.ls_task_id)))
        verdicts = Counter(session.scalars(sa.select(PromotionRow.version_id)))
        snapshots = session.scalars(sa.select(VersionRow.snapshot_hash)).all()
        rows = session.execute(sa.select(PrelabelRow.image_id, PrelabelRow.revision))
        looked = Counter((image, revision) for image, revision in rows)
        by_engine = Counter(revision for _, revision in looked.elements())
    exported = _export(hardcase, label_studio)

    assert [_count(hardcase, table) for table in (ImageRow, FetchRow)] == [IMAGES] * 2
    assert set(looked.values()) == {1}
    assert sorted(by_engine.values()) == [IMAGES, IMAGES]
    assert {task["id"] for task in exported} >= pushed
    assert len({task["data"]["external_id"] for task in exported}) == len(exported)
    assert _recorded(hardcase) == _answered(hardcase, label_studio)
    assert set(_recorded(hardcase).values()) == {1}
    assert max(verdicts.values()) <= 2  # "not yet known" may be followed by one verdict
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
    assert tuple(card.facts.classes) == CLASSES
    assert classifier is not None


def _recorded(hardcase: Hardcase) -> Counter[int]:
    """How often each of Label Studio's annotations stands in our ledger."""
    with reading(hardcase.database) as session:
        return Counter(session.scalars(sa.select(AnnotationRow.ls_annotation_id)))


def _answered(hardcase: Hardcase, label_studio: RealLabelStudio) -> Counter[int]:
    """The same, in Label Studio's own words."""
    return Counter(int(a["id"]) for task in _export(hardcase, label_studio) for a in task["annotations"])


def _export(hardcase: Hardcase, label_studio: RealLabelStudio) -> list[dict[str, Any]]:
    answer = httpx.get(
        f"{label_studio.url}/api/projects/{_ls_project(hardcase)}/export",
        params={"exportType": "JSON", "download_all_tasks": "true"},
        headers={"Authorization": f"Token {label_studio.token}"},
        timeout=60,
    )
    found: list[dict[str, Any]] = answer.raise_for_status().json()
    return found


def _ls_project(hardcase: Hardcase) -> int:
    with reading(hardcase.database) as session:
        place = places.get(session, projects.by_name(session, "killed").id)
    assert place is not None
    return place.ls_project_id


def _count(hardcase: Hardcase, table: type[Any]) -> int:
    with reading(hardcase.database) as session:
        return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0
