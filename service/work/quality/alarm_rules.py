"""Raises alarms and ends them by itself, from what the figures say.

In: what was watched, and whether it is found. Out: appended facts. An alarm is raised when something is `found` and
ends only when it is no longer `still` so, which asks for less: a value near its threshold does not make an alarm come
and go. While it is open its words follow the newest figure. One that a person ended stays quiet for a day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from db.repositories.running import alarms
from db.repositories.running.alarms import AlarmKind
from labeling.types import Actor, ProjectId

__all__ = ["AUTHOR", "Watch", "follow"]

AUTHOR = "hardcase"
QUIET = timedelta(days=1)
REMEMBERED = 200


@dataclass(frozen=True, slots=True)
class Watch:
    """One thing that is watched: `found` raises an alarm, `still` keeps an open one."""

    kind: AlarmKind
    subject: str
    found: bool
    still: bool
    words: str
    evidence: Mapping[str, Any]


def follow(
    session: Session, project_id: ProjectId, kinds: Sequence[AlarmKind], watches: Iterable[Watch], now: datetime
) -> dict[str, int]:
    """Let the open alarms of these kinds follow what is watched, and say it; what is watched no more has passed."""
    lately = alarms.lately(session, project_id, REMEMBERED)
    open_now = {(one.kind, one.subject): one for one in alarms.open_alarms(session, project_id) if one.kind in kinds}
    quiet = {
        (one.kind, one.subject)
        for one in lately
        if one.ended_at is not None and one.ended_by != AUTHOR and abs(now - one.ended_at) < QUIET
    }
    raised, keeping = 0, set()
    for watch in watches:
        at = (watch.kind.value, watch.subject)
        if at in open_now:
            if watch.still or watch.found:
                keeping.add(at)
                alarms.say(session, open_now[at], watch.words, watch.evidence, now)
        elif watch.found and at not in quiet:
            made = alarms.raise_alarm(session, project_id, watch.kind, watch.subject, watch.words, watch.evidence, now)
            raised += made is not None
    passed = [alarm for at, alarm in open_now.items() if at not in keeping]
    for alarm in passed:
        alarms.end(session, alarm.id, Actor(AUTHOR, "it has passed", now))
    return {"alarms_raised": raised, "alarms_ended": len(passed)}
