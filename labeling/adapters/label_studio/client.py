"""Label Studio as hardcase uses it: the only user of its SDK (docs/decisions/0005-where-the-sdk-is-used.md).

In and out: small frozen values and JSON-ready tasks. Lists are read to their end; what is read may have changed a
moment later, so callers treat it as a snapshot.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import msgspec
from label_studio_sdk.base_client import LabelStudioBase as Sdk  # without its annotation tools: 1.3 s less to load

from labeling.adapters.label_studio.http import LabelStudioHttp, StudioFile, parsed
from labeling.conversion import convert
from labeling.errors import Denied, LabelStudioUnavailable, NotFound
from labeling.slices import batches

__all__ = ["Changed", "Imported", "LabelStudio", "ProjectSettings", "StudioProject", "StudioTask", "Webhook"]

PAGE = 1_000
"""Label Studio counts anew for every page."""
CHUNK = 100
IMPORT_CHUNK = 500
_RENAMED = {"show_predictions": "show_collab_predictions", "instructions": "expert_instruction"}


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """What is written to a Label Studio project; `marker` is part of its description and identifies it.

    Without a marker its description stays, and without instructions its own.
    """

    title: str
    marker: str
    label_config: str
    instructions: str


class StudioProject(msgspec.Struct, frozen=True, rename=_RENAMED):
    """The present settings of a Label Studio project; those with a default may be null there."""

    id: int
    title: str
    show_predictions: bool
    maximum_annotations: int
    label_config: str = ""
    model_version: str = ""
    sampling: str = ""
    skip_queue: str = ""
    instructions: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as Label Studio has it."""

    id: int
    url: str
    headers: dict[str, str]
    actions: tuple[str, ...]
    is_active: bool


@dataclass(frozen=True, slots=True)
class Imported:
    """What Label Studio says of an import: the tasks that it made, in the order sent, and how many predictions.

    On SQLite it can make the tasks without their predictions and call that a success.
    """

    task_ids: tuple[int, ...]
    predictions: int


@dataclass(frozen=True, slots=True)
class Changed:
    """A task in a list: when it was last changed, its data, and which annotations it has."""

    task_id: int
    updated_at: datetime
    annotations: frozenset[int]
    data: dict[str, Any]

    @property
    def token(self) -> str:
        """The key of its review; empty where the task was not made by us."""
        return str(self.data.get("external_id", ""))


@dataclass(frozen=True, slots=True)
class StudioTask:
    """A task with all its answers; annotations and predictions as Label Studio gives them.

    `begun`: a person answered it, skipped it, or left a draft.
    """

    id: int
    token: str
    image_url: str
    data: dict[str, Any]
    annotations: tuple[dict[str, Any], ...]
    predictions: tuple[dict[str, Any], ...]
    updated_at: datetime
    begun: bool = False


