"""Label Studio's webhook: secret checked, ids made durable, answered; nothing else happens here.

It waits for neither the main database nor the worker: Label Studio gives up after a second and never asks again.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from labeling.errors import Invalid
from labeling.review.events import parse_hint
from labeling.types import ProjectId
from service.web.access import Guarded
from service.web.wiring import PartsDep, parts_of
from service.webhook import HEADER, is_secret

__all__ = ["router"]

MAX_PROJECT_ID = 2**53
router = APIRouter(tags=["webhooks"], route_class=Guarded)


async def _admitted_body(
    request: Request, project_id: int, given: Annotated[str, Header(alias=HEADER, max_length=200)] = ""
) -> bytes:
    """The body, read only after the secret was found right."""
    signing = parts_of(request).settings.secret.get_secret_value()
    if not 0 < project_id < MAX_PROJECT_ID or not is_secret(signing, ProjectId(project_id), given):
        raise HTTPException(401, "This webhook's secret is missing or wrong. `hardcase sync` puts it right.")
    return await request.body()


@router.post(
    "/webhooks/label-studio/{project_id}",
    summary="An event of Label Studio",
    responses={401: {"description": "The secret is missing or wrong."}},
)
async def receive(parts: PartsDep, project_id: int, body: Annotated[bytes, Depends(_admitted_body)]) -> Response:
    """200 means that the event is on disk. What it says is not believed: the annotation is read again."""
    try:
        hint = parse_hint(project_id, body)
    except Invalid as error:
        raise HTTPException(422, str(error)) from error
    ids = {"tasks": hint.tasks, "annotations": hint.annotations}
    await run_in_threadpool(parts.spool.put, project_id, hint.action, ids, key=hint.key)
    return Response(status_code=200)
