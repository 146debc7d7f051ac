"""Figures that the worker computed, as data. One in the form of another release is left out until it is recomputed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel

from db.session import reading
from db.views import dashboard
from labeling.errors import NotFound
from service.figures.figures import outdated
from service.web.api.bodies import Body
from service.web.edge.access import Guarded, ProjectDep
from service.web.wiring import PartsDep

OUTDATED = "Being computed again: it was stored by another version of hardcase."
router = APIRouter(route_class=Guarded, tags=["figures"])


class FigureOut(Body):
    """One figure; docs/reference/figures.md explains the data of each name."""

    name: str
    data: dict[str, Any]
    computed_at: datetime


class FiguresOut(BaseModel):
    """All figures of a project that are computed so far."""

    items: list[FigureOut]


@router.get("/api/projects/{project}/figures", summary="List figures with their data")
def list_figures(parts: PartsDep, project: ProjectDep) -> FiguresOut:
    with reading(parts.database) as session:
        figures = dashboard.figures(session, project.id)
    old = outdated(figures)
    return FiguresOut(items=[FigureOut.of(figure) for name, figure in figures.items() if name not in old])


@router.get("/api/projects/{project}/figures/{name}", summary="Show one figure's data")
def show_figure(parts: PartsDep, project: ProjectDep, name: Annotated[str, Path(max_length=100)]) -> FigureOut:
    with reading(parts.database) as session:
        figures = dashboard.figures(session, project.id)
    if name in outdated(figures):
        raise NotFound(OUTDATED)
    if name not in figures:
        raise NotFound(f"This figure is not computed yet. There are: {', '.join(figures) or 'none'}.")
    return FigureOut.of(figures[name])
