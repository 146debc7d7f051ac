"""Alarms: what about a project's labels needs a person; listed, and ended by whoever has seen to one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from db.repositories.people import audit
from db.repositories.running import alarms
from db.session import reading, transaction
from labeling.types import Actor
from service.web.api.answers import Answer
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["alarms"])


class AlarmOut(Answer):
    """One alarm; the last three fields are null while it is open."""

    id: int
    kind: str
    subject: str
    words: str
    evidence: dict[str, Any]
    raised_at: datetime
    ended_at: datetime | None
    ended_by: str | None
    end_reason: str | None


class AlarmsOut(BaseModel):
    """The newest first; `open` counts those without an end."""

    items: list[AlarmOut]
    open: int


class AlarmEndIn(BaseModel):
    """Why an alarm is over."""

    reason: str = Field(min_length=1, max_length=500)


@router.get("/api/projects/{project}/alarms", summary="List alarms")
def list_alarms(parts: PartsDep, project: ProjectDep, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> AlarmsOut:
    with reading(parts.database) as session:
        found = alarms.lately(session, project.id, limit)
        count = sum(alarms.count_open(session, project.id).values())
    return AlarmsOut(items=[AlarmOut.of(alarm) for alarm in found], open=count)


@router.post("/api/projects/{project}/alarms/{alarm_id}/end", summary="End an alarm")
def end_alarm(parts: PartsDep, caller: CallerDep, project: ProjectDep, alarm_id: int, body: AlarmEndIn) -> AlarmOut:
    """Ending it twice changes nothing. What raised it raises another when it finds the same again."""
    with transaction(parts.database) as session:
        alarm = alarms.by_id(session, project.id, alarm_id)
        by = Actor(caller.name, body.reason, parts.now())
        if alarms.end(session, alarm.id, by):
            audit.record(session, by.author, "alarm.end", str(alarm.id), {"reason": by.reason}, by.now)
        return AlarmOut.of(alarms.by_id(session, project.id, alarm_id))
