"""The Machine labels page: what each threshold takes and how right that is, its file, and pictures of the rest.

In: the worker's figure `machine_labels` (docs/reference/figures.md). Pictures that got a label since it was computed,
or that a blind review hides, are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse

from db.session import reading
from db.views import dashboard, label_list
from labeling.jobs import Role
from labeling.types import ImageId
from service.figures.figures import name_of, outdated, read
from service.figures.machine_labels import MachineLabels, OneThreshold, Sure
from service.web.api.machine_labels import AtLeast, Form, Images, download
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.pages.rendering import page
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)
PICTURES = 12


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of the rest, with what the version says of it."""

    image_id: int
    content_hash: str
    says: str
    probability: float


@router.get("/projects/{project}/machine-labels", summary="The Machine labels page")
def show_machine_labels(
    request: Request,
    parts: PartsDep,
    caller: CallerDep,
    project: ProjectDep,
    at_least: AtLeast = 0.0,
    label: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """With `at_least` the threshold at or under it is chosen; with `label` only pictures of that class are shown."""
    with reading(parts.database) as session:
        figures = dashboard.figures(session, project.id)
        figure = read(figures, MachineLabels)
        shown = {end: _pictures(figure, label, end) for end in ("surest", "least_sure")} if figure else {}
        images = [ImageId(one.image_id) for some in shown.values() for _, one in some]
        found = {one.image_id: one for one in label_list.of_images(session, project.id, images)}
        hidden = set() if caller.may(Role.ENGINEER) else label_list.blind_and_open(session, images)
    left = {image: one.content_hash for image, one in found.items() if one.value is None and image not in hidden}
    return page(
        request,
        "machine_labels.html",
        project=project,
        figure=figure,
        chosen=_chosen(figure.thresholds if figure else [], at_least),
        at_least=at_least,
        label=label,
        pictures={
            end: [
                Picture(i, left[i], says, one.probability) for says, one in some if (i := ImageId(one.image_id)) in left
            ]
            for end, some in shown.items()
        },
        computed_at=figures[name_of(MachineLabels)].computed_at if figure else None,
        is_outdated=name_of(MachineLabels) in outdated(figures),
    )


@router.get(
    "/projects/{project}/machine-labels/download",
    summary="Download machine labels from the page",
    response_class=StreamingResponse,
)
def download_from_page(
    parts: PartsDep,
    caller: CallerDep,
    project: ProjectDep,
    images: Images = "rest",
    at_least: AtLeast = 0.0,
    form: Form = "csv",
    version: Annotated[int | None, Query(ge=1)] = None,
) -> Response:
    return download(parts, caller, project, images, at_least, form, version)


def _chosen(thresholds: list[OneThreshold], at_least: float) -> OneThreshold | None:
    """The strictest threshold that is not above what was asked for; the loosest where all are."""
    under = [one for one in thresholds if one.score <= at_least]
    return under[0] if under else thresholds[-1] if thresholds else None


def _pictures(figure: MachineLabels, label: str, end: str) -> list[tuple[str, Sure]]:
    """The first of one end, of one class or of all, in their order; each with its class."""
    classes = [one for one in figure.classes if label in ("", one.label)]
    found = [(one.label, sure) for one in classes for sure in getattr(one, end)]
    return sorted(found, key=lambda pair: pair[1].score, reverse=end == "surest")[:PICTURES]
