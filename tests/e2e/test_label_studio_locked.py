"""A real Label Studio whose SQLite is locked while tasks come: no task stays without its prediction."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from db.repositories.reviews import label_studio as places
from db.repositories.reviews.label_studio import Place
from db.session import reading, transaction
from db.tables import PushRow
from labeling.adapters.label_studio.client import Imported, LabelStudio
from labeling.project import Project
from labeling.types import ReviewKind
from service.operations.label_studio_server import find_program
from service.work.review.push import push
from service.work.wiring import Parts
from tests.e2e.conftest import ROOT, free_port
from tests.label_studio_server import LabelStudioServer, start
from tests.reviewing import ask, make_parts, rows_of

KINDS = [ReviewKind.HARD, ReviewKind.RANDOM]
PROBS = [[0.4, 0.35, 0.25], [0.8, 0.1, 0.1]]
LOCKED_S = 7.0
"""Longer than the 5 s that Label Studio's SQLite waits as delivered."""


class Watched(LabelStudio):
    """Notes what each import answers, and has the database locked at the moment of the import that is asked for."""

    def __init__(self, server: LabelStudioServer, lock: Callable[[], None]) -> None:
        super().__init__(server.url, server.token, timeout_s=90)
        self.answers: list[tuple[int, Imported]] = []
        self.lock, self.locking = lock, False

    def import_tasks(self, project_id: int, tasks: Any) -> Imported:
        if self.locking:
            self.lock()
        made = super().import_tasks(project_id, tasks)
        self.answers.append((sum(len(task["predictions"]) for task in tasks), made))
        return made


@pytest.fixture
def server(embedded: bool, tmp_path: Path) -> Iterator[LabelStudioServer]:
    template = Path(tempfile.gettempdir()) / "hardcase-label-studio-template"
    program, folder = find_program(ROOT), tmp_path / "studio"
    running = start(program, folder, free_port(), template=template, as_delivered=not embedded)
    yield running
    running.stop()


@pytest.mark.parametrize("embedded", [False, True])
def test_an_import_into_a_locked_database_leaves_no_task_without_its_prediction(
    embedded: bool,
    server: LabelStudioServer,
    database: sa.Engine,
    make_project: Callable[..., Project],
    tmp_path: Path,
) -> None:
    studio = Watched(server, lambda: _lock(server))
    parts, project = make_parts(database, tmp_path, studio), make_project(database)
    with transaction(database) as session:
        ask(session, project, 1, KINDS, probs=PROBS)
    push(parts, project.id)
    with transaction(database) as session:
        ask(session, project, 2, KINDS, probs=PROBS)
    studio.locking = True

    push(parts, project.id)

    sent, answer = studio.answers[-1]
    place = _place(parts, project)
    tasks = [row.ls_task_id for row in rows_of(database, PushRow)]
    shown = [
        [p for p in task.predictions if p["model_version"] == place.model_version]
        for task in studio.tasks(place.ls_project_id, tasks)
    ]
    assert _journal(server) == ("wal" if embedded else "delete")
    assert answer.predictions == (sent if embedded else 0)  # as delivered it answers 201 and has lost them
    assert [len(of_task) for of_task in shown] == [1] * 4
    assert sorted(len(of_task[0]["result"]) for of_task in shown) == [0, 0, 1, 1]
    assert all(of_task[0]["score"] is not None for of_task in shown)
    assert studio.without_prediction(place.ls_project_id, str(place.model_version)) == set()
    parts.jobs.close()
    studio.close()


def _journal(server: LabelStudioServer) -> str:
    with closing(sqlite3.connect(server.folder / "label_studio.sqlite3")) as database:
        return str(database.execute("PRAGMA journal_mode").fetchone()[0])


def _lock(server: LabelStudioServer) -> None:
    """Hold the write lock of its database from now on for a while, as a busy Label Studio does itself."""
    held = threading.Event()

    def hold() -> None:
        with closing(sqlite3.connect(server.folder / "label_studio.sqlite3", isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            held.set()
            time.sleep(LOCKED_S)
            database.execute("ROLLBACK")

    threading.Thread(target=hold, daemon=True).start()
    assert held.wait(30)


def _place(parts: Parts, project: Project) -> Place:
    with reading(parts.database) as session:
        place = places.get(session, project.id)
    assert place is not None
    return place
