"""The page of near-duplicate groups: how many images stand in them, by size, and pictures of the largest."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from db.session import reading
from db.views import groups, label_list
from labeling.jobs import Role
from labeling.types import ImageId
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.pages.rendering import page
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)

LARGEST = 10


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
