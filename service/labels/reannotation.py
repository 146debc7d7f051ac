"""Ask people again about images: another person where there is a review, a new review where there is none.

In: images, the author and the reason. Out: counts; everything happens in the caller's transaction. A review that is
asked again keeps its kind and stays blind if it was, so its answer may be used as before. Asking for what is open
already changes nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from db.repositories.queries import queries
from db.repositories.queries.queries import NewQuery, NewReview
from db.repositories.reviews import overlaps, reviews
from labeling.jobs import Trigger
from labeling.project import Project
from labeling.types import Actor, ImageId, ReviewKind

STRATEGY = "asked again"
"""The strategy of a query that was not drawn: somebody asked for its images."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How many reviews want another person now, how many were newly made, and how many were open already."""

    another: int
    new: int
    open: int


def ask_again(session: Session, project: Project, image_ids: Sequence[ImageId], by: Actor) -> Asked:
    """Ask people about these images again; images without a group are skipped."""
    wanted = sorted(set(image_ids))
    standing = reviews.newest_of_images(session, project.id, wanted)
    closed = {one.review_id: one.people + 1 for one in standing.values() if not one.open}
    another = overlaps.want(session, closed, by)
    lacking = [image for image in wanted if image not in standing]
    made = _ask_anew(session, project, lacking, by.now) if lacking else 0
    return Asked(another, made, len(standing) - len(closed))


def _ask_anew(session: Session, project: Project, image_ids: Sequence[ImageId], now: datetime) -> int:
    """One query of `relabel` reviews; not blind, for these labels were given without a review."""
    query = NewQuery(
        project_id=project.id,
        number=queries.next_number(session, project.id),
        strategy=STRATEGY,
        seed=0,
        version_id=None,
        pool_size=len(image_ids),
        trigger=Trigger.HAND,
    )
    asked = [
        NewReview(
            image,
            ReviewKind.RELABEL,
            False,
            1.0,
            rank / len(image_ids),
            secrets.token_urlsafe(24),
            None,
            reason="a lead had it asked again",
        )
        for rank, image in enumerate(image_ids)
    ]
    return queries.add_query(session, query, asked, now)[1]
