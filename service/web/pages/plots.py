"""Plots of figures, drawn when a page shows them: in a process of its own, so that the web never loads what draws.

In: the figures that the worker stored. Out: addresses for pages, and SVG under them. What was drawn is kept in the
folder `plots` of the home, by a hash of the figure and of `PLOT_FORMAT`; it can be deleted at any time.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from db.session import reading
from db.views import dashboard
from labeling.adapters.storage.atomic_files import write_whole
from labeling.adapters.storage.sealed_bytes import sealed, unsealed
from labeling.errors import NotFound, Unavailable
from labeling.types import ProjectId
from service.figures.figures import PLOT_FORMAT, Decoded, decode
from service.web.edge.access import Guarded, ProjectDep
from service.web.wiring import PartsDep

__all__ = ["addresses"]

DRAWS = [sys.executable, "-m", "service.work.figures.draw"]
WITHIN_S = 60
SEALED = ".sealed"
NOT_DRAWN = "The plot could not be drawn; the log says why. The table beside it has the same numbers."
POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
router = APIRouter(route_class=Guarded, tags=["pages"])
_log = logging.getLogger(__name__)


def addresses(project_id: ProjectId, figures: Decoded) -> dict[str, str]:
    """Where the plot of each figure is that has one and enough to draw."""
    return {name: f"/projects/{project_id}/plots/{file}" for name, (file, _) in _drawable(figures).items()}


@router.get("/projects/{project}/plots/{file}", summary="The plot of a figure", response_class=Response)
def show_plot(parts: PartsDep, project: ProjectDep, file: str) -> Response:
    """SVG; drawn now, with the project's other plots, where it is not kept.

    The address of a figure as it was before leads to the plot as it is now.
    """
    with reading(parts.database) as session:
        wanted = _drawable(decode(dashboard.figures(session, project.id)))
    now = wanted.get(file.rpartition("-")[0])
    if now is None:
        raise NotFound("There is no such plot, or too little to draw.")
    if file != now[0]:  # a page that was opened before the figure was counted again
        address = f"/projects/{project.id}/plots/{now[0]}"
        return RedirectResponse(address, status_code=307, headers={"Cache-Control": "no-store"})
    folder = parts.settings.home / "plots" / str(project.id)
    lock = parts.drawing.setdefault(project.id, Lock())
    alone = lock.acquire(blocking=False)
    if not alone and not lock.acquire(timeout=WITHIN_S):
        raise Unavailable("Other plots are being drawn. Load the page again in a moment.")
    try:  # whoever waited does not draw: what another request could not draw would be tried again by each
        if alone and _kept(folder, file) is None:
            _draw(folder, {name: found for name, found in wanted.items() if _kept(folder, found[0]) is None})
        svg = _kept(folder, file)
    finally:
        lock.release()
    if svg is None:
        raise Unavailable(NOT_DRAWN)
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "private, max-age=31536000, immutable"}
    return Response(svg, media_type="image/svg+xml", headers=headers)


def _drawable(figures: Decoded) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """By name: the file of its plot, and the figure's data."""
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for name, value in figures.values.items():
        if getattr(value, "drawable", False):
            data = figures.kept[name].data
            digest = sha256(msgspec.json.encode([PLOT_FORMAT, data])).hexdigest()[:16]
            found[name] = (f"{name}-{digest}.svg", data)
    return found


def _kept(folder: Path, file: str) -> bytes | None:
    """The plot, where it is kept as it was drawn."""
    try:
        return unsealed((folder / f"{file}{SEALED}").read_bytes())
    except FileNotFoundError:
        return None


def _draw(folder: Path, missing: Mapping[str, tuple[str, Mapping[str, Any]]]) -> None:
    """Draw these and put them in the place of older ones of their names."""
    data = msgspec.json.encode({name: data for name, (_, data) in missing.items()})
    try:
        done = subprocess.run(DRAWS, input=data, stdout=subprocess.PIPE, timeout=WITHIN_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        _log.warning("plots could not be drawn: names=%s", ",".join(missing), exc_info=error)
        raise Unavailable(NOT_DRAWN) from error
    for name, svg in msgspec.json.decode(done.stdout, type=dict[str, str]).items():
        for older in folder.glob(f"{name}-*.svg*"):
            older.unlink(missing_ok=True)
        write_whole(folder / f"{missing[name][0]}{SEALED}", b"".join(sealed([svg.encode()])))