class LabelStudio:
    """One Label Studio; nothing is sent before the first call."""

    def __init__(self, url: str, token: str, *, timeout_s: float = 30.0) -> None:
        self.url = url.rstrip("/")
        self._http = LabelStudioHttp(url, token, timeout_s=timeout_s)

    def close(self) -> None:
        self._http.close()

    @property
    def failures(self) -> int:
        """How many calls in a row were not answered; 0 where all is well."""
        return self._http.breaker.failures

    @property
    def pause_s(self) -> float:
        """How long no call is made from now on, after too many of these."""
        return self._http.breaker.pause_s

    def release(self) -> str:
        """The version of the server."""
        with self._http.explained():
            return str(self._http.call("GET", "/api/version")["release"])

    def find_project(self, marker: str) -> int | None:
        """The project whose description carries this marker; the oldest if there are several."""
        with self._http.explained():
            found = self._sdk.projects.list(include="id,description", page_size=PAGE)
            ids = [project.id for project in found if marker in (project.description or "")]
        return min(ids, default=None)

    def create_project(self, settings: ProjectSettings) -> int:
        """Make a project set up as ours must be: served by lowest score, answered once, skips final."""
        with self._http.explained():
            return int(self._sdk.projects.create(**_written(settings)).id)

    def write_project(self, project_id: int, settings: ProjectSettings) -> None:
        """Set an existing project up as `create_project` would."""
        with self._http.explained():
            self._sdk.projects.update(project_id, **_written(settings))

    def project(self, project_id: int) -> StudioProject:
        """Its present settings; NotFound if it was deleted."""
        with self._http.explained():
            found = dict(self._http.call("GET", f"/api/projects/{project_id}/")).items()
            return convert({name: value for name, value in found if value is not None}, StudioProject)

    def set_model_version(self, project_id: int, model_version: str) -> None:
        """Show the predictions of this version; they must be there already."""
        with self._http.explained():
            self._sdk.projects.update(project_id, model_version=model_version)

    def webhooks(self, project_id: int) -> list[Webhook]:
        """The webhooks of a project."""
        with self._http.explained():
            found = self._sdk.webhooks.list(project=str(project_id))
            return [
                Webhook(int(w.id or 0), str(w.url), dict(w.headers or {}), tuple(w.actions or ()), bool(w.is_active))
                for w in found
            ]

    def create_webhook(self, project_id: int, url: str, headers: dict[str, str], actions: Sequence[str]) -> int:
        """Have events sent to `url` with these headers."""
        with self._http.explained():
            made = self._sdk.webhooks.create(project=project_id, **_hook(url, headers, actions))
            return int(made.id or 0)

    def write_webhook(self, webhook_id: int, url: str, headers: dict[str, str], actions: Sequence[str]) -> None:
        """Set an existing webhook up as `create_webhook` would."""
        with self._http.explained():
            self._sdk.webhooks.update(webhook_id, **_hook(url, headers, actions))

    def import_tasks(self, project_id: int, tasks: Sequence[dict[str, Any]]) -> Imported:
        """Make tasks with their predictions; say what was made. Not repeatable: look first."""
        with self._http.explained():
            answer = self._sdk.projects.import_tasks(project_id, request=list(tasks), return_task_ids=True)
            return Imported(tuple(int(task) for task in answer.task_ids or ()), int(answer.prediction_count or 0))

    def import_predictions(self, project_id: int, predictions: Sequence[dict[str, Any]]) -> None:
        """Add predictions to tasks that are there; LabelStudioUnavailable where fewer were made than sent."""
        for some in batches(predictions, IMPORT_CHUNK):
            with self._http.explained():
                made = int(self._sdk.projects.import_predictions(project_id, request=some).created or 0)
            if made != len(some):
                raise LabelStudioUnavailable(
                    f"Label Studio at {self.url} made {made} of {len(some)} predictions. They are sent again."
                )

    def without_prediction(self, project_id: int, model_version: str) -> set[int]:
        """The tasks that wait for an answer and have no prediction of this version: served last, and showing nothing.

        One query, however many tasks there are. A version whose name only begins so counts too: ours rise, so that
        is the next order, begun and not finished.
        """
        waiting = {"filter": "filter:tasks:completed_at", "operator": "empty", "type": "Datetime", "value": True}
        lacking = {
            "filter": "filter:tasks:predictions_model_versions",
            "operator": "not_contains",
            "type": "List",
            "value": [model_version],
        }
        return {int(row["id"]) for row in self._tasks(project_id, "id", [waiting, lacking])}

    def set_task_data(self, task_id: int, data: dict[str, Any]) -> None:
        """Replace a task's data, as with a renewed image address."""
        with self._http.explained():
            self._sdk.tasks.update(str(task_id), data=data)

    def set_people(self, task_id: int, people: int) -> None:
        """Have a task served until so many different people have answered it; nobody is served it twice."""
        with self._http.explained():
            self._http.call("PATCH", f"/api/tasks/{task_id}/", json={"overlap": people, "is_labeled": False})

    def delete_task(self, task_id: int) -> None:
        """Delete a task with all its answers, drafts and predictions; one that is gone already is no error."""
        self._delete(f"/api/tasks/{task_id}/")

    def delete_project(self, project_id: int) -> None:
        """Delete a project with its tasks and webhooks; one that is gone already is no error."""
        self._delete(f"/api/projects/{project_id}/")

    def delete_user(self, user_id: int) -> None:
        """Delete an account; its answers stay there, as nobody's.

        Raises
        ------
        Denied
            Our token is not that of the owner of the organization, or this account is the owner.
        """
        with suppress(NotFound), self._http.explained():
            answer = self._http.client.request("DELETE", f"{self.url}/api/users/{user_id}/")
            if answer.status_code == 403:
                raise Denied("Only the owner of the organization in Label Studio can delete this account.")
            parsed(answer)

    def account(self, user_id: int) -> dict[str, Any] | None:
        """What Label Studio says of an account; None where it is gone."""
        try:
            with self._http.explained():
                return dict(self._http.call("GET", f"/api/users/{user_id}/"))
        except NotFound:
            return None

    def users(self) -> dict[int, str]:
        """The name of each user by id: the e-mail address of the login."""
        with self._http.explained():
            return {int(user.id): str(user.email) for user in self._sdk.users.list()}

    def tasks_after(self, project_id: int, task_id: int) -> dict[str, int]:
        """Key -> task id of the tasks above an id: what an import that was cut off may have left."""
        above = {"filter": "filter:tasks:id", "operator": "greater", "type": "Number", "value": task_id}
        found: dict[str, int] = {}
        for task in self._tasks(project_id, "id,data", [above]):
            found.setdefault(str(task["data"].get("external_id", "")), int(task["id"]))
        return found

    def changed(self, project_id: int, since: datetime | None) -> list[Changed]:
        """The tasks touched after `since` (None: all); a touch may be our own.

        In the order of ids: by time, a task touched while pages are read would push another one off its page. The ids
        of annotations are asked for, not their counts, which a Label Studio that was killed may have got wrong.
        """
        filters = [] if since is None else [_after(since)]
        return [_changed(row) for row in self._tasks(project_id, "id,updated_at,annotations_ids,data", filters)]

    def tasks(self, project_id: int, task_ids: Sequence[int]) -> Iterator[StudioTask]:
        """These tasks, read again, as far as they still exist."""
        for wanted in batches(task_ids, CHUNK):
            among = {"filter": "filter:tasks:id", "operator": "in_list", "type": "Number", "value": wanted}
            for row in self._tasks(project_id, None, [among]):
                yield _task(row)

    def listing(self, project_id: int) -> Iterator[dict[str, Any]]:
        """All tasks with their data, and how many answers and skips each has."""
        return self._tasks(project_id, "id,data,total_annotations,cancelled_annotations", [])

    def count_tasks(self, project_id: int) -> int:
        """How many tasks a project has."""
        with self._http.explained():
            return int(self._http.call("GET", f"/api/projects/{project_id}/")["task_number"])

    def read_file(self, path: str, max_bytes: int) -> StudioFile:
        """A file that Label Studio serves under this path.

        Raises
        ------
        BadAddress
            It is not there, may not be read, or has more than `max_bytes`.
        LabelStudioUnavailable
            Label Studio did not answer.
        """
        with self._http.explained():
            return self._http.file(path, max_bytes)

    @cached_property
    def _sdk(self) -> Sdk:
        """Our connection pool signs its requests, so it needs no token; jobs repeat calls, so it need not."""
        return Sdk(base_url=f"{self.url}/", api_key="unused", httpx_client=self._http.client, max_retries=0)

    def _delete(self, path: str) -> None:
        with suppress(NotFound), self._http.explained():
            self._http.call("DELETE", path)

    def _tasks(self, project_id: int, include: str | None, filters: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        query = json.dumps({"filters": {"conjunction": "and", "items": filters}, "ordering": ["tasks:id"]})
        page = 1
        while True:
            params = {"project": project_id, "fields": "all", "page": page, "page_size": PAGE, "query": query}
            params["resolve_uri"] = "false"  # as it stands in the data, for it is written back
            if include is not None:  # it holds for what is nested too: annotations would keep their ids alone
                params["include"] = include
            try:
                with self._http.explained():
                    found = self._http.call("GET", "/api/tasks", params=params)
                    rows, total = list(found["tasks"]), int(found["total"])
            except NotFound:
                if page == 1:
                    raise
                return  # the list grew shorter while it was read
            yield from rows
            if page * PAGE >= total:
                return
            page += 1


def _written(settings: ProjectSettings) -> dict[str, Any]:
    kept = {"description": settings.marker, "expert_instruction": settings.instructions}
    return {
        **(kept if settings.marker else {name: text for name, text in kept.items() if text}),
        "title": settings.title,
        "label_config": settings.label_config,
        "show_instruction": False,  # a box over every task; the button stays
        "sampling": "Uncertainty sampling",
        "skip_queue": "IGNORE_SKIPPED",
        "show_skip_button": True,
        "show_collab_predictions": True,
        "maximum_annotations": 1,
    }


def _hook(url: str, headers: dict[str, str], actions: Sequence[str]) -> dict[str, Any]:
    return {
        "url": url,
        "headers": headers,
        "actions": list(actions),
        "send_payload": True,
        "send_for_all_actions": False,
        "is_active": True,
    }


def _after(since: datetime) -> dict[str, Any]:
    """Any other way of writing the time is answered with 500."""
    value = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"filter": "filter:tasks:updated_at", "operator": "greater", "type": "Datetime", "value": value}


def _changed(row: dict[str, Any]) -> Changed:
    ids = str(row.get("annotations_ids") or "").split(",")
    return Changed(
        int(row["id"]), _time(row["updated_at"]), frozenset(int(found) for found in ids if found), row.get("data") or {}
    )


def _task(row: dict[str, Any]) -> StudioTask:
    data = row.get("data") or {}
    return StudioTask(
        id=int(row["id"]),
        token=str(data.get("external_id", "")),
        image_url=str(data.get("image", "")),
        data=data,
        annotations=tuple(row.get("annotations") or ()),
        predictions=tuple(row.get("predictions") or ()),
        begun=bool(row.get("annotations") or row.get("drafts")),
        updated_at=_time(row["updated_at"]),
    )


def _time(value: str) -> datetime:
    return datetime.fromisoformat(value).astimezone(UTC)
