"""Reads what tasks pre-select, for Label Studio's ML-backend protocol, and registers tasks made in Label Studio.

In: a project and tasks. Out: one prediction each, in their order, ready to be sent. One thread reads for all requests:
many threads that each read a little wait for each other (with one, the median answer to 8 connections came in a third
of the time).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.images import adopted_tasks
from db.repositories.projects import projects
from db.repositories.reviews import displayed_predictions
from db.repositories.reviews.displayed_predictions import Order, Shown
from db.session import reading, transaction
from labeling.jobs import JobName, Trigger
from labeling.review.controls import OURS, Controls
from labeling.review.payloads import Suggestion, suggested
from labeling.types import ProjectId
from service.jobs.jobs import Jobs
from service.label_studio.adopted_tasks import take_in

NO_ORDER_YET = "v0"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LARGEST = 2**53


class Task(msgspec.Struct):
    """A task as Label Studio sends it; its other fields are ignored."""

    id: Any = None
    data: dict[str, Any] = {}
    annotations: Any = None

    @property
    def key(self) -> str:
        """The key of one of our tasks; empty for any other task."""
        key = self.data.get("external_id")
        return key if isinstance(key, str) and _TOKEN.fullmatch(key) else ""

    @property
    def number(self) -> int:
        """The number of a task that Label Studio stores; 0 for any other."""
        stored = isinstance(self.id, int) and not isinstance(self.id, bool) and 0 < self.id < _LARGEST
        return self.id if stored else 0


class Predictions:
    """One thread that reads; `close` ends it. The answers of a project never change, so they are read once."""

    def __init__(self, database: sa.Engine, jobs: Jobs, now: Callable[[], datetime]) -> None:
        self._database, self._jobs, self._now = database, jobs, now
        self._choices: dict[ProjectId, tuple[str, ...]] = {}
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="predictions")

    def of(self, project_id: ProjectId, tasks: list[Task]) -> Future[bytes]:
        """The body of the answer; NotFound comes with it if there is no such project."""
        return self._reader.submit(self._predict, project_id, tasks)

    def close(self) -> None:
        self._reader.shutdown(cancel_futures=True)

    def _predict(self, project_id: ProjectId, tasks: list[Task]) -> bytes:
        with reading(self._database) as session:
            choices, order = self._choices_of(session, project_id), displayed_predictions.order_of(session, project_id)
            ours = displayed_predictions.by_token(session, project_id, [task.key for task in tasks if task.key])
            others = [task for task in tasks if task.key not in ours]
            numbered = displayed_predictions.by_task(
                session, project_id, [task.number for task in others if task.number]
            )
            unknown = _not_taken_in(session, project_id, order, others)
        if unknown:
            self._take_in(project_id, unknown)
        predicted = [ours.get(task.key) or numbered.get(task.number) for task in tasks]
        version = order.model_version or NO_ORDER_YET
        controls = OURS if order.controls is None else Controls(**order.controls)
        results = [suggested(_valid(one, choices), version, choices, controls) for one in predicted]
        return msgspec.json.encode({"results": results})

    def _choices_of(self, session: Session, project_id: ProjectId) -> tuple[str, ...]:
        if project_id not in self._choices:
            self._choices[project_id] = projects.by_id(session, project_id).config.answers.choices
        return self._choices[project_id]

    def _take_in(self, project_id: ProjectId, tasks: Sequence[dict[str, Any]]) -> None:
        """Note them, and ask for the job that fetches their images."""
        with transaction(self._database) as session:
            if take_in(session, projects.by_id(session, project_id), tasks, self._now()):
                self._jobs.ask(session, JobName.INGEST, project_id, Trigger.INGESTED)


def _valid(shown: Shown | None, choices: Sequence[str]) -> Suggestion:
    """Nothing is pre-selected in an unknown task, nor a class that was removed; unknown tasks come last."""
    if shown is None:
        return Suggestion(None, displayed_predictions.LAST)
    return Suggestion(shown.answer if shown.answer in choices else None, shown.score)


def _not_taken_in(session: Session, project_id: ProjectId, order: Order, tasks: Sequence[Task]) -> list[dict[str, Any]]:
    """Those that are neither ours nor noted; a project that is not in Label Studio yet can take none in."""
    numbered = {task.number: task for task in tasks if task.number}
    if order.ls_project_id is None or not numbered:
        return []
    known = adopted_tasks.known_tasks(session, project_id, order.ls_project_id, list(numbered))
    return [
        {"id": number, "data": {**task.data, "external_id": task.key}, "annotations": task.annotations}
        for number, task in numbered.items()
        if number not in known
    ]
