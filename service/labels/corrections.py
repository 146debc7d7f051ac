"""Correct labels by hand: a lead decides about one image or many, takes decisions back, or asks people again.

In: images, the decision, its author and reason. Out: how many; the caller's transaction holds the decision, the label
that follows from it, the line in the audit log and the jobs. The kind of the review that a label came from stays, so a
corrected label of the random stream is a label of the random stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from db.repositories.labels import decisions
from db.repositories.labels.decisions import CORRECTION
from db.repositories.people import audit
from db.views import label_list
from labeling.errors import Invalid
from labeling.jobs import JobName, Trigger
from labeling.project import Project
from labeling.types import Actor, ImageId
from service.jobs.jobs import Jobs
from service.labels.reannotation import Asked, ask_again
from service.labels.resolution import resolve_labels

__all__ = ["AT_ONCE", "ask_people", "correct"]

AT_ONCE = 50
"""So many images may be corrected with one decision."""
_FOLLOW = (JobName.QUALITY, JobName.LEARN, JobName.FIGURES)


def correct(
    session: Session,
    jobs: Jobs,
    project: Project,
    image_ids: Sequence[ImageId],
    value: str | None,
    by: Actor,
    kind: str = CORRECTION,
) -> int:
    """Decide that these images are `value`; None takes decisions back, so that labels follow from answers again.

    Invalid for what is no answer of the project, for images that are not in it, and without a reason.
    """
    given = _given(by)
    value = value and (project.config.answers.find(value) or value)
    if value is not None and not project.config.answers.is_choice(value):
        raise Invalid(f"{value!r} is no label of this project. Choose one of its labels.")
    wanted = _checked(session, project, image_ids)
    if value is None:
        wanted, kind = sorted(decisions.in_force(session, wanted)), CORRECTION
        if not wanted:
            return 0
    count = decisions.add(session, project.id, dict.fromkeys(wanted, value), kind, given)
    resolve_labels(session, project, wanted, by.now)
    detail = {"images": wanted, "label": value, "reason": by.reason}
    audit.record(session, by.author, kind, project.config.name, detail, by.now, project.id)
    for job in _FOLLOW:
        jobs.ask(session, job, project.id, Trigger.ANSWERED)
    return count


def ask_people(session: Session, jobs: Jobs, project: Project, image_ids: Sequence[ImageId], by: Actor) -> Asked:
    """Ask people again about these images, and ask for the job that updates Label Studio."""
    asked = ask_again(session, project, _checked(session, project, image_ids), _given(by))
    detail = {"images": list(image_ids), "reason": by.reason}
    audit.record(session, by.author, "ask again", project.config.name, detail, by.now, project.id)
    jobs.ask(session, JobName.REVIEW, project.id, Trigger.HAND)
    return asked


def _checked(session: Session, project: Project, image_ids: Sequence[ImageId]) -> list[ImageId]:
    wanted = sorted(set(image_ids))
    if not 1 <= len(wanted) <= AT_ONCE:
        raise Invalid(f"Tick between one and {AT_ONCE} images, then choose what to do with them.")
    missing = set(wanted) - {item.image_id for item in label_list.of_images(session, project.id, wanted)}
    if missing:
        raise Invalid(f"This project has no image {min(missing)}; nothing was changed. Leave it out.")
    return wanted


def _given(by: Actor) -> Actor:
    if not by.reason.strip():
        raise Invalid("Say why, in a few words: it is kept with the label.")
    return replace(by, reason=by.reason.strip()[:500])
