"""Label Studio's ML-backend protocol, answered from what is stored: no model is asked, so a task opens at once.

In: a path that holds the project's token, and tasks. Out: one prediction a task, in the order of the tasks, each valid
against the labelling config; blind and unknown tasks get an empty result. Tasks that are none of ours are taken in.
START_TRAINING asks for `learn`; every other event goes the way of the ordinary webhook, as a hint.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session
from starlette.requests import ClientDisconnect

from db.repositories import adopted, label_studio, projects, shown
from db.repositories.label_studio import Place
from db.repositories.shown import Shown
from db.session import reading, transaction
from labeling.errors import Invalid
from labeling.review.config import choices_of
from labeling.review.controls import OURS
from labeling.review.events import parse_hint
from labeling.review.payloads import Suggestion, suggested
from labeling.types import JobName, Project, ProjectId, Trigger
from service.adoption import controls_of, take_in
from service.ml_backend import project_in
from service.web.wiring import WebParts, parts_of

__all__ = ["router"]

NO_ORDER_YET = "v0"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LARGEST = 2**53
T = TypeVar("T")


class Task(msgspec.Struct):
    """A task as Label Studio sends it; the rest of it is not looked at."""

    id: Any = None
    data: dict[str, Any] = {}
    annotations: Any = None


class Asked(msgspec.Struct):
    """The body of `/predict`."""

    tasks: list[Task] | Task


class Event(msgspec.Struct):
    """The body of `/webhook`, as far as it decides what happens."""

    action: str


def _shape(**properties: dict[str, object]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": {"type": "object", "properties": properties}}}}


_ARRAY: dict[str, object] = {"type": "array", "items": {"type": "object"}}
_TEXT: dict[str, object] = {"type": "string"}
router = APIRouter(prefix="/ml/{token}", tags=["ml backend"], default_response_class=Response)


@router.get("/health", summary="Say that the backend is up", responses={200: _shape(status=_TEXT)})
async def health(request: Request, token: str) -> Response:
    _project_of(request, token)
    return _json({"status": "UP", "model_class": "hardcase"})


@router.post("/setup", summary="Say which order of the queue is shown", responses={200: _shape(model_version=_TEXT)})
def setup(request: Request, token: str) -> Response:
    """What Label Studio says of the project, its token included, is not looked at."""
    project_id = _project_of(request, token)
    return _json({"model_version": _model_version(parts_of(request), project_id)})


@router.get("/versions", summary="List the orders that can be shown", responses={200: _shape(versions=_ARRAY)})
def list_versions(request: Request, token: str) -> Response:
    """One: older orders of the queue are never shown again."""
    project_id = _project_of(request, token)
    return _json({"versions": [_model_version(parts_of(request), project_id)]})


@router.post(
    "/predict",
    summary="Say what each task pre-selects",
    openapi_extra={"requestBody": {"required": True, **_shape(tasks=_ARRAY)}},
    responses={200: _shape(results=_ARRAY)},
)
async def predict(request: Request, token: str) -> Response:
    project_id = _project_of(request, token)
    tasks = _tasks_in(await _body(request))
    return await run_in_threadpool(_predict, parts_of(request), project_id, tasks)


@router.post(
    "/webhook",
    summary="An event of Label Studio, sent to the backend",
    openapi_extra={"requestBody": {"required": True, **_shape(action=_TEXT)}},
    responses={200: _shape(kept={"type": "boolean"})},
)
async def hear(request: Request, token: str) -> Response:
    """Label Studio waits a second and sends no event twice, so this waits for the spool or one short write only."""
    project_id, parts = _project_of(request, token), parts_of(request)
    body = await _body(request)
    if _decoded(body, Event).action == "START_TRAINING":
        await run_in_threadpool(_ask_to_learn, parts, project_id)
        return _json({"kept": True})
    hint = parse_hint(project_id, body)
    if hint is None:
        return _json({"kept": False})
    ids = {"tasks": hint.tasks, "annotations": hint.annotations}
    await asyncio.wrap_future(parts.spool.submit(project_id, hint.action, ids, key=hint.key))
    return _json({"kept": True})


def _project_of(request: Request, token: str) -> ProjectId:
    return project_in(parts_of(request).settings.signing, token)


def _predict(parts: WebParts, project_id: ProjectId, tasks: list[Task]) -> Response:
    tokens = [_key_of(task) for task in tasks]
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        place = label_studio.get(session, project_id)
        ours = shown.by_token(session, project_id, [token for token in tokens if token])
        strange = [task for task, token in zip(tasks, tokens, strict=True) if token not in ours]
        numbered = shown.by_task(session, project_id, [task.id for task in strange if _has_number(task)])
        unknown = _not_taken_in(session, project_id, place, strange)
    if unknown:
        _take_in(parts, project, unknown)
    version = (place and place.model_version) or NO_ORDER_YET
    told = [
        ours.get(token) or (numbered.get(task.id) if _has_number(task) else None)
        for task, token in zip(tasks, tokens, strict=True)
    ]
    choices, controls = choices_of(project.config), OURS if place is None else controls_of(place)
    return _json({"results": [suggested(_valid(one, choices), version, choices, controls) for one in told]})


def _valid(told: Shown | None, choices: Sequence[str]) -> Suggestion:
    """Nothing is pre-selected in an unknown task, nor what the label set has no more; unknown ones come last."""
    if told is None:
        return Suggestion(None, shown.LAST)
    return Suggestion(told.answer if told.answer in choices else None, told.score)


def _not_taken_in(
    session: Session, project_id: ProjectId, place: Place | None, tasks: Sequence[Task]
) -> list[dict[str, Any]]:
    """Those that are neither ours nor noted; a project that is not in Label Studio yet can take none in."""
    numbered = {task.id: task for task in tasks if _has_number(task)}
    if place is None or not numbered:
        return []
    known = adopted.known_tasks(session, project_id, place.ls_project_id, list(numbered))
    return [
        {"id": number, "data": {**task.data, "external_id": _key_of(task)}, "annotations": task.annotations}
        for number, task in numbered.items()
        if number not in known
    ]


def _take_in(parts: WebParts, project: Project, tasks: Sequence[dict[str, Any]]) -> None:
    """Note them, and ask for the job that fetches their images."""
    with transaction(parts.database) as session:
        if take_in(session, project, tasks, parts.now()):
            parts.jobs.ask(session, JobName.INGEST, project.id, Trigger.INGESTED)


def _ask_to_learn(parts: WebParts, project_id: ProjectId) -> None:
    with transaction(parts.database) as session:
        projects.by_id(session, project_id)
        parts.jobs.ask(session, JobName.LEARN, project_id, Trigger.HAND, "now")


def _model_version(parts: WebParts, project_id: ProjectId) -> str:
    with reading(parts.database) as session:
        projects.by_id(session, project_id)
        place = label_studio.get(session, project_id)
    return (place and place.model_version) or NO_ORDER_YET


def _key_of(task: Task) -> str:
    """The key that one of our tasks carries; empty for any other."""
    key = task.data.get("external_id")
    return key if isinstance(key, str) and _TOKEN.fullmatch(key) else ""


def _has_number(task: Task) -> bool:
    return isinstance(task.id, int) and not isinstance(task.id, bool) and 0 < task.id < _LARGEST


def _tasks_in(body: bytes) -> list[Task]:
    tasks = _decoded(body, Asked).tasks
    return tasks if isinstance(tasks, list) else [tasks]


def _decoded(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"This is not what Label Studio sends: {str(error)[:200]}.") from error


async def _body(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise Invalid("The body broke off.") from error


def _json(content: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")
