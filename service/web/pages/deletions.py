"""Deletions on pages: what was deleted, and a page that asks before something is."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from db.repositories.deletions import deletions
from db.session import reading, transaction
from db.views import listings
from labeling.jobs import Role
from labeling.types import Actor, DeletionKind
from service.deletions.orders import order, preview
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.pages.login import CheckedForm
from service.web.pages.rendering import page
from service.web.wiring import PartsDep

SHOWN = 200
router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)
Number = Annotated[int, Path(ge=1, lt=2**62, description="The number of what is to be deleted.")]


@router.get("/projects/{project}/deletions", summary="What was deleted")
def show_deletions(request: Request, parts: PartsDep, caller: CallerDep, project: ProjectDep) -> Response:
    with reading(parts.database) as session:
        found = deletions.listing(session, project.id, after=None, limit=SHOWN).items
        sources = listings.sources(session, project.id, after=None, limit=SHOWN).items
    may_delete = caller.may(Role.ADMIN)
    return page(request, "deletions.html", project=project, deletions=found, sources=sources, may_delete=may_delete)


@router.get("/projects/{project}/delete/{kind}/{number}", summary="Ask before something is deleted for good")
def confirm_deletion(
    request: Request, parts: PartsDep, project: ProjectDep, kind: DeletionKind, number: Number
) -> Response:
    with reading(parts.database) as session:
        shown = preview(session, project, kind, number)
    return page(request, "delete_confirm.html", project=project, shown=shown)


@router.post(
    "/projects/{project}/delete/{kind}/{number}",
    summary="Delete something for good",
    dependencies=[CheckedForm],
)
def delete(
    parts: PartsDep,
    caller: CallerDep,
    project: ProjectDep,
    kind: DeletionKind,
    number: Number,
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    with transaction(parts.database) as session:
        order(session, parts.jobs, project, kind, number, Actor(caller.name, reason, parts.now()))
    after = "/" if kind is DeletionKind.PROJECT else f"/projects/{project.id}/deletions"
    return RedirectResponse(after, status_code=303)
