"""Label Studio's ML-backend protocol, answered from what is stored: no model is asked, so a task opens at once.

In: a path that holds the project's token, and tasks. Out: one prediction a task, in the order of the tasks, each valid
against the labelling config; blind and unknown tasks get an empty result. Tasks made in Label Studio are registered.
START_TRAINING asks for `learn`; every other event is handled as the ordinary webhook handles it.
"""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from db.repositories.projects import projects
from db.repositories.reviews import displayed_predictions
from db.session import reading, transaction
from labeling.conversion import decode
from labeling.errors import Invalid
from labeling.jobs import JobName, Trigger
from labeling.types import ProjectId
from service.jobs.arguments import LearnArguments
from service.label_studio.ml_backend import project_in
from service.web.api.webhooks import EVENT, Received, body_of, keep_event, shape
from service.web.edge.problems import Described
from service.web.predictions import NO_ORDER_YET, Task
from service.web.wiring import WebParts, parts_of

T = TypeVar("T")


class Asked(msgspec.Struct):
    """The body of `/predict`."""

    tasks: list[Task] | Task


class Event(msgspec.Struct):
    """The body of `/webhook`, as far as it decides what happens."""

    action: str


_ARRAY: dict[str, object] = {"type": "array", "items": {"type": "object"}}
_TEXT: dict[str, object] = {"type": "string"}
router = APIRouter(prefix="/ml/{token}", tags=["ml backend"], route_class=Described)


@router.get("/health", summary="Check that the backend is up", responses={200: shape(status=_TEXT)})
async def health(request: Request, token: str) -> dict[str, str]:
    _project_of(request, token)
    return {"status": "UP", "model_class": "hardcase"}


@router.post("/setup", summary="Show which order of the queue is in use", responses={200: shape(model_version=_TEXT)})
def setup(request: Request, token: str) -> dict[str, str]:
    """The body is ignored, with the token of Label Studio in it."""
    return {"model_version": _model_version(request, token)}


@router.get("/versions", summary="List the orders that can be shown", responses={200: shape(versions=_ARRAY)})
def list_versions(request: Request, token: str) -> dict[str, list[str]]:
    """One: older orders of the queue are never shown again."""
    return {"versions": [_model_version(request, token)]}


@router.post(
    "/predict",
    summary="Return what each task pre-selects",
    openapi_extra={"requestBody": {"required": True, **shape(tasks=_ARRAY)}},
    responses={200: shape(results=_ARRAY)},
)
async def predict(request: Request, token: str) -> Response:
    project_id = _project_of(request, token)
    tasks = _tasks_in(await body_of(request))
    body = await asyncio.wrap_future(parts_of(request).predictions.of(project_id, tasks))
    return Response(body, media_type="application/json")


@router.post(
    "/webhook",
    summary="An event of Label Studio, sent to the backend",
    openapi_extra=EVENT,
)
async def receive(request: Request, token: str) -> Received:
    """Label Studio waits a second and sends no event twice, so this waits for the spool or one short write only."""
    project_id, parts = _project_of(request, token), parts_of(request)
    body = await body_of(request)
    if _decoded(body, Event).action == "START_TRAINING":
        await run_in_threadpool(_ask_to_learn, parts, project_id)
        return Received(kept=True)
    return await keep_event(parts, project_id, body)


def _project_of(request: Request, token: str) -> ProjectId:
    return project_in(parts_of(request).settings.signing, token)


def _ask_to_learn(parts: WebParts, project_id: ProjectId) -> None:
    with transaction(parts.database) as session:
        projects.by_id(session, project_id)
        parts.jobs.ask(session, JobName.LEARN, project_id, Trigger.HAND, LearnArguments(now=True))


def _model_version(request: Request, token: str) -> str:
    project_id = _project_of(request, token)
    with reading(parts_of(request).database) as session:
        return displayed_predictions.order_of(session, project_id).model_version or NO_ORDER_YET


def _tasks_in(body: bytes) -> list[Task]:
    tasks = _decoded(body, Asked).tasks
    return tasks if isinstance(tasks, list) else [tasks]


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return decode(body, kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"This is not what Label Studio sends: {str(error)[:200]}.") from error
