"""New images get their groups, and the thresholds are frozen once enough images are there.

In: images whose vectors are known. Out: groups in the order of image ids; until thresholds are frozen, one for each
image. Doing it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from db.repositories.engines import prelabels
from db.repositories.engines.prelabels import PlacedImage, UngroupedImage
from db.repositories.images import groups
from db.repositories.images.groups import Move, Standing
from db.session import reading, transaction
from labeling.ingest.fingerprints import Fingerprints
from labeling.ingest.groups import Group, Neighbour, Placement, among, are_too_many, place
from labeling.ingest.twins import MIN_IMAGES, NOTHING, TwinRule
from labeling.project import Project
from labeling.select.query.stream import position_of
from service.work.grouping.fingerprints import KnownImages, fingerprints_of, known_images
from service.work.grouping.regrouping import freeze
from service.work.grouping.rules import apart, policy_rule, rule_in_force
from service.work.wiring import Parts

__all__ = ["group_new"]

GROUPED_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class _Near:
    """What new images are near to: their twins by content hash, and where the known ones of those stand."""

    known: KnownImages
    twins: dict[str, list[Neighbour]]
    standing: list[Standing]
    labels: dict[int, set[str]]


def group_new(parts: Parts, project: Project, encoder: str, *, hurry: bool) -> tuple[int, int]:
    """Give groups to images that have none; returns how many got one, and how many still wait.

    They wait until many have come, or until there is `hurry`: no image is left to prelabel.
    """
    with reading(parts.database) as session:
        new = prelabels.ungrouped(session, project.id, encoder=encoder, limit=GROUPED_AT_ONCE + 1)
        rule = rule_in_force(session, project)
        asked = groups.has_query(session, project.id)
    more = len(new) > GROUPED_AT_ONCE
    new = new[:GROUPED_AT_ONCE]
    if not hurry and not more:
        return 0, len(new)
    if new:
        _group(parts, project, new, rule)
    if rule is None and (asked or not more):
        _freeze_if_many(parts, project)
    return len(new), int(more)


def _group(parts: Parts, project: Project, new: Sequence[UngroupedImage], rule: TwinRule | None) -> None:
    names = [image.content_hash for image in new]
    images = fingerprints_of(parts, names)
    near = _near(parts, project, names, images, NOTHING if rule is None else rule)
    placed = _placement(near, names)
    joined = sum(founder != name for founder, name in zip(placed.founders, names, strict=True))
    if rule is not None and policy_rule(project) is None and are_too_many(joined, len(new)):
        with transaction(parts.database) as session:
            groups.freeze(session, project.id, apart(parts, rule, joined, len(new)))
        placed = Placement(tuple(names), {})
    _write(parts, project, new, near, placed)
    near.known.add([image.id for image in new], images)


def _near(parts: Parts, project: Project, names: Sequence[str], images: Fingerprints, rule: TwinRule) -> _Near:
    twins = among(images, names, rule)
    with reading(parts.database) as session:
        known = known_images(parts, project.id, session)
        found = known.index.twins(images, rule)
        ids = [known.ids[row] for row in found.known.tolist()]
        standing = groups.standing(session, ids)
        labels = groups.labels_of_groups(session, {one.group_id for one in standing})
    hashes = {one.image_id: one.content_hash for one in standing}
    for row, image_id, bits in zip(found.new.tolist(), ids, found.bits.tolist(), strict=True):
        if image_id in hashes:
            twins.setdefault(names[row], []).append(Neighbour(hashes[image_id], bits))
    return _Near(known, twins, standing, labels)


def _placement(near: _Near, names: Sequence[str]) -> Placement:
    held = {
        one.content_hash: Group(one.founder, one.group_id, frozenset(near.labels.get(one.group_id, ())))
        for one in near.standing
    }
    return place(names, near.twins, held, {})


def _write(parts: Parts, project: Project, new: Sequence[UngroupedImage], near: _Near, placed: Placement) -> None:
    """The new images, and in the same transaction the members of groups that became one."""
    known = {one.founder: one.position for one in near.standing}

    def position(founder: str) -> float:
        return known[founder] if founder in known else position_of(founder, project.salt)

    rows = [
        PlacedImage(image.id, founder, position(founder)) for image, founder in zip(new, placed.founders, strict=True)
    ]
    younger = {one.group_id: placed.joined[one.founder] for one in near.standing if one.founder in placed.joined}
    now = parts.now()
    with transaction(parts.database) as session:
        leaving = groups.members(session, younger)
        moves = [
            Move(one.image_id, one.group_id, younger[one.group_id], position(younger[one.group_id])) for one in leaving
        ]
        prelabels.place(session, project.id, rows, now)
        groups.move(session, project.id, moves, "a new image is near to both groups", now)


def _freeze_if_many(parts: Parts, project: Project) -> None:
    with reading(parts.database) as session:
        many = groups.count_grouped(session, project.id) >= MIN_IMAGES
    if many:
        freeze(parts, project)
