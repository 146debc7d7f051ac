"""The page of the label set: its classes and versions, and a form that changes it after it has said what that does."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from db.repositories.projects import projects
from db.session import reading, transaction
from labeling.project import LabelOperation, Project
from labeling.types import Actor
from service.labels.label_set import change_label_set, preview, words_of
from service.projects.history import label_sets
from service.projects.label_operations import read_change
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.pages.login import CheckedForm
from service.web.pages.rendering import page
from service.web.wiring import PartsDep, WebParts

router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)
Lines = Annotated[str, Form(max_length=200_000)]


@router.get("/projects/{project}/label-set", summary="The page of the label set")
def show_label_set(
    request: Request, parts: PartsDep, project: ProjectDep, done: Annotated[int, Query(ge=0, lt=2**31)] = 0
) -> Response:
    return _page(request, parts, project, done=done)


@router.post(
    "/projects/{project}/label-set",
    summary="Say what a change of the label set would do, or make it",
    dependencies=[CheckedForm],
)
def change(
    request: Request,
    parts: PartsDep,
    caller: CallerDep,
    project: ProjectDep,
    operation: Annotated[LabelOperation, Form()],
    label_set: Annotated[int, Form(ge=1, lt=2**31)],
    classes: Lines = "",
    into: Lines = "",
    reason: Annotated[str, Form(max_length=500)] = "",
    deed: Annotated[str, Form(pattern="^(preview|change)$")] = "preview",
) -> Response:
    """Names stand one a line. A change is made only by the form that has said what it does."""
    made = read_change(operation, _names(classes), _names(into)).to_operation()
    if deed == "preview":
        with reading(parts.database) as session:
            words = words_of(preview(session, project, made), done=False)
        wanted = {"operation": operation.value, "classes": classes, "into": into, "reason": reason}
        return _page(request, parts, project, words=words, wanted=wanted)
    by = Actor(caller.name, reason, parts.now())
    with transaction(parts.database) as session:
        effect = change_label_set(session, parts.jobs, project.id, made, by, label_set)
    return RedirectResponse(f"/projects/{project.id}/label-set?done={effect.label_set}", status_code=303)


def _page(
    request: Request,
    parts: WebParts,
    project: Project,
    *,
    words: list[str] | None = None,
    wanted: dict[str, str] | None = None,
    done: int = 0,
) -> Response:
    with reading(parts.database) as session:
        versions = label_sets(projects.history(session, project.id))
    operations = [operation.value for operation in LabelOperation]
    return page(
        request,
        "label_set.html",
        project=project,
        versions=versions,
        operations=operations,
        words=words or [],
        wanted=wanted or {},
        done=done,
    )


def _names(lines: str) -> list[str]:
    return [line.strip() for line in lines.splitlines() if line.strip()]
