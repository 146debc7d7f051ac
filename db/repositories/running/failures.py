"""What failed, how often and why: the quarantine list (step `fetch`) and the dead letters of every other step.

A subject fails at most `TRIES` times (once, if nothing can help); then it is *dead* and not tried again until a person
retries it, which forgets its failures. Subjects are ids that are unique over all projects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import columns, count, read_all
from db.session import delete, insert_new, update
from db.tables import FailureRow
from labeling.slices import batches
from labeling.types import ProjectId

TRIES = 3
REGISTER = "register"
"""The step of what was named and could not be registered. Subjects: a number, `:`, and the file, with its line."""
CONTRADICTION = "contradiction"
"""The step of what contradicts what is known of an image. Subjects: the project, `:`, the reference."""
_REASON = 1_000
_WHAT = FailureRow.subject, FailureRow.reason


@dataclass(frozen=True, slots=True)
class Failure:
    """One subject's failures at one step; `dead` says that only a retry by hand helps."""

    step: str
    subject: str
    count: int
    dead: bool
    reason: str
    failed_at: datetime


def record(
    session: Session, project_id: ProjectId, step: str, subject: str, reason: str, final: bool, now: datetime
) -> None:
    """Count one more failure of a subject; `final` = trying again cannot help."""
    said = _stored(reason)
    facts = {"project_id": project_id, "step": step, "subject": subject, "reason": said, "final": final}
    if insert_new(session, FailureRow, [{**facts, "count": 1, "failed_at": now}]):
        return
    again = {"count": FailureRow.count + 1, "reason": said, "final": final, "failed_at": now}
    update(session, FailureRow, FailureRow.step == step, FailureRow.subject == subject, **again)


def keep_only(
    session: Session, project_id: ProjectId, step: str, prefix: str, found: Mapping[str, str], now: datetime
) -> None:
    """The failures of a step whose subjects begin with `prefix` are now these, by subject with their reasons.

    What stands there already with the same reason is not counted again: a file that is read every few minutes and was
    not mended did not fail anew.
    """
    of_prefix = FailureRow.step == step, FailureRow.subject.startswith(prefix, autoescape=True)
    before = {row.subject: row.reason for row in session.execute(sa.select(*_WHAT).where(*of_prefix))}
    for some in batches([subject for subject in before if subject not in found], 500):
        clear(session, step, *some)
    for subject, reason in found.items():
        if before.get(subject) != _stored(reason):
            record(session, project_id, step, subject, reason, True, now)


def reason_of(session: Session, step: str, subject: str) -> str | None:
    """Why a subject failed last; None where it did not."""
    statement = sa.select(FailureRow.reason).where(FailureRow.step == step, FailureRow.subject == subject)
    return session.scalar(statement)


def clear(session: Session, step: str, *subjects: str) -> None:
    """A success forgets the failures before it."""
    delete(session, FailureRow, FailureRow.step == step, FailureRow.subject.in_(subjects))


def retry(session: Session, project_id: ProjectId, step: str | None) -> int:
    """Give everything that failed (at one step, or at any) its tries back; returns how many that is."""
    return delete(session, FailureRow, *_at(project_id, step))


def is_dead(session: Session, step: str, subject: str) -> bool:
    """Whether a subject may not be tried again by itself."""
    return count(session, FailureRow, FailureRow.step == step, FailureRow.subject == subject, has_no_tries_left()) > 0


def dead(session: Session, project_id: ProjectId, step: str) -> set[str]:
    """All subjects of a step that may not be tried again by themselves."""
    return set(session.scalars(sa.select(FailureRow.subject).where(*_at(project_id, step), has_no_tries_left())))


def listing(session: Session, project_id: ProjectId, step: str | None = None, *, limit: int = 1_000) -> list[Failure]:
    """The newest failures of a project, at one step or at any."""
    failures = sa.select(*columns(Failure, FailureRow, dead=has_no_tries_left())).where(*_at(project_id, step))
    newest_first = failures.order_by(FailureRow.failed_at.desc(), FailureRow.id.desc())
    return read_all(Failure, session.execute(newest_first.limit(limit)))


def has_no_tries_left() -> sa.ColumnElement[bool]:
    """The condition on `FailureRow` that its subject is dead."""
    return sa.or_(FailureRow.final, FailureRow.count >= TRIES)


def _stored(reason: str) -> str:
    return reason.replace("\0", "")[:_REASON]


def _at(project_id: ProjectId, step: str | None) -> tuple[sa.ColumnElement[bool], ...]:
    of_project = FailureRow.project_id == project_id
    return (of_project,) if step is None else (of_project, FailureRow.step == step)
