"""Correct labels by hand: a lead's decision about one image or many, taken back, or people asked again.

In: images, what is to become of them, who wants it and why. Out: how many; the caller's transaction holds the decision,
the label that follows from it, the line in the audit log and the jobs. The kind of the review that a label came from
stays, so a corrected hold-out label is a hold-out label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from db.repositories.labels import decisions
from db.repositories.labels.decisions import CORRECTION
from db.repositories.people import audit
from labeling.errors import Invalid
from labeling.jobs import JobName, Trigger
from labeling.project import Project
from labeling.types import Actor, ImageId
from service.jobs.jobs import Jobs
from service.labels.reannotation import Asked, ask_again
from service.labels.resolution import settle

__all__ = ["AT_ONCE", "ask_people", "correct", "take_back"]

AT_ONCE = 50
"""So many images may be corrected with one decision."""
_FOLLOW = (JobName.QUALITY, JobName.LEARN, JobName.FIGURES)


def correct(
    session: Session,
    jobs: Jobs,
    project: Project,
    image_ids: Sequence[ImageId],
    value: str,
    by: Actor,
    kind: str = CORRECTION,
) -> int:
    """Decide that these images are `value`; Invalid for what is no answer of the project, or without a reason."""
    if not project.config.answers.is_choice(value):
        raise Invalid(f"{value!r} is no label of this project. Choose one of its labels.")
    return _decide(session, jobs, project, image_ids, value, kind, by)


def take_back(session: Session, jobs: Jobs, project: Project, image_ids: Sequence[ImageId], by: Actor) -> int:
    """Take decisions about these images back: the label follows from people's answers again."""
    decided = sorted(decisions.in_force(session, _checked(image_ids)))
    return _decide(session, jobs, project, decided, None, CORRECTION, by) if decided else 0


def ask_people(session: Session, jobs: Jobs, project: Project, image_ids: Sequence[ImageId], by: Actor) -> Asked:
    """Let people look at these images again, and Label Studio hear of it."""
    asked = ask_again(session, project, _checked(image_ids), _given(by))
    detail = {"images": list(image_ids), "reason": by.reason}
    audit.record(session, by.author, "ask again", project.config.name, detail, by.now)
    jobs.ask(session, JobName.REVIEW, project.id, Trigger.HAND)
    return asked


def _decide(
    session: Session,
    jobs: Jobs,
    project: Project,
    image_ids: Sequence[ImageId],
    value: str | None,
    kind: str,
    by: Actor,
) -> int:
    values = dict.fromkeys(_checked(image_ids), value)
    count = decisions.add(session, project.id, values, kind, _given(by))
    settle(session, project, list(values), by.now)
    detail = {"images": list(values), "label": value, "reason": by.reason}
    audit.record(session, by.author, kind, project.config.name, detail, by.now)
    for job in _FOLLOW:
        jobs.ask(session, job, project.id, Trigger.ANSWERED)
    return count


def _checked(image_ids: Sequence[ImageId]) -> list[ImageId]:
    wanted = sorted(set(image_ids))
    if not 1 <= len(wanted) <= AT_ONCE:
        raise Invalid(f"Tick between one and {AT_ONCE} images, then say what is to become of them.")
    return wanted


def _given(by: Actor) -> Actor:
    if not by.reason.strip():
        raise Invalid("Say why, in a few words: it is kept with the label.")
    return replace(by, reason=by.reason.strip()[:500])
