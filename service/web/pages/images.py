"""Pages about images: the history of one, and the near-duplicate groups that they stand in.

In: a project, and an image's number. Out: the image with every fact about it in order; sizes and pictures of groups.
"""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from db.session import reading
from db.views import groups, label_list
from labeling.jobs import Role
from labeling.types import ImageId
from service.labels.image_history import story_of
from service.web.api.images import Number
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.pages.rendering import page
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)

LARGEST = 10


@router.get("/projects/{project}/images/{image_id}", summary="The history of an image")
def show_image_history(
    request: Request, parts: PartsDep, caller: CallerDep, project: ProjectDep, image_id: Number
) -> Response:
    with reading(parts.database) as session:
        story = story_of(session, parts.settings.home, project, image_id, leads=caller.may(Role.ENGINEER))
    answers, back = project.config.answers.choices, urlencode({"image": image_id})
    return page(request, "image.html", project=project, story=story, answers=answers, back=back)


@router.get("/projects/{project}/groups", summary="Near-duplicate groups")
def show_groups(request: Request, parts: PartsDep, caller: CallerDep, project: ProjectDep) -> Response:
    """Sizes and the largest groups; labels that a blind task hides are hidden here too."""
    with reading(parts.database) as session:
        sizes = groups.sizes(session, project.id)
        largest = groups.largest(session, project.id, LARGEST)
        shown: list[ImageId] = [member.image_id for one in largest for member in one.members]
        hidden = label_list.blind_and_open(session, [] if caller.may(Role.ENGINEER) else shown)
    policy = project.config.policy.near_duplicates
    return page(request, "groups.html", project=project, sizes=sizes, largest=largest, hidden=hidden, policy=policy)
