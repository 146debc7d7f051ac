"""Releases: what was released of a project, and each release's own page as it was written, checked by its hash."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from db.repositories.labels import snapshots
from db.session import reading
from service.release.files import PAGE, read_file
from service.web.edge.access import Guarded, ProjectDep
from service.web.pages.rendering import page
from service.web.wiring import PartsDep

SHOWN = 200
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""What a release's page may do: it holds its own style and pictures, and nothing else."""
router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)


@router.get("/projects/{project}/releases", summary="The releases")
def show_releases(request: Request, parts: PartsDep, project: ProjectDep) -> Response:
    with reading(parts.database) as session:
        found = snapshots.listing(session, project.id, after=None, limit=SHOWN)
    return page(request, "releases.html", project=project, snapshots=found.items)


@router.get("/projects/{project}/releases/{snapshot}", summary="A release's page")
def show_release(
    parts: PartsDep, project: ProjectDep, name: Annotated[str, Path(alias="snapshot", max_length=64)]
) -> Response:
    with reading(parts.database) as session:
        snapshot = snapshots.by_name(session, project.id, name)
    text = read_file(parts.settings.home, project, snapshot, PAGE)
    return HTMLResponse(text, headers={"Content-Security-Policy": POLICY})
