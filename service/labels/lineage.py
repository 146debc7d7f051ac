"""Which versions have learnt from an image: fitted on its label, or calibrated on it.

In: the labels of the image and the saved versions. Out: their numbers. The same examples are read that a version's
training set is rebuilt from, of this image only.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from db.repositories.labels import labels
from db.repositories.queries.examples import AsOf, now_of, read_examples
from db.repositories.versions import versions
from db.repositories.versions.versions import Version
from labeling.project import Project
from labeling.review.kinds import Use, kinds_for
from labeling.types import ImageId

__all__ = ["Lineage", "lineage_of"]


@dataclass(frozen=True, slots=True)
class Lineage:
    """The numbers of the versions whose head was fitted on a label of the image, and whose temperature was."""

    trained: tuple[int, ...]
    calibrated: tuple[int, ...]


def lineage_of(session: Session, project: Project, image_id: ImageId) -> Lineage:
    """The versions that have learnt from a label of this image, the oldest first."""
    known = labels.ids_of(session, image_id)
    if not known:
        return Lineage((), ())
    later = [one for one in versions.everyone(session, project.id) if one.last_label_id >= min(known)]
    now = now_of(session, project.id)
    trained = [one.number for one in later if _trained(session, project, one, image_id, now)]
    calibrated = [one.number for one in later if known & set(one.report.get("calibrated_on", ()))]
    return Lineage(tuple(trained), tuple(calibrated))


def _trained(session: Session, project: Project, version: Version, image_id: ImageId, now: AsOf) -> bool:
    report = version.report  # an older hardcase did not note what was reserved
    reserved = int(report.get("newest_review", now.review_id)), float(report.get("reserved_share", now.share))
    moment = AsOf(version.last_label_id, *reserved)
    found = read_examples(session, project.id, kinds_for(Use.TRAIN), imported=True, as_of=moment, image_id=image_id)
    left_out = {entry["label_id"] for entry in report.get("left_out", ())}
    return any(one.label in project.config.classes and one.label_id not in left_out for one in found)
