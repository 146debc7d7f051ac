"""The history of one image: the picture, what stands, and every fact about it in order."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from db.session import reading
from labeling.jobs import Role
from labeling.types import ImageId
from service.labels.image_history import story_of
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.pages.rendering import page
from service.web.wiring import PartsDep

__all__ = ["router"]

router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)


@router.get("/projects/{project}/images/{image_id}", summary="The history of an image")
def show_image_history(
    request: Request,
    parts: PartsDep,
    caller: CallerDep,
    project: ProjectDep,
    image_id: Annotated[int, Path(ge=1, lt=2**62)],
) -> Response:
    with reading(parts.database) as session:
        story = story_of(session, project, ImageId(image_id), leads=caller.may(Role.ENGINEER))
    return page(
        request,
        "image.html",
        project=project,
        story=story,
        answers=project.config.answers.choices,
        back=urlencode({"image": image_id}),
    )
