"""Label Studio's webhook: secret checked, ids made durable, answered; nothing else happens here.

It waits for neither the main database nor the worker: Label Studio gives up after a second and never asks again.
For the same reason it is the one route that is not sync: the pool of request threads may all be waiting for a
locked database, and this answer must not queue behind them.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Request
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from labeling.errors import Invalid, Unauthenticated
from labeling.review.events import parse_hint
from labeling.types import ProjectId
from service.label_studio.webhook import HEADER, is_secret
from service.web.edge.problems import Described
from service.web.wiring import WebParts, parts_of

router = APIRouter(tags=["webhooks"], route_class=Described)


def shape(**properties: dict[str, object]) -> dict[str, Any]:
    """A JSON object with these properties, as OpenAPI describes a body."""
    return {"content": {"application/json": {"schema": {"type": "object", "properties": properties}}}}


EVENT = {"requestBody": {"required": True, **shape(action={"type": "string"})}}


class Received(BaseModel):
    """The answer to an event."""

    kept: bool = Field(description="Whether the event is on disk; false for one that was not asked for.")


@router.post("/webhooks/label-studio/{project_id}", summary="An event of Label Studio", openapi_extra=EVENT)
async def receive(
    request: Request,
    project_id: Annotated[int, Path(gt=0, lt=2**53)],
    given: Annotated[str, Header(alias=HEADER)] = "",
) -> Received:
    """Only ids are taken from an event; the annotation is read from Label Studio. The secret is checked first."""
    parts = parts_of(request)  # not a dependency: those of a plain function go through the pool
    if not is_secret(parts.settings.signing, ProjectId(project_id), given):
        raise Unauthenticated("This webhook's secret is missing or wrong. `hardcase sync` puts it right.")
    return await keep_event(parts, project_id, await body_of(request))


async def keep_event(parts: WebParts, project_id: int, body: bytes) -> Received:
    """Put the ids of an event into the spool, and answer when they are on disk."""
    hint = parse_hint(project_id, body)
    if hint is None:
        return Received(kept=False)
    ids = {"tasks": hint.tasks, "annotations": hint.annotations}
    await asyncio.wrap_future(parts.spool.submit(project_id, hint.action, ids, key=hint.key))
    return Received(kept=True)


async def body_of(request: Request) -> bytes:
    """The whole body; Invalid if the client left before its end."""
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise Invalid("The body broke off.") from error
