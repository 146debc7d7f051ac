"""What people do about suspected labels: send them back to review, or mark them as right.

In: numbers of labels as they were shown. Out: counts. A label that was replaced since it was shown is skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from db.views import label_audit
from labeling.project import Project
from labeling.types import Actor, ImageId
from service.labels.reannotation import ask_again

SUSPECTED = "the label is suspected to be wrong"


@dataclass(frozen=True, slots=True)
class Handled:
    """How many labels were handled, how many were so already, and how many are no longer in force."""

    done: int
    already: int
    gone: int


def send_back(session: Session, project: Project, label_ids: Sequence[int], *, author: str, now: datetime) -> Handled:
    """Ask another person about these labels' images; the caller asks for the job that updates Label Studio."""
    standing = label_audit.standing_labels(session, project.id, label_ids)
    images = [ImageId(image) for image in standing.values()]
    asked = ask_again(session, project, images, Actor(author, SUSPECTED, now))
    done = asked.another + asked.new
    return Handled(done, len(standing) - done, len(set(label_ids)) - len(standing))


def find_right(session: Session, project: Project, label_ids: Sequence[int], *, author: str, now: datetime) -> Handled:
    """Record that these labels are right; they are not suspected again until they change."""
    standing = label_audit.standing_labels(session, project.id, label_ids)
    done = label_audit.find_right(session, list(standing), Actor(author, "checked and found right", now))
    return Handled(done, len(standing) - done, len(set(label_ids)) - len(standing))
