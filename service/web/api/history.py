"""The story of one image: its history, and where it stands and why."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from db.repositories.images.by_name import find_image
from db.session import reading
from db.views.listings import ImageItem
from labeling.jobs import Role
from service.labels.image_history import Story, story_of
from service.web.api.bodies import Body
from service.web.api.images import Number
from service.web.api.machine_labels import MachineLabelOut
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["images"])

Named = Annotated[
    str, Path(max_length=2_048, description="An image's number, its content hash, or a reference without a slash.")
]


class FactOut(Body):
    """One fact about the image; `details` depend on `what`."""

    at: datetime
    what: str = Field(examples=["registered", "prelabel", "asked", "answered", "decision", "label"])
    by: str
    says: str
    why: str
    task_id: int | None
    details: dict[str, Any]


class TwinOut(Body):
    """A near-duplicate of the image, with its label in force."""

    image_id: int
    label: str | None


class ImageHistoryOut(BaseModel):
    """The image's label in force, every fact in order, and its near-duplicates."""

    image_id: int
    reference: str
    label: str | None
    hidden: bool = Field(description="Predictions and labels are left out: a blind review of this image is open.")
    facts: list[FactOut]
    twins: list[TwinOut]


class StandingOut(Body):
    """Where the image stands. `reserved`, `drawn` and `shadow_pick_of` (a query) are of its near-duplicate group."""

    group: int | None
    images_in_group: int
    reserved: bool
    drawn: bool
    shadow_pick_of: int | None
    left_aside: list[int] = Field(description="The newest queries that could have picked it by strategy and did not.")
    trains: bool
    measures: bool
    use: str = Field(description="Why its label trains, measures, or does neither.")
    trained: list[int] = Field(description="The versions that were trained on a label of it.")
    calibrated: list[int] = Field(description="The versions whose temperature was fitted on a label of it.")
    waits_for: str = Field(description="Why it has no label; empty where it has one.")


class WhyOut(ImageHistoryOut):
    """The whole story. `standing` is null while a blind review is open and the key is no engineer's."""

    image: ImageItem
    standing: StandingOut | None
    machine: MachineLabelOut


@router.get("/api/projects/{project}/images/{image_id}/history", summary="Show the history of an image")
def show_history(parts: PartsDep, caller: CallerDep, project: ProjectDep, image_id: Number) -> ImageHistoryOut:
    """Facts, oldest first: its registration, every prediction and answer, and each label it ever had."""
    with reading(parts.database) as session:
        story = story_of(session, parts.settings.home, project, image_id, leads=caller.may(Role.ENGINEER))
    return ImageHistoryOut(**_history(story))


@router.get("/api/projects/{project}/images/{image}/why", summary="Show where an image stands, and why")
def show_why(parts: PartsDep, caller: CallerDep, project: ProjectDep, image: Named) -> WhyOut:
    """The history with what the image is, what its label may be used for, and why it has none if it has none."""
    with reading(parts.database) as session:
        image_id = find_image(session, project.id, image)
        story = story_of(session, parts.settings.home, project, image_id, leads=caller.may(Role.ENGINEER))
    standing = None if story.standing is None else StandingOut.of(story.standing)
    machine = MachineLabelOut.of(story.machine)
    return WhyOut(**_history(story), image=story.item, standing=standing, machine=machine)


def _history(story: Story) -> dict[str, Any]:
    return {
        "image_id": story.image.image_id,
        "reference": story.image.reference,
        "label": story.image.value,
        "hidden": story.hidden,
        "facts": [FactOut.of(fact) for fact in story.facts],
        "twins": [TwinOut.of(twin) for twin in story.twins],
    }
