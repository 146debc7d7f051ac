"""The adjudication queue: images about which people disagree, highest expected damage first, for a lead to decide.

In: a project. Out: one dispute with a button for each answer, and the others as a list. Of a blind dispute the page
shows only the image and its text. Everything works without scripts, and by keys.
"""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import Field

from db.repositories.labels.decisions import ADJUDICATION
from db.session import reading, transaction
from labeling.answers import is_unsure
from labeling.types import Actor, ImageId
from service.labels.corrections import AT_ONCE, ask_people, correct
from service.labels.disputes import Disputed, listed
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.pages.login import CheckedForm
from service.web.pages.rendering import page
from service.web.wiring import PartsDep

KEYS = "123456789abcdefghijklmnopqrstuvwxyz"
"""The access key of each answer."""
router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)
_ImageId = Annotated[ImageId, Field(ge=1, lt=2**62)]


@router.get("/projects/{project}/disputes", summary="Images that people disagree about")
def show_disputes(
    request: Request,
    parts: PartsDep,
    project: ProjectDep,
    image: Annotated[int | None, Query(ge=1, lt=2**62)] = None,
    why: Annotated[str, Query(max_length=500)] = "",
    done: Annotated[int, Query(ge=0, le=AT_ONCE)] = 0,
) -> Response:
    """The first of the list, or the one named by `image`, to decide now; `why` is the reason given last."""
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
    "/projects/{project}/disputes", summary="Decide a dispute, or ask another person", dependencies=[CheckedForm]
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
    by = Actor(caller.name, reason, parts.now())
    with transaction(parts.database) as session:
        if deed == "ask":
            asked = ask_people(session, parts.jobs, project, image, by)
            done = asked.another + asked.new
        else:
            done = correct(session, parts.jobs, project, image, value, by, ADJUDICATION)
    query = urlencode({"why": reason, "done": done})
    return RedirectResponse(f"/projects/{project.id}/disputes?{query}", status_code=303)


def _first(found: list[Disputed], image: int | None) -> Disputed | None:
    """The one asked for; the first of the list if it is decided already, or none was asked for."""
    return next((one for one in found if one.dispute.image_id == image), found[0] if found else None)
