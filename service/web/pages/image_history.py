"""The history of one image: the picture, what stands, and every fact about it in order."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from db.session import reading
from db.views import dashboard
from labeling.jobs import Role
from labeling.types import ImageId
from service.labels.image_history import story_of
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.pages.rendering import page, pictures, task_home
from service.web.wiring import PartsDep

__all__ = ["router"]

router = APIRouter(route_class=Guarded, tags=["pages"])


@router.get("/projects/{project}/images/{image_id}", summary="The history of an image", response_class=HTMLResponse)
def show_image_history(
    request: Request,
    parts: PartsDep,
    caller: CallerDep,
    project: ProjectDep,
    image_id: Annotated[int, Path(ge=1, lt=2**62)],
) -> Response:
    with reading(parts.database) as session:
        story = story_of(session, project, ImageId(image_id), leads=caller.may(Role.ENGINEER))
        place = dashboard.label_studio_place(session, project.id)
    return page(
        request,
        "image.html",
        project=project,
        story=story,
        answers=project.config.answers.choices,
        back=urlencode({"image": image_id}),
        task_home=task_home(parts, place),
        sign=pictures(parts, project),
    )
