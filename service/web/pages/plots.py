"""Plots of figures, drawn when a page shows them: in a process of its own, so that the web never loads what draws.

In: the figures that the worker stored. Out: addresses for pages, and SVG under them. What was drawn is kept in the
folder `plots` of the home, by a hash of the figure; it can be deleted at any time.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from fastapi import APIRouter, Response

from db.session import reading
from db.views import dashboard
from db.views.dashboard import Figure
from labeling.adapters.storage.atomic_files import write_whole
from labeling.errors import NotFound, Unavailable
from labeling.types import ProjectId
from service.figures.figures import FIGURES, read
from service.web.edge.access import Guarded, ProjectDep
from service.web.wiring import PartsDep

__all__ = ["addresses"]

DRAWS = [sys.executable, "-m", "service.work.figures.draw"]
WITHIN_S = 60
POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
router = APIRouter(route_class=Guarded, tags=["pages"])
_one_at_a_time = threading.Lock()


def addresses(project_id: ProjectId, figures: Mapping[str, Figure]) -> dict[str, str]:
    """Where the plot of each figure is that has one and enough to draw."""
    return {name: f"/projects/{project_id}/plots/{file}" for name, (file, _) in _drawable(figures).items()}


@router.get("/projects/{project}/plots/{file}", summary="The plot of a figure", response_class=Response)
def show_plot(parts: PartsDep, project: ProjectDep, file: str) -> Response:
    """SVG; drawn now, with the project's other plots, where it is not kept."""
    with reading(parts.database) as session:
        wanted = _drawable(dashboard.figures(session, project.id))
    if file not in {known for known, _ in wanted.values()}:
        raise NotFound("There is no such plot: the figure has changed since, or there is too little to draw.")
    folder = parts.settings.home / "plots" / str(project.id)
    with _one_at_a_time:
        missing = {name: (file, data) for name, (file, data) in wanted.items() if not (folder / file).exists()}
        if missing:
            _draw(folder, missing)
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "private, max-age=31536000, immutable"}
    return Response((folder / file).read_bytes(), media_type="image/svg+xml", headers=headers)


def _drawable(figures: Mapping[str, Figure]) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """By name: the file of its plot, and the figure's data."""
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for name, figure in figures.items():
        value = read(figures, FIGURES[name]) if name in FIGURES else None
        if getattr(value, "drawable", False):
            digest = sha256(msgspec.json.encode(figure.data)).hexdigest()[:16]
            found[name] = (f"{name}-{digest}.svg", figure.data)
    return found


def _draw(folder: Path, missing: Mapping[str, tuple[str, Mapping[str, Any]]]) -> None:
    """Draw these and put them in the place of older ones of their names."""
    data = msgspec.json.encode({name: data for name, (_, data) in missing.items()})
    try:
        done = subprocess.run(DRAWS, input=data, stdout=subprocess.PIPE, timeout=WITHIN_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"The plot could not be drawn: {error}. The table beside it has the same numbers.") from error
    for name, svg in msgspec.json.decode(done.stdout, type=dict[str, str]).items():
        for older in folder.glob(f"{name}-*.svg"):
            older.unlink(missing_ok=True)
        write_whole(folder / missing[name][0], svg.encode())
