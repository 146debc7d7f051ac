"""The adjudication queue: images about which people disagree, the dearest first, for a lead to decide.

In: a project. Out: one dispute with a button an answer, and the others as a list. Of a blind dispute the page shows the
image and its text alone. Everything works without scripts, and by keys.
"""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import Field

from db.repositories.labels.decisions import ADJUDICATION
from db.session import reading, transaction
from db.views import label_list
from labeling.answers import is_unsure
from labeling.errors import Invalid
from labeling.project import Project
from labeling.types import Actor, ImageId
from service.labels.corrections import AT_ONCE, ask_people, correct
from service.labels.disputes import Disputed, listed
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.pages.login import CheckedForm
from service.web.pages.rendering import page
from service.web.wiring import PartsDep, WebParts

__all__ = ["router"]

KEYS = "123456789abcdefghijklmnopqrstuvwxyz"
"""The key of each answer, with the browser's own modifier."""
router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)
_ImageId = Annotated[int, Field(ge=1, lt=2**62)]


@router.get("/projects/{project}/disputes", summary="Images that people disagree about")
def show_disputes(
    request: Request,
    parts: PartsDep,
    project: ProjectDep,
    image: Annotated[int | None, Query(ge=1, lt=2**62)] = None,
    why: Annotated[str, Query(max_length=500)] = "",
    done: Annotated[int, Query(ge=0, le=AT_ONCE)] = 0,
) -> Response:
    """The dearest, or the one named by `image`, to decide now; `why` is the reason given last."""
    with reading(parts.database) as session:
        found = listed(session, project)
    answers = project.config.answers.choices
    return page(
        request,
        "disputes.html",
        project=project,
        now=_first(found, image),
        found=found[:AT_ONCE],
        total=len(found),
        answers=[(name, KEYS[n] if n < len(KEYS) else "") for n, name in enumerate(answers)],
        is_unsure=is_unsure,
        why=why,
        done=done,
    )


@router.post(
    "/projects/{project}/disputes", summary="Decide a dispute, or ask somebody else", dependencies=[CheckedForm]
)
def decide_disputes(
    parts: PartsDep,
    caller: CallerDep,
    project: ProjectDep,
    image: Annotated[list[_ImageId], Form()] = [],  # noqa: B006 - FastAPI copies it
    value: Annotated[str, Form(max_length=200)] = "",
    reason: Annotated[str, Form(max_length=500)] = "",
    deed: Annotated[Literal["decide", "ask"], Form()] = "decide",
) -> Response:
    images = _of_project(parts, project, image)
    by = Actor(caller.name, reason, parts.now())
    with transaction(parts.database) as session:
        if deed == "ask":
            ask_people(session, parts.jobs, project, images, by)
        else:
            correct(session, parts.jobs, project, images, value, by, ADJUDICATION)
    query = urlencode({"why": reason, "done": len(images)})
    return RedirectResponse(f"/projects/{project.id}/disputes?{query}", status_code=303)


def _first(found: list[Disputed], image: int | None) -> Disputed | None:
    """The one asked for, else the dearest; one that is decided meanwhile gives way to the dearest."""
    return next((one for one in found if one.dispute.image_id == image), found[0] if found else None)


def _of_project(parts: WebParts, project: Project, image_ids: list[int]) -> list[ImageId]:
    with reading(parts.database) as session:
        known = label_list.of_images(session, project.id, [ImageId(image) for image in image_ids[: AT_ONCE + 1]])
    if len(known) < len(set(image_ids)):
        raise Invalid("This project has not all of these images. Go back and tick them again.")
    return [item.image_id for item in known]
