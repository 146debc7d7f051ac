"""Correct labels by hand: a lead's decision about one image or many, taken back, or people asked again.

In: images, what is to become of them, who wants it and why. Out: how many; the caller's transaction holds the decision,
the label that follows from it, the line in the audit log and the jobs. The kind of the review that a label came from
stays, so a corrected hold-out label is a hold-out label.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from db.repositories.labels import decisions
from db.repositories.labels.decisions import CORRECTION
from db.repositories.people import audit
from labeling.errors import Invalid
from labeling.jobs import JobName, Trigger
from labeling.project import Project
from labeling.types import ImageId
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
    *,
    kind: str = CORRECTION,
    author: str,
    reason: str,
    now: datetime,
) -> int:
    """Decide that these images are `value`; Invalid for what is no answer of the project, or without a reason."""
    if not project.config.answers.is_choice(value):
        raise Invalid(f"{value!r} is no label of this project. Choose one of its labels.")
    return _decide(session, jobs, project, image_ids, value, kind, author, reason, now)


def take_back(
    session: Session,
    jobs: Jobs,
    project: Project,
    image_ids: Sequence[ImageId],
    *,
    author: str,
    reason: str,
    now: datetime,
) -> int:
    """Take decisions about these images back: the label follows from people's answers again."""
    decided = sorted(decisions.in_force(session, _checked(image_ids)))
    return _decide(session, jobs, project, decided, None, CORRECTION, author, reason, now) if decided else 0


def ask_people(
    session: Session,
    jobs: Jobs,
    project: Project,
    image_ids: Sequence[ImageId],
    *,
    author: str,
    reason: str,
    now: datetime,
) -> Asked:
    """Let people look at these images again, and Label Studio hear of it."""
    asked = ask_again(session, project, _checked(image_ids), author=author, reason=_given(reason), now=now)
    audit.record(session, author, "ask again", project.config.name, {"images": list(image_ids), "reason": reason}, now)
    jobs.ask(session, JobName.REVIEW, project.id, Trigger.HAND)
    return asked


def _decide(
    session: Session,
    jobs: Jobs,
    project: Project,
    image_ids: Sequence[ImageId],
    value: str | None,
    kind: str,
    author: str,
    reason: str,
    now: datetime,
) -> int:
    values = dict.fromkeys(_checked(image_ids), value)
    count = decisions.add(session, project.id, values, kind=kind, author=author, reason=_given(reason), now=now)
    settle(session, project, list(values), now)
    detail = {"images": list(values), "label": value, "reason": reason}
    audit.record(session, author, kind, project.config.name, detail, now)
    for job in _FOLLOW:
        jobs.ask(session, job, project.id, Trigger.ANSWERED)
    return count


def _checked(image_ids: Sequence[ImageId]) -> list[ImageId]:
    wanted = sorted(set(image_ids))
    if not 1 <= len(wanted) <= AT_ONCE:
        raise Invalid(f"Tick between one and {AT_ONCE} images, then say what is to become of them.")
    return wanted


def _given(reason: str) -> str:
    if not reason.strip():
        raise Invalid("Say why, in a few words: it is kept with the label.")
    return reason.strip()[:500]
