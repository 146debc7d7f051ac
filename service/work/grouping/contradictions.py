"""Groups whose members were given different labels come apart by themselves.

In: a project. Out: how many images moved. The founder's part keeps the group; every other part gets one that its oldest
member founds, with a position of its own in the random stream. Nothing is asked of the groups while no label has come.
"""

from __future__ import annotations

from itertools import groupby

from db.repositories.images import groups
from db.repositories.images.groups import Move, Standing
from db.repositories.projects import projects
from db.session import reading, transaction
from labeling.ingest.groups import divide
from labeling.project import Project
from labeling.select.query.stream import position_of
from labeling.types import ProjectId
from service.work.grouping.fingerprints import fingerprints_of
from service.work.wiring import Parts

__all__ = ["take_apart"]

GROUPS_AT_ONCE = 100


def take_apart(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Take apart the next groups whose members have different labels; `taken_apart` counts the images that moved."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        newest = groups.newest_label(session, project_id)
        if parts.memo.get(("labels of groups", project_id), "", lambda: [-1]) == [newest]:
            return {"taken_apart": 0}
        found = groups.contradicting(session, project_id, GROUPS_AT_ONCE)
        standing = groups.members(session, found)
        labels = groups.labels_by_content(session, project_id, found)
    moved = 0
    for _, members in groupby(standing, key=lambda one: one.group_id):
        moved += _divide(parts, project, list(members), labels)
    if len(found) < GROUPS_AT_ONCE:
        parts.memo.get(("labels of groups", project_id), "", lambda: [-1])[0] = newest
    return {"taken_apart": moved}


def _divide(parts: Parts, project: Project, members: list[Standing], labels: dict[str, str]) -> int:
    names = [one.content_hash for one in members]
    founders = divide(fingerprints_of(parts, names), names, labels)
    renamed = {names[0]: members[0].founder}  # the founder itself may be gone; the oldest member's part keeps the group
    moves = [
        Move(one.image_id, one.group_id, renamed.get(founder, founder), position_of(founder, project.salt))
        for one, founder in zip(members, founders, strict=True)
    ]
    with transaction(parts.database) as session:
        return groups.move(session, project.id, moves, "its members have different labels", parts.now())
