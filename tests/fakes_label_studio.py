"""A Label Studio in memory: the methods of the adapter, with the server's behaviour that push and sync rest on."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from labeling.adapters.label_studio import Changed, ProjectSettings, StudioProject, StudioTask, Webhook
from labeling.errors import Invalid, NotFound

__all__ = ["FakeLabelStudio"]


class FakeLabelStudio:
    """Ids rise and are never used again; every touch moves a task's time; a deleted task takes all with it."""

    def __init__(self) -> None:
        self.url = "http://127.0.0.1:8321"
        self.projects: dict[int, dict[str, Any]] = {}
        self.hooks: dict[int, dict[str, Any]] = {}
        self.tasks_there: dict[int, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self._last_id = 0
        self._clock = datetime(2026, 11, 21, 12, tzinfo=UTC)

    # what the adapter offers

    def find_project(self, marker: str) -> int | None:
        return next((i for i, p in self.projects.items() if marker == p["settings"].marker), None)

    def create_project(self, settings: ProjectSettings) -> int:
        project_id = self._id()
        self.projects[project_id] = {"settings": settings, "model_version": ""}
        return project_id

    def write_project(self, project_id: int, settings: ProjectSettings) -> None:
        self.calls.append("write_project")
        self.projects[project_id]["settings"] = settings

    def project(self, project_id: int) -> StudioProject:
        if project_id not in self.projects:
            raise NotFound("gone")
        found = self.projects[project_id]
        settings = found["settings"]
        return StudioProject(
            project_id, settings.title, settings.label_config, found["model_version"], "Uncertainty sampling",
            "IGNORE_SKIPPED", True, 1,
        )  # fmt: skip

    def set_model_version(self, project_id: int, model_version: str) -> None:
        versions = {p["model_version"] for task in self.tasks_there.values() for p in task["predictions"]}
        if model_version not in versions:
            raise Invalid("Model version doesn't exist")
        self.projects[project_id]["model_version"] = model_version

    def webhooks(self, project_id: int) -> list[Webhook]:
        return [
            Webhook(i, h["url"], h["headers"], tuple(h["actions"]), True)
            for i, h in self.hooks.items()
            if h["project"] == project_id
        ]

    def create_webhook(self, project_id: int, url: str, headers: dict[str, str], actions: Sequence[str]) -> int:
        hook_id = self._id()
        self.hooks[hook_id] = {"project": project_id, "url": url, "headers": headers, "actions": list(actions)}
        return hook_id

    def write_webhook(self, webhook_id: int, url: str, headers: dict[str, str], actions: Sequence[str]) -> None:
        self.hooks[webhook_id] |= {"url": url, "headers": headers, "actions": list(actions)}

    def import_tasks(self, project_id: int, tasks: Sequence[dict[str, Any]]) -> list[int]:
        made = []
        for body in tasks:
            task_id = self._id()
            self.tasks_there[task_id] = {
                "project": project_id, "data": dict(body["data"]), "annotations": {}, "predictions": [],
                "updated_at": self._tick(),
            }  # fmt: skip
            for prediction in body["predictions"]:
                self._predict(task_id, prediction)
            made.append(task_id)
        return made

    def import_predictions(self, project_id: int, predictions: Sequence[dict[str, Any]]) -> None:
        if any(body["task"] not in self.tasks_there for body in predictions):
            raise Invalid("unknown task")
        for body in predictions:
            self._predict(body["task"], body)

    def set_task_data(self, task_id: int, data: dict[str, Any]) -> None:
        self.tasks_there[task_id] |= {"data": data, "updated_at": self._tick()}

    def set_people(self, task_id: int, people: int) -> None:
        if task_id not in self.tasks_there:
            raise NotFound("gone")
        self.calls.append("set_people")
        self.tasks_there[task_id] |= {"people": people, "updated_at": self._tick()}

    def users(self) -> dict[int, str]:
        return {1: "ann@example.com", 2: "bob@example.com"}

    def tasks_after(self, project_id: int, task_id: int) -> dict[str, int]:
        self.calls.append("tasks_after")
        found = {t["data"]["external_id"]: i for i, t in reversed(self.tasks_there.items()) if i > task_id}
        return {token: i for token, i in found.items() if self.tasks_there[i]["project"] == project_id}

    def changed(self, project_id: int, since: datetime | None) -> list[Changed]:
        return [
            Changed(i, task["updated_at"], frozenset(task["annotations"]), dict(task["data"]))
            for i, task in self.tasks_there.items()
            if task["project"] == project_id and (since is None or task["updated_at"] > since)
        ]

    def tasks(self, project_id: int, task_ids: Sequence[int]) -> Iterator[StudioTask]:
        self.calls.append("tasks")
        for task_id in task_ids:
            if task_id in self.tasks_there:
                yield self._studio_task(task_id)

    # what people do there

    def answer(self, task_id: int, choice: str | None, user: int = 1) -> int:
        """Submit (None: skip); the event goes to `events`."""
        annotation_id, now = self._id(), self._tick()
        task = self.tasks_there[task_id]
        task["annotations"][annotation_id] = {
            "id": annotation_id, "completed_by": user, "created_at": now.isoformat(), "updated_at": now.isoformat(),
            "was_cancelled": choice is None, "result": _result(choice), "lead_time": 2.0, "parent_prediction": None,
        }  # fmt: skip
        task["updated_at"] = now
        self.events.append({"action": "ANNOTATION_CREATED", "tasks": [task_id], "annotations": [annotation_id]})
        return annotation_id

    def change(self, annotation_id: int, choice: str | None) -> None:
        task_id, annotation = self._find(annotation_id)
        now = self._tick()
        annotation |= {"result": _result(choice), "was_cancelled": choice is None, "updated_at": now.isoformat()}
        self.tasks_there[task_id]["updated_at"] = now
        self.events.append({"action": "ANNOTATION_UPDATED", "tasks": [task_id], "annotations": [annotation_id]})

    def delete(self, annotation_id: int) -> None:
        task_id, _ = self._find(annotation_id)
        del self.tasks_there[task_id]["annotations"][annotation_id]
        self.tasks_there[task_id]["updated_at"] = self._tick()
        self.events.append({"action": "ANNOTATIONS_DELETED", "tasks": [], "annotations": [annotation_id]})

    def delete_task(self, task_id: int) -> None:
        del self.tasks_there[task_id]
        self.events.append({"action": "TASKS_DELETED", "tasks": [task_id], "annotations": []})

    def next_task(self, project_id: int, user: int | None = None) -> int | None:
        """As "Uncertainty sampling" does: the lowest score of the version shown, among what nobody did.

        With `user`: among what this person did not, and fewer people did than the task asks for.
        """
        version = self.projects[project_id]["model_version"]
        scores = {
            i: next((p["score"] for p in reversed(t["predictions"]) if p["model_version"] == version), 2.0)
            for i, t in self.tasks_there.items()
            if t["project"] == project_id and _is_served(t, user)
        }
        return min(scores, key=scores.__getitem__, default=None)

    def _find(self, annotation_id: int) -> tuple[int, dict[str, Any]]:
        return next(
            (i, t["annotations"][annotation_id])
            for i, t in self.tasks_there.items()
            if annotation_id in t["annotations"]
        )

    def _predict(self, task_id: int, body: dict[str, Any]) -> None:
        made = {"id": self._id(), "created_at": self._tick().isoformat()}
        wanted = {name: body[name] for name in ("result", "score", "model_version")}
        task = self.tasks_there[task_id]
        task["predictions"].append({**made, **wanted})
        task["updated_at"] = self._tick()

    def _studio_task(self, task_id: int) -> StudioTask:
        task = copy.deepcopy(self.tasks_there[task_id])
        data = task["data"]
        return StudioTask(
            task_id, data["external_id"], data["image"], data, tuple(task["annotations"].values()),
            tuple(task["predictions"]), task["updated_at"],
        )  # fmt: skip

    def _id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _tick(self) -> datetime:
        self._clock += timedelta(seconds=1)
        return self._clock


def _is_served(task: dict[str, Any], user: int | None) -> bool:
    people = {annotation["completed_by"] for annotation in task["annotations"].values()}
    return not people if user is None else user not in people and len(people) < task.get("people", 1)


def _result(choice: str | None) -> list[dict[str, Any]]:
    if choice is None:
        return []
    return [{"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [choice]}}]
