"""Where an image stands and why, in words: what its label may be used for, and why it has none.

In: one image with its label, and where it stands in the project. Out: facts and sentences for page, API and command
line. What a label may be used for is decided by `labeling.review.kinds` alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from db.repositories.certificates import certificates
from db.repositories.labels.labels import OPEN
from db.repositories.queries import bases, queries
from db.repositories.queries.image_places import Place, place_of
from db.repositories.reviews import reviews
from db.views.label_list import Listed
from db.views.undecided import undecided
from labeling.answers import is_none
from labeling.basis import unpack_candidates
from labeling.project import Project
from labeling.review.kinds import may_teach
from labeling.types import ImageId, LabelSource, ReviewKind
from service.labels.lineage import lineage_of
from service.labels.machine_labels import MachineLabel

__all__ = ["Standing", "standing_of"]

QUERIES = 10
"""Of so many of the newest queries it is said whether they could have asked about the image."""


@dataclass(frozen=True, slots=True)
class Standing:
    """`group` of near-duplicates with its number of images; `reserved`, `drawn` and `shadow_pick_of` are of that group.

    `left_aside` are those of the newest queries whose strategy could have picked the image and did not. `trains` and
    `measures` are of the label in force, and `use` says why; `trained` and `calibrated`: numbers of the versions that
    were fitted on a label of it, and whose temperature was. `waits_for` says why there is none; empty where one is.
    """

    group: int | None
    images_in_group: int
    reserved: bool
    drawn: bool
    shadow_pick_of: int | None
    left_aside: tuple[int, ...]
    trains: bool
    measures: bool
    use: str
    trained: tuple[int, ...]
    calibrated: tuple[int, ...]
    waits_for: str


def standing_of(session: Session, project: Project, image: Listed, machine: MachineLabel) -> Standing:
    """Where an image stands now."""
    place = place_of(session, project.id, image.image_id)
    trains, measures, use = _use(image, place)
    lineage = lineage_of(session, project, image.image_id)
    return Standing(
        group=place.group_id,
        images_in_group=place.images_in_group,
        reserved=place.reserved,
        drawn=place.drawn,
        shadow_pick_of=place.shadow_pick_of,
        left_aside=_left_aside(session, project, image.image_id),
        trains=trains,
        measures=measures,
        use=use,
        trained=lineage.trained,
        calibrated=lineage.calibrated,
        waits_for="" if image.value is not None else _waits_for(session, project, image, place, machine),
    )


def _use(image: Listed, place: Place) -> tuple[bool, bool, str]:
    """Whether the label in force is learnt from, whether it measures, and why."""
    if image.value is None or image.source is None:
        return False, False, ""
    if place.group_id is None:
        return False, False, "It neither trains nor measures yet: the near-duplicates of the image are not known."
    if place.measuring == image.image_id:
        how = "was imported as part of a random sample" if place.sampled else "is of the random stream"
        return False, True, f"It measures and never trains: the image {how}."
    if is_none(image.value):
        return False, False, "It trains no class, for it names none; nor does it measure."
    if may_teach(image.kind, image.source, place.reserved) and not (place.sampled and image.kind is None):
        given = f"a review of the kind {image.kind.value} made it" if image.kind else "it was given, not asked for"
        return True, False, f"It trains: {given}, and its group is not reserved."
    return False, False, f"It neither trains nor measures: {_why_not(image, place)}."


def _why_not(image: Listed, place: Place) -> str:
    if image.source is LabelSource.GOLD or image.kind is ReviewKind.GOLD:
        return "it is gold, by which annotators are measured"
    if image.kind is ReviewKind.AUDIT:
        return "it measures only the precision of labels that were accepted"
    if place.measuring is not None:
        return f"image {place.measuring} measures for their group"
    if place.sampled:
        return "it was imported as part of a random sample, and has no place in the stream"
    if place.reserved:
        return "its group is reserved for the random stream, which asks about it in its turn"
    return "no person said it"


def _waits_for(session: Session, project: Project, image: Listed, place: Place, machine: MachineLabel) -> str:
    """Why an image has no label, in the order in which the reasons hold."""
    if place.failure and not place.prelabelled:
        return f"It cannot be asked about: {place.failure}"
    if not place.prelabelled:
        return "It waits for its first pre-label."
    if place.group_id is None:
        return "It waits until its near-duplicates are known."
    return _asked_about(session, project, image) or _not_asked(session, project, image.image_id, place, machine)


def _asked_about(session: Session, project: Project, image: Listed) -> str:
    """What people who are asked, or were, have not said yet; empty where nobody is asked."""
    unclear = undecided(session, project, [image.image_id])
    if unclear:
        return f"Nobody who was asked could tell: {unclear[0].state.words}."
    if image.reason in OPEN:
        return f"It has no label: {image.reason}."
    review = reviews.newest_of_images(session, project.id, [image.image_id]).get(image.image_id)
    if review is None:
        return ""
    if not review.open:
        return "Its answers are in, and make no label." if image.label_id else "Its answers are in; its label follows."
    return "It waits for another answer." if review.people else "People are asked about it now."


def _not_asked(session: Session, project: Project, image_id: ImageId, place: Place, machine: MachineLabel) -> str:
    assert place.group_id is not None
    left = f" Until then it is left to the machine: {_said(machine)}." if machine.machine_label else ""
    if place.group_id in queries.taken_groups(session, project.id, {place.group_id}) and place.images_in_group > 1:
        return "It is not asked about: of its near-duplicates one was, and one image a group is asked."
    left += _not_certified(session, project, image_id)
    if place.reserved:
        return f"It is not asked about yet: the random stream does so in its turn.{left}"
    return f"It is not asked about yet: the next query may.{left}"


def _not_certified(session: Session, project: Project, image_id: ImageId) -> str:
    """Why the certificate that stands did not accept it; empty where none stands."""
    standing = certificates.standing(session, project.id)
    if not standing:
        return ""
    one = standing[-1]
    said = [of for of in certificates.of_image(session, image_id) if of.certificate_id == one.id]
    if said and said[0].reason is None:
        return f" Certificate {one.id} accepted it; its label follows."
    why = said[0].reason if said else "it is not sure enough, or outside of the set"
    return f" Certificate {one.id} did not accept it: {why}."


def _said(machine: MachineLabel) -> str:
    return f"version {machine.version} says {machine.machine_label} ({machine.probability or 0:.0%})".replace("%", " %")


def _left_aside(session: Session, project: Project, image_id: ImageId) -> tuple[int, ...]:
    """Those of the newest queries that could have picked the image and did not, rising."""
    asked = bases.queries_that_asked(session, project.id, image_id)
    found = []
    for number, content in bases.newest(session, project.id, QUERIES):
        images, free = unpack_candidates(content)
        at = int(np.searchsorted(images, image_id))
        if number not in asked and at < len(images) and images[at] == image_id and free[at]:
            found.append(number)
    return tuple(sorted(found))
