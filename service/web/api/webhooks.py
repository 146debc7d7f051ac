"""Label Studio's webhook: secret checked, ids made durable, answered; nothing else happens here.

It waits for neither the main database nor the worker: Label Studio gives up after a second and never asks again.
For the same reason it is the one route that is not sync: the pool of request threads may all be waiting for a
locked database, and this answer must not queue behind them.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Header, Path, Request
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from labeling.errors import Invalid, Unauthenticated
from labeling.review.events import parse_hint
from labeling.types import ProjectId
from service.label_studio.webhook import HEADER, is_secret
from service.web.wiring import parts_of

router = APIRouter(tags=["webhooks"])
_EVENT = {
    "required": True,
    "content": {"application/json": {"schema": {"type": "object", "properties": {"action": {"type": "string"}}}}},
}


class Received(BaseModel):
    """The answer to an event."""

    kept: bool = Field(description="Whether the event is on disk; false for one that was not asked for.")


@router.post(
    "/webhooks/label-studio/{project_id}",
    summary="An event of Label Studio",
    openapi_extra={"requestBody": _EVENT},
)
async def receive(
    request: Request,
    project_id: Annotated[int, Path(gt=0, lt=2**53)],
    given: Annotated[str, Header(alias=HEADER)] = "",
) -> Received:
    """What an event says is not believed: the annotation is read again. The body is read after the secret."""
    parts = parts_of(request)  # not a dependency: those of a plain function go through the pool
    if not is_secret(parts.settings.signing, ProjectId(project_id), given):
        raise Unauthenticated("This webhook's secret is missing or wrong. `hardcase sync` puts it right.")
    hint = parse_hint(project_id, await _body(request))
    if hint is None:
        return Received(kept=False)
    ids = {"tasks": hint.tasks, "annotations": hint.annotations}
    await asyncio.wrap_future(parts.spool.submit(project_id, hint.action, ids, key=hint.key))
    return Received(kept=True)


async def _body(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise Invalid("The body broke off.") from error
