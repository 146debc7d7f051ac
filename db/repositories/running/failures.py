"""What failed, how often and why: the quarantine list (step `fetch`) and the dead letters of every other step.

A subject fails at most `TRIES` times (once, if nothing can help); then it is *dead* and left alone until somebody
retries it, which forgets its failures. Subjects are ids that are unique over all projects.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.session import insert_new
from db.tables import FailureRow
from labeling.types import ProjectId

TRIES = 3
_REASON = 1_000


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
    said = reason.replace("\0", "")[:_REASON]
    facts = {"project_id": project_id, "step": step, "subject": subject, "reason": said, "final": final}
    if insert_new(session, FailureRow, [{**facts, "count": 1, "failed_at": now}]):
        return
    session.execute(
        sa.update(FailureRow)
        .where(FailureRow.step == step, FailureRow.subject == subject)
        .values(count=FailureRow.count + 1, reason=said, final=final, failed_at=now)
        .execution_options(synchronize_session=False)
    )


def clear(session: Session, step: str, *subjects: str) -> None:
    """A success forgets the failures before it."""
    session.execute(
        sa.delete(FailureRow)
        .where(FailureRow.step == step, FailureRow.subject.in_(subjects))
        .execution_options(synchronize_session=False)
    )


def retry(session: Session, project_id: ProjectId, step: str | None) -> int:
    """Give everything that failed (at one step, or at any) its tries back; returns how many that is."""
    wanted = sa.delete(FailureRow).where(FailureRow.project_id == project_id)
    if step is not None:
        wanted = wanted.where(FailureRow.step == step)
    result = session.execute(wanted.execution_options(synchronize_session=False))
    return int(result.rowcount)  # type: ignore[attr-defined]  # a DELETE has one


def is_dead(session: Session, step: str, subject: str) -> bool:
    """Whether a subject may not be tried again by itself."""
    found = session.scalars(sa.select(FailureRow).where(FailureRow.step == step, FailureRow.subject == subject)).first()
    return found is not None and _dead(found)


def dead(session: Session, project_id: ProjectId, step: str) -> set[str]:
    """All subjects of a step that may not be tried again by themselves."""
    return set(
        session.scalars(
            sa.select(FailureRow.subject).where(
                FailureRow.project_id == project_id,
                FailureRow.step == step,
                sa.or_(FailureRow.final, FailureRow.count >= TRIES),
            )
        )
    )


def listing(session: Session, project_id: ProjectId, step: str | None = None, *, limit: int = 1_000) -> list[Failure]:
    """The newest failures of a project, at one step or at any."""
    wanted = sa.select(FailureRow).where(FailureRow.project_id == project_id)
    if step is not None:
        wanted = wanted.where(FailureRow.step == step)
    rows = session.scalars(wanted.order_by(FailureRow.failed_at.desc(), FailureRow.id.desc()).limit(limit))
    return [Failure(r.step, r.subject, r.count, _dead(r), r.reason, r.failed_at) for r in rows]


def _dead(row: FailureRow) -> bool:
    return row.final or row.count >= TRIES
