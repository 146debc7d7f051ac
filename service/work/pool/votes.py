"""All current answers of a project, read once for all steps that follow a batch of answers.

In: a project. Out: its votes in the order of their recording. They are read again when any answer, void, pause, look at
an image or label is new.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from db.repositories.reviews import annotations as answers
from db.repositories.reviews.annotations import VoteRow
from db.views import label_audit
from labeling.types import ProjectId
from service.work.wiring import Parts

__all__ = ["read_votes"]


def read_votes(parts: Parts, session: Session, project_id: ProjectId) -> Sequence[VoteRow]:
    """The votes as this session sees them."""
    return parts.memo.get(
        ("votes", project_id),
        label_audit.answers_fingerprint(session, project_id),
        lambda: tuple(answers.votes_of_project(session, project_id)),
    )
