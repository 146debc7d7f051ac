"""Alarms: findings about a project's labels that need a person. Appended when found, ended by a second fact.

At most one alarm of a kind and subject is open at a time, so a step that finds the same again raises nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.rows import columns, count, count_by, read_all, read_first
from db.session import insert_new
from db.tables import AlarmEndRow, AlarmRow, AlarmWordsRow
from labeling.errors import NotFound
from labeling.types import Actor, ProjectId

_SAYS = ("words", "evidence")


class AlarmKind(StrEnum):
    """What an alarm is about; docs/reference/label-quality.md says when each is raised and ended."""

    INPUT_DRIFT = "drift of inputs"
    PRIOR_DRIFT = "drift of the prior"
    ENGINE_DRIFT = "drift of an engine"
    ANNOTATOR_DRIFT = "drift of an annotator"
    LOW_AGREEMENT = "agreement is low"
    ANNOTATOR_PAUSED = "an annotator is paused"
    LABEL_ERRORS = "many label errors"
    DELIVERIES = "deliveries fail"
    SYNC_LAG = "answers come late"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm with what it says now; `ended_at`, `ended_by` and `end_reason` are None while it is open."""

    id: int
    project_id: ProjectId
    kind: str
    subject: str
    words: str
    evidence: Mapping[str, Any]
    raised_at: datetime
    ended_at: datetime | None
    ended_by: str | None
    end_reason: str | None


def raise_alarm(
    session: Session,
    project_id: ProjectId,
    kind: AlarmKind,
    subject: str,
    words: str,
    evidence: Mapping[str, Any],
    now: datetime,
) -> int | None:
    """Raise an alarm and return its number; None while one of this kind and subject is open.

    `subject` names what it is about: an annotator's number, an engine's revision, or nothing. `words` tell a person
    what was found and what to do next; they hold no names of people.
    """
    same = AlarmRow.project_id == project_id, AlarmRow.kind == kind.value, AlarmRow.subject == subject
    if count(session, AlarmRow, *same, ~_ended()):
        return None
    about = {"project_id": project_id, "kind": kind.value, "subject": subject}
    row = AlarmRow(**about, words=words, evidence=dict(evidence), raised_at=now)
    session.add(row)
    session.flush()
    return row.id


def say(session: Session, alarm: Alarm, words: str, evidence: Mapping[str, Any], now: datetime) -> bool:
    """Note what an open alarm says from here on; False where it says so already."""
    if words == alarm.words:
        return False
    session.add(AlarmWordsRow(alarm_id=alarm.id, words=words, evidence=dict(evidence), at=now))
    session.flush()
    return True


def end(session: Session, alarm_id: int, by: Actor) -> bool:
    """Note that an alarm is over; False if it was already."""
    row = {"alarm_id": alarm_id, "author": by.author, "reason": by.reason, "at": by.now}
    return bool(insert_new(session, AlarmEndRow, [row]))


def open_alarms(session: Session, project_id: ProjectId) -> list[Alarm]:
    """The alarms that have no end, newest first."""
    still = _alarms().where(AlarmRow.project_id == project_id, AlarmEndRow.alarm_id.is_(None))
    return read_all(Alarm, session.execute(still))


def lately(session: Session, project_id: ProjectId, limit: int) -> list[Alarm]:
    """The newest alarms, ended ones included."""
    return read_all(Alarm, session.execute(_alarms().where(AlarmRow.project_id == project_id).limit(limit)))


def raised_at(session: Session, project_id: ProjectId, kinds: Collection[AlarmKind]) -> list[datetime]:
    """When alarms of these kinds were raised, ended ones included; the oldest first."""
    of_kinds = AlarmRow.project_id == project_id, AlarmRow.kind.in_([kind.value for kind in kinds])
    return list(session.scalars(sa.select(AlarmRow.raised_at).where(*of_kinds).order_by(AlarmRow.id)))


def by_id(session: Session, project_id: ProjectId, alarm_id: int) -> Alarm:
    """One of the project's alarms; NotFound if there is none of that number."""
    one = _alarms().where(AlarmRow.project_id == project_id, AlarmRow.id == alarm_id)
    found = read_first(session, Alarm, one)
    if found is None:
        raise NotFound("This project has no such alarm; its alarms are listed on the Label quality page.")
    return found


def count_open(session: Session, project_id: ProjectId) -> dict[str, int]:
    """How many alarms of each kind are open; kinds without one are left out."""
    return count_by(session, AlarmRow.kind, AlarmRow.project_id == project_id, ~_ended())


def _ended() -> sa.ColumnElement[bool]:
    return sa.exists().where(AlarmEndRow.alarm_id == AlarmRow.id).correlate(AlarmRow)


def _alarms() -> sa.Select[*tuple[Any, ...]]:
    end = {"ended_at": AlarmEndRow.at, "ended_by": AlarmEndRow.author, "end_reason": AlarmEndRow.reason}
    newest = sa.select(sa.func.max(AlarmWordsRow.id)).where(AlarmWordsRow.alarm_id == AlarmRow.id)
    says = {name: sa.func.coalesce(getattr(AlarmWordsRow, name), getattr(AlarmRow, name)) for name in _SAYS}
    return (
        sa.select(*columns(Alarm, AlarmRow, **end, **says))
        .outerjoin(AlarmEndRow, AlarmEndRow.alarm_id == AlarmRow.id)
        .outerjoin(AlarmWordsRow, AlarmWordsRow.id == newest.correlate(AlarmRow).scalar_subquery())
        .order_by(AlarmRow.id.desc())
    )
