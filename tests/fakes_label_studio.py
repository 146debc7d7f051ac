"""A Label Studio in memory: the methods of the adapter, with the server's behaviour that push and sync rest on."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from labeling.adapters.label_studio.client import Changed, Imported, ProjectSettings, StudioProject, StudioTask, Webhook
from labeling.errors import Invalid, LabelStudioUnavailable, NotFound

__all__ = ["FakeLabelStudio"]


class FakeLabelStudio:
    """Every touch moves a task's time; a deleted task takes all with it.

    Ids rise, each kind's alone, and are used again only after `restore`. `next_import` says how the next import goes
    wrong: its answer is lost, it comes late, or its tasks are made without their predictions.
    """

    def __init__(self, first_id: int = 1) -> None:
        self.url = "http://127.0.0.1:8321"
        self.projects: dict[int, dict[str, Any]] = {}
        self.hooks: dict[int, dict[str, Any]] = {}
        self.tasks_there: dict[int, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.next_import: Literal["well", "answer lost", "late", "no predictions"] = "well"
        self.away = False
        self._late: list[tuple[int, Sequence[dict[str, Any]]]] = []
        self._last_ids = dict.fromkeys(("project", "hook", "task", "annotation", "prediction"), first_id - 1)
        self._clock = datetime(2026, 11, 21, 12, tzinfo=UTC)

    # what the adapter offers

    def find_project(self, marker: str) -> int | None:
        return next((i for i, p in self.projects.items() if marker == p["settings"].marker), None)

    def create_project(self, settings: ProjectSettings) -> int:
        project_id = self._id("project")
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
            id=project_id,
            title=settings.title,
            show_predictions=True,
            maximum_annotations=1,
            label_config=settings.label_config,
            model_version=found["model_version"],
            sampling="Uncertainty sampling",
            skip_queue="IGNORE_SKIPPED",
            instructions=settings.instructions,
            description=settings.marker,
        )

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
        hook_id = self._id("hook")
        self.hooks[hook_id] = {"project": project_id, "url": url, "headers": headers, "actions": list(actions)}
        return hook_id

    def write_webhook(self, webhook_id: int, url: str, headers: dict[str, str], actions: Sequence[str]) -> None:
        self.hooks[webhook_id] |= {"url": url, "headers": headers, "actions": list(actions)}

    def import_tasks(self, project_id: int, tasks: Sequence[dict[str, Any]]) -> Imported:
        how, self.next_import = self.next_import, "well"
        if how == "late":
            self._late.append((project_id, copy.deepcopy(tasks)))
        else:
            sent = [{**body, "predictions": []} for body in tasks] if how == "no predictions" else tasks
            made = self._import(project_id, sent)
        if how in ("answer lost", "late"):
            raise LabelStudioUnavailable("no answer came", maybe_done=True)
        return Imported(tuple(made), sum(len(self.tasks_there[task]["predictions"]) for task in made))

    def import_late(self) -> None:
        """What was sent and never answered is done now."""
        for project_id, tasks in self._late:
            if project_id in self.projects:
                self._import(project_id, tasks)
        self._late.clear()

    def _import(self, project_id: int, tasks: Sequence[dict[str, Any]]) -> list[int]:
        made = []
        for body in tasks:
            task_id = self._id("task")
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

    def without_prediction(self, project_id: int, model_version: str) -> set[int]:
        self.calls.append("without_prediction")
        return {
            i
            for i, task in self.tasks_there.items()
            if task["project"] == project_id
            and _wants_answers(task)
            and not any(model_version in one["model_version"] for one in task["predictions"])
        }

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
        found = {t["data"].get("external_id", ""): i for i, t in reversed(self.tasks_there.items()) if i > task_id}
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
            if task_id in self.tasks_there and self.tasks_there[task_id]["project"] == project_id:
                yield self._studio_task(task_id)

    def listing(self, project_id: int) -> Iterator[dict[str, Any]]:
        for i, task in self.tasks_there.items():
            if task["project"] == project_id:
                yield {"id": i, "data": dict(task["data"]), "total_annotations": len(task["annotations"])}

    # what people do there

    def answer(self, task_id: int, choice: str | None, user: int = 1) -> int:
        """Submit (None: skip); the event goes to `events`."""
        made = self._annotate(task_id, _result(choice), user, cancelled=choice is None, now=self._tick())
        self.events.append({"action": "ANNOTATION_CREATED", "tasks": [task_id], "annotations": [made]})
        return made

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
        if self.away:
            raise LabelStudioUnavailable("away")
        if self.tasks_there.pop(task_id, None) is None:
            return
        self.events.append({"action": "TASKS_DELETED", "tasks": [task_id], "annotations": []})

    def delete_project(self, project_id: int) -> None:
        """Without a word to anybody, as there are no such events."""
        if self.away:
            raise LabelStudioUnavailable("away")
        self.projects.pop(project_id, None)
        self.tasks_there = {i: t for i, t in self.tasks_there.items() if t["project"] != project_id}
        self.hooks = {i: h for i, h in self.hooks.items() if h["project"] != project_id}

    def accept_in_bulk(self, task_ids: Sequence[int], user: int = 1) -> None:
        """Make annotations of the newest predictions; one event for all."""
        now, made = self._tick(), []
        for task_id in task_ids:
            task = self.tasks_there[task_id]
            result = task["predictions"][-1]["result"] if task["predictions"] else []
            made.append(self._annotate(task_id, result, user, cancelled=False, now=now))
        self.events.append({"action": "ANNOTATIONS_CREATED", "tasks": list(task_ids), "annotations": made})

    def delete_user(self, user_id: int) -> None:
        self.calls.append(f"delete_user {user_id}")

    def backup(self) -> Any:
        """Everything that a copy of its database holds."""
        return copy.deepcopy((self.projects, self.hooks, self.tasks_there, self._last_ids))

    def restore(self, backup: Any) -> None:
        """All is as it was then, the next ids too; only the clock goes on."""
        self.projects, self.hooks, self.tasks_there, self._last_ids = copy.deepcopy(backup)

    def next_task(self, project_id: int, user: int | None = None, locked: Collection[int] = ()) -> int | None:
        """As "Uncertainty sampling" does: the lowest score of the version shown, among what nobody did.

        With `user`: among what this person did not, and fewer people did than the task asks for. While one task has a
        prediction of that version, those without are not served, even where all that have one are `locked`.
        """
        version = self.projects[project_id]["model_version"]
        scores = {
            i: next((p["score"] for p in reversed(t["predictions"]) if p["model_version"] == version), None)
            for i, t in self.tasks_there.items()
            if t["project"] == project_id and _is_served(t, user)
        }
        ranked = {i: score for i, score in scores.items() if score is not None} or dict.fromkeys(scores, 2.0)
        return min(ranked.keys() - set(locked), key=ranked.__getitem__, default=None)

    def _annotate(
        self, task_id: int, result: list[dict[str, Any]], user: int, *, cancelled: bool, now: datetime
    ) -> int:
        made = self._id("annotation")
        self.tasks_there[task_id]["annotations"][made] = {
            "id": made, "completed_by": user, "created_at": now.isoformat(), "updated_at": now.isoformat(),
            "was_cancelled": cancelled, "result": result, "lead_time": 2.0, "parent_prediction": None,
        }  # fmt: skip
        self.tasks_there[task_id]["updated_at"] = now
        return made

    def _find(self, annotation_id: int) -> tuple[int, dict[str, Any]]:
        return next(
            (i, t["annotations"][annotation_id])
            for i, t in self.tasks_there.items()
            if annotation_id in t["annotations"]
        )

    def _predict(self, task_id: int, body: dict[str, Any]) -> None:
        made = {"id": self._id("prediction"), "created_at": self._tick().isoformat()}
        wanted = {name: body[name] for name in ("result", "score", "model_version")}
        task = self.tasks_there[task_id]
        task["predictions"].append({**made, **wanted})
        task["updated_at"] = self._tick()

    def _studio_task(self, task_id: int) -> StudioTask:
        task = copy.deepcopy(self.tasks_there[task_id])
        data = task["data"]
        return StudioTask(
            task_id, data.get("external_id", ""), data.get("image", ""), data, tuple(task["annotations"].values()),
            tuple(task["predictions"]), task["updated_at"], begun=bool(task["annotations"]),
        )  # fmt: skip

    def _id(self, kind: str) -> int:
        self._last_ids[kind] += 1
        return self._last_ids[kind]

    def _tick(self) -> datetime:
        self._clock += timedelta(seconds=1)
        return self._clock


def _is_served(task: dict[str, Any], user: int | None) -> bool:
    return not _people(task) if user is None else user not in _people(task) and _wants_answers(task)


def _wants_answers(task: dict[str, Any]) -> bool:
    return len(_people(task)) < task.get("people", 1)


def _people(task: dict[str, Any]) -> set[int]:
    return {annotation["completed_by"] for annotation in task["annotations"].values()}


def _result(choice: str | None) -> list[dict[str, Any]]:
    if choice is None:
        return []
    return [{"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [choice]}}]
