"""Machine labels: what the champion says of each image, as a list, of one image, and as a stream to a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from db.repositories.people import audit
from db.session import reading, transaction
from labeling.errors import Conflict, Invalid, NotFound
from labeling.jobs import Role
from labeling.project import Project
from service.auth import Caller
from service.exporting.formats.text_tables import TEXTS
from service.exporting.label_set import LabelSet, Wanted, open_label_set, with_machine_labels
from service.labels.machine_labels import MachineLabel, machine_labels, machine_labels_of
from service.web.api.bodies import Body
from service.web.api.images import Number
from service.web.api.paging import PagingDep, SliceOut
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.wiring import PartsDep, WebParts

router = APIRouter(route_class=Guarded, tags=["machine labels"])

Images = Annotated[Literal["rest", "all"], Query(description="`rest`: only images without a label.")]
AtLeast = Annotated[float, Query(ge=0, le=1, description="Only those with this score or more.")]
Form = Annotated[Literal["csv", "jsonl"], Query(description="The format of the file.")]
_MEDIA = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}


class MachineLabelOut(Body):
    """An image with its label in force and what the champion says; `why` is the reason where it says nothing."""

    image_id: int
    label: str | None
    machine_label: str | None
    probability: float | None = Field(description="The calibrated one.")
    score: float | None = Field(description="Before calibration; thresholds are compared with it.")
    version: int | None
    why: str
    hidden: bool = Field(description="A blind review of this image is open: only leads see what it hides.")


@router.get(
    "/api/projects/{project}/machine-labels",
    summary="List images with their machine labels",
    response_model=SliceOut[MachineLabelOut],
)
def list_machine_labels(
    parts: PartsDep,
    caller: CallerDep,
    project: ProjectDep,
    paging: PagingDep,
    images: Images = "all",
    label: Annotated[str | None, Query(max_length=100, description="Only those of this class.")] = None,
    at_least: AtLeast = 0.0,
) -> SliceOut[MachineLabel]:
    """Newest image first. With a filter a slice can hold fewer than `limit` and still have a `next_cursor`."""
    if label is not None and label not in project.config.classes:
        raise Invalid(f"{label!r} is no class of this project. There are: {', '.join(project.config.classes)}.")
    return paging.slice_of(
        machine_labels,
        home=parts.settings.home,
        project=project,
        leads=caller.may(Role.ENGINEER),
        rest=images == "rest",
        label=label,
        at_least=at_least,
    )


@router.get("/api/projects/{project}/images/{image_id}/machine-label", summary="Show the machine label of an image")
def show_machine_label(parts: PartsDep, caller: CallerDep, project: ProjectDep, image_id: Number) -> MachineLabelOut:
    leads = caller.may(Role.ENGINEER)
    with reading(parts.database) as session:
        found = machine_labels_of(session, parts.settings.home, project, [image_id], leads=leads)
    if not found:
        raise NotFound("This project has no such image.")
    return MachineLabelOut.of(found[0])


@router.get(
    "/api/projects/{project}/machine-labels/download",
    summary="Download machine labels as a file",
    response_class=StreamingResponse,
)
def download_machine_labels(
    parts: PartsDep,
    caller: CallerDep,
    project: ProjectDep,
    images: Images = "rest",
    at_least: AtLeast = 0.0,
    form: Form = "csv",
    version: Annotated[int | None, Query(ge=1, description="Conflict if the champion is another one.")] = None,
) -> Response:
    """The columns are those of every export; nothing but machine labels is in it."""
    return download(parts, caller, project, images, at_least, form, version)


def download(
    parts: WebParts,
    caller: Caller,
    project: Project,
    images: Literal["rest", "all"],
    at_least: float,
    form: Literal["csv", "jsonl"],
    version: int | None,
) -> Response:
    """A file that is sent while it is made; the audit log says so. Conflict if its thresholds are another version's."""
    labels = with_machine_labels(
        open_label_set(parts.database, project, parts.images, None), parts.settings.home, Wanted(images), at_least
    )
    number = labels.machine.said.version.number if labels.machine else None
    if version is not None and number != version:
        raise Conflict(
            f"Version {number} is in use now, and these thresholds are those of version {version}. Open the page again."
        )
    detail = {"labels": len(labels), "format": form, "snapshot": None, "machine": images, "version": number}
    with transaction(parts.database) as session:
        audit.record(session, caller.name, "export", project.config.name, detail, parts.now(), project.id)
    name = f"machine-labels-{project.id}-version-{number}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_lines(labels, form), media_type=_MEDIA[form], headers=headers)


def _lines(labels: LabelSet, form: str) -> Iterator[str]:
    return TEXTS[form](labels.records())
