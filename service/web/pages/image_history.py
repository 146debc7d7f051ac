"""The history of one image: the image, its label in force, and every fact about it in order."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from db.session import reading
from db.views import listings
from labeling.jobs import Role
from service.labels.image_history import story_of
from service.web.api.images import Number
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.pages.rendering import page
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)


@router.get("/projects/{project}/images/{image_id}", summary="The history of an image")
def show_image_history(
    request: Request, parts: PartsDep, caller: CallerDep, project: ProjectDep, image_id: Number
) -> Response:
    with reading(parts.database) as session:
        story = story_of(session, parts.settings.home, project, image_id, leads=caller.may(Role.ENGINEER))
        found = listings.image(session, project.id, image_id)
    issues = [] if found is None else found.issues
    answers, back = project.config.answers.choices, urlencode({"image": image_id})
    return page(request, "image.html", project=project, story=story, issues=issues, answers=answers, back=back)
