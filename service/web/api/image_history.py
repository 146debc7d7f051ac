"""The history of one image, as the page of the same name shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from db.session import reading
from labeling.jobs import Role
from labeling.types import ImageId
from service.labels.image_history import Story, story_of
from service.web.api.answers import Answer
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["images"])


class FactOut(Answer):
    """One fact about the image; `details` depend on what it is."""

    at: datetime
    what: str = Field(examples=["registered", "prelabel", "asked", "answered", "decision", "label"])
    by: str
    says: str
    why: str
    task_id: int | None
    details: dict[str, Any]


class TwinOut(Answer):
    """A near-duplicate of the image, with the label that stands."""

    image_id: int
    label: str | None


class ImageHistoryOut(BaseModel):
    """The image's label as it stands, every fact in order, and its near-duplicates."""

    image_id: int
    reference: str
    label: str | None
    hidden: bool = Field(description="Opinions and labels are left out: somebody is asked about this image blind.")
    facts: list[FactOut]
    twins: list[TwinOut]


@router.get("/api/projects/{project}/images/{image_id}/history", summary="Everything that is known of an image")
def show_history(
    parts: PartsDep, caller: CallerDep, project: ProjectDep, image_id: Annotated[int, Path(ge=1, lt=2**62)]
) -> ImageHistoryOut:
    """Facts, oldest first: from its registration over every opinion and answer to each label it ever had."""
    with reading(parts.database) as session:
        return _out(story_of(session, project, ImageId(image_id), leads=caller.may(Role.ENGINEER)))


def _out(story: Story) -> ImageHistoryOut:
    return ImageHistoryOut(
        image_id=story.image.image_id,
        reference=story.image.reference,
        label=story.image.value,
        hidden=story.hidden,
        facts=[FactOut.of(fact) for fact in story.facts],
        twins=[TwinOut.of(twin) for twin in story.twins],
    )
