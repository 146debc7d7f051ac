"""Where an image stands in its project now: its group, the random stream, and what keeps it from being asked about.

In: a project's image. Out: facts, read-only.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.queries import imported_samples, stream
from db.rows import count
from db.tables import FailureRow, GroupRow, ImageRow, LabelRow, PrelabelRow, QueryRow, ShadowPickRow
from labeling.types import ImageId, ProjectId


@dataclass(frozen=True, slots=True)
class Place:
    """`reserved`: its group is kept for the random stream; `drawn`: the stream has asked about the group.

    `shadow_pick_of` is the query that would have picked its group, had it not been reserved. `measuring` is the image
    of its group whose label measures. `sampled`: it was imported as part of a random sample.
    """

    group_id: int | None
    images_in_group: int
    reserved: bool
    drawn: bool
    shadow_pick_of: int | None
    measuring: ImageId | None
    sampled: bool
    prelabelled: bool
    failure: str


def place_of(session: Session, project_id: ProjectId, image_id: ImageId) -> Place:
    """Where the image stands now."""
    group = session.scalar(sa.select(ImageRow.group_id).where(ImageRow.id == image_id))
    said = sa.select(PrelabelRow.id).where(PrelabelRow.image_id == image_id).limit(1)
    sampled = imported_samples.sampled(project_id).where(LabelRow.image_id == image_id)
    of_group = ImageRow.project_id == project_id, ImageRow.group_id == group
    shadow = sa.select(QueryRow.number).join(ShadowPickRow, ShadowPickRow.query_id == QueryRow.id)
    reserved, drawn = _in_stream(session, project_id, group)
    measuring = stream.read_stream(session, project_id).examples.get(group or 0) if drawn else None
    return Place(
        group_id=group,
        images_in_group=count(session, ImageRow, *of_group) if group else 1,
        reserved=reserved,
        drawn=drawn,
        shadow_pick_of=session.scalar(shadow.where(ShadowPickRow.group_id == group)),
        measuring=None if measuring is None else measuring.image_id,
        sampled=session.scalar(sampled.limit(1)) is not None,
        prelabelled=session.scalar(said) is not None,
        failure=_failure(session, project_id, image_id),
    )


def _in_stream(session: Session, project_id: ProjectId, group: int | None) -> tuple[bool, bool]:
    share = stream.share_in_force(session, project_id)
    found = session.execute(
        sa.select(stream.is_reserved(project_id, share), stream.was_drawn(project_id)).where(GroupRow.id == group)
    ).first()
    return (bool(found[0]), bool(found[1])) if found is not None else (False, False)


def _failure(session: Session, project_id: ProjectId, image_id: ImageId) -> str:
    """Why its pre-label cannot be made, as far as that was tried; empty where nothing failed."""
    of_image = FailureRow.project_id == project_id, FailureRow.step == "prelabel", FailureRow.subject == str(image_id)
    return session.scalar(sa.select(FailureRow.reason).where(*of_image)) or ""
