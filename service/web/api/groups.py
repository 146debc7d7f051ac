"""Near-duplicate groups: how many images stand in them, and the largest ones."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from db.session import reading
from db.views import groups
from db.views.groups import LargeGroup
from service.web.edge.access import Guarded, ProjectDep
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["images"])


class GroupsOut(BaseModel):
    """`sizes` maps the number of images in a group to the number of such groups; `rule` says how they are found."""

    images: int
    groups: int
    in_groups: int
    share: float
    largest: int
    sizes: dict[int, int]
    rule: str
    largest_groups: list[LargeGroup]


@router.get("/api/projects/{project}/groups", summary="Near-duplicate groups")
def show_groups(parts: PartsDep, project: ProjectDep, limit: Annotated[int, Query(ge=0, le=100)] = 10) -> GroupsOut:
    """How many images stand in groups of several, and the largest groups with their first images."""
    with reading(parts.database) as session:
        found = groups.sizes(session, project.id)
        largest = groups.largest(session, project.id, limit)
    return GroupsOut(
        images=found.images,
        groups=found.groups,
        in_groups=found.in_groups,
        share=found.share,
        largest=found.largest,
        sizes=found.sizes,
        rule="" if found.rule is None else found.rule.reason,
        largest_groups=largest,
    )
