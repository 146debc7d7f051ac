"""The Certificates page: what is promised, every attempt, and pictures of what was accepted.

In: rows of certificates. Pictures that a blind review hides are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from db.repositories.certificates.certificates import Accepted
from db.session import reading
from db.views import label_list
from labeling.jobs import Role
from labeling.types import ImageId, ProjectId
from service.labels.certificates import NO_GOLD, RELATIVE, pictures_of, read_certificates
from service.projects.savings import NOT_COUNTED, next_attempt
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.pages.rendering import page
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)


@dataclass(frozen=True, slots=True)
class AcceptedImage:
    """One accepted image, with the label that the certificate gave it; `rank` 1 is the surest."""

    image_id: int
    content_hash: str
    label: str
    rank: int


@router.get("/projects/{project}/certificates", summary="The Certificates page")
def show_certificates_page(request: Request, parts: PartsDep, caller: CallerDep, project: ProjectDep) -> Response:
    with reading(parts.database) as session:
        state, leads = read_certificates(session, project), caller.may(Role.ENGINEER)
        ahead = next_attempt(session, project)
        surest, least = pictures_of(session, state.standing.id) if state.standing else ([], [])
        pictures = {
            "Most sure": _accepted(session, project.id, surest, leads=leads),
            "Least sure": _accepted(session, project.id, least, leads=leads),
        }
    return page(
        request,
        "certificates.html",
        project=project,
        state=state,
        pictures=pictures,
        relative=RELATIVE,
        no_gold=NO_GOLD,
        ahead=ahead,
        not_counted=NOT_COUNTED,
    )


def _accepted(session: Session, project_id: ProjectId, some: Sequence[Accepted], *, leads: bool) -> list[AcceptedImage]:
    images = [one.image_id for one in some]
    hidden: set[ImageId] = set() if leads else set(label_list.blind_and_open(session, images))
    found = {one.image_id: one.content_hash for one in label_list.of_images(session, project_id, images)}
    return [
        AcceptedImage(one.image_id, found[one.image_id], one.value, one.rank)
        for one in some
        if one.image_id in found and one.image_id not in hidden
    ]
