"""Near-duplicate groups as a page and the API show them: how many images stand in groups, and the largest ones.

In: a project. Out: frozen items. Groups of one image are counted only; nothing is written.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.images import groups
from db.repositories.images.groups import APART, TOO_MANY, Grouping
from db.tables import ImageRow
from labeling.types import ImageId, ProjectId

__all__ = ["APART", "TOO_MANY", "GroupSizes", "LargeGroup", "Member", "largest", "sizes"]

SHOWN_OF_A_GROUP = 12


@dataclass(frozen=True, slots=True)
class Member:
    """One image of a group, with its label in force, if it has one."""

    image_id: ImageId
    content_hash: str
    label: str | None


@dataclass(frozen=True, slots=True)
class LargeGroup:
    """A group of several images: its number, its size, and its first members, the founder first."""

    group_id: int
    size: int
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class GroupSizes:
    """How a project's images are grouped.

    `images` have a group; `in_groups` of them stand in one of several images. `sizes` says how many groups there are of
    each size. `rule` is what was frozen; None while nothing was.
    """

    images: int
    groups: int
    in_groups: int
    largest: int
    rule: Grouping | None
    sizes: dict[int, int] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """The share of images that stand in groups of several, in [0, 1]."""
        return self.in_groups / self.images if self.images else 0.0


def sizes(session: Session, project_id: ProjectId) -> GroupSizes:
    """How large a project's groups are; one pass over an index."""
    each = _sizes(project_id).subquery()
    rows = session.execute(sa.select(each.c.size, sa.func.count()).group_by(each.c.size).order_by(each.c.size))
    found = {int(size): int(number) for size, number in rows}
    return GroupSizes(
        images=sum(size * number for size, number in found.items()),
        groups=sum(found.values()),
        in_groups=sum(size * number for size, number in found.items() if size > 1),
        largest=max(found, default=0),
        rule=groups.in_force(session, project_id),
        sizes=found,
    )


def largest(session: Session, project_id: ProjectId, limit: int) -> list[LargeGroup]:
    """The largest groups of several images, each with its first members."""
    size = sa.func.count().label("size")
    rows = session.execute(
        _sizes(project_id).having(size > 1).order_by(size.desc(), ImageRow.group_id).limit(limit)
    ).all()
    found = groups.members(session, [row.group_id for row in rows])
    of_group = {row.group_id: [one for one in found if one.group_id == row.group_id][:SHOWN_OF_A_GROUP] for row in rows}
    labels = groups.labels_by_content(session, project_id, list(of_group))
    return [
        LargeGroup(
            row.group_id,
            row.size,
            tuple(Member(m.image_id, m.content_hash, labels.get(m.content_hash)) for m in of_group[row.group_id]),
        )
        for row in rows
    ]


def _sizes(project_id: ProjectId) -> sa.Select[*tuple[int | None, int]]:
    of_project = ImageRow.project_id == project_id, ImageRow.group_id.is_not(None)
    return sa.select(ImageRow.group_id, sa.func.count().label("size")).where(*of_project).group_by(ImageRow.group_id)
