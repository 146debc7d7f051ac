"""All groups of a project made anew by the rule in force, while people answer; and the freezing of the thresholds.

In: a project. Out: what changed, or would change, in counts. It reads, computes without a transaction, and writes in
short ones; an image that has moved meanwhile stays where it is. Doing it again changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from db.repositories.images import groups
from db.repositories.images.groups import KEPT, Grouping, Move, Standing
from db.repositories.projects import projects
from db.repositories.queries import stream
from db.session import reading, transaction
from labeling.ingest.fingerprints import Fingerprints
from labeling.ingest.groups import are_too_many, group
from labeling.ingest.twins import TwinRule
from labeling.project import Project
from labeling.select.query.stream import position_of
from labeling.slices import batches
from labeling.types import ProjectId
from service.work.grouping.rules import measured, policy_rule, too_many
from service.work.wiring import Parts

__all__ = ["freeze", "regroup"]

MOVED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class _Plan:
    """Every grouped image with the founder of its group from now on, and the thresholds to freeze, if any."""

    standing: list[Standing]
    founders: tuple[str, ...]
    grouping: Grouping | None

    @property
    def moving(self) -> list[tuple[Standing, str]]:
        pairs = zip(self.standing, self.founders, strict=True)
        return [(one, founder) for one, founder in pairs if one.founder != founder]


def regroup(parts: Parts, project_id: ProjectId, *, dry_run: bool = False) -> dict[str, int]:
    """Make all groups anew by the policy's rule; `dry_run` only counts what would change.

    Returns
    -------
    `images`; groups before and after; images that stand in groups of several, before and after; `moved` images;
    `labels_that_stop_training`: by how many more labelled images stand beside an older labelled one, which alone is
    trained on (negative: labels that train again);
    `changed_reserve`: images whose group is reserved for the random stream afterwards and was not, or the reverse.
    """
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        labels = groups.labels_by_content(session, project_id)
        share = stream.share_in_force(session, project_id)
    plan = _plan(parts, project, labels)
    counts = _counts(project, plan, labels, share)
    if not dry_run:
        _write(parts, project, plan, "made anew by hand")
    return counts


def freeze(parts: Parts, project: Project) -> None:
    """Measure the pool's distances once, keep them, and join the images that stand alone until now.

    Groups of version 0.1.0 stay as they are.
    """
    with reading(parts.database) as session:
        labels = groups.labels_by_content(session, project.id)
        before = groups.in_force(session, project.id)
    plan = _plan(parts, project, labels)
    if before is not None and before.kind == KEPT:
        plan = _Plan([], (), plan.grouping)
    _write(parts, project, plan, "thresholds were frozen")


def _plan(parts: Parts, project: Project, labels: Mapping[str, str]) -> _Plan:
    with reading(parts.database) as session:
        standing = groups.oldest_first(session, project.id)
        stored = groups.fingerprints(session, [one.content_hash for one in standing])
    names = [one.content_hash for one in standing]
    images = Fingerprints.read([stored.get(name, b"") for name in names])
    given = policy_rule(project)
    if given is not None:
        return _Plan(standing, group(images, names, given, labels), None)
    grouping = measured(parts, project, images)
    founders = group(images, names, TwinRule(grouping.sure, grouping.near), labels)
    joined = len(founders) - len(set(founders))
    if are_too_many(joined, len(founders)):
        return _Plan(standing, tuple(names), too_many(parts, joined, len(founders)))
    return _Plan(standing, founders, grouping)


def _counts(project: Project, plan: _Plan, labels: Mapping[str, str], share: float) -> dict[str, int]:
    before = Counter(one.founder for one in plan.standing)
    after = Counter(plan.founders)
    known = {one.founder: one.position for one in plan.standing}
    return {
        "images": len(plan.standing),
        "groups_before": len(before),
        "groups_after": len(after),
        "in_groups_before": _in_groups(before),
        "in_groups_after": _in_groups(after),
        "largest_after": max(after.values(), default=0),
        "moved": len(plan.moving),
        "labels_that_stop_training": _beside_others(plan.founders, plan.standing, labels)
        - _beside_others([one.founder for one in plan.standing], plan.standing, labels),
        "changed_reserve": sum(
            (one.position < share) != (_position(project, known, founder) < share) for one, founder in plan.moving
        ),
    }


def _in_groups(sizes: Counter[str]) -> int:
    return sum(size for size in sizes.values() if size > 1)


def _beside_others(founders: Sequence[str], standing: Sequence[Standing], labels: Mapping[str, str]) -> int:
    """How many labelled images stand in a group with an older labelled one."""
    held = [founder for founder, one in zip(founders, standing, strict=True) if one.content_hash in labels]
    return len(held) - len(set(held))


def _position(project: Project, known: Mapping[str, float], founder: str) -> float:
    return known[founder] if founder in known else position_of(founder, project.salt)


def _write(parts: Parts, project: Project, plan: _Plan, reason: str) -> None:
    known = {one.founder: one.position for one in plan.standing}
    moves = [
        Move(one.image_id, one.group_id, founder, _position(project, known, founder)) for one, founder in plan.moving
    ]
    for some in batches(moves, MOVED_AT_ONCE):
        with transaction(parts.database) as session:
            groups.move(session, project.id, some, reason, parts.now())
        parts.failpoint("grouping.after_moves")
    if plan.grouping is not None:
        with transaction(parts.database) as session:
            groups.freeze(session, project.id, plan.grouping)
