"""Alarms: problems with a project's labels that a person must handle; listed, and ended with a reason."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from db.repositories.people import audit
from db.repositories.running import alarms
from db.repositories.running.alarms import Alarm
from db.session import reading, transaction
from labeling.project import Project
from labeling.types import Actor
from service.auth import Caller
from service.web.api.bodies import Body
from service.web.edge.access import CallerDep, Guarded, ProjectDep
from service.web.wiring import PartsDep, WebParts

router = APIRouter(route_class=Guarded, tags=["alarms"])


class AlarmOut(Body):
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
    """Ending it twice changes nothing. The same check raises another alarm if it finds the same problem again."""
    return AlarmOut.of(end(parts, caller, project, alarm_id, body.reason))


def end(parts: WebParts, caller: Caller, project: Project, alarm_id: int, reason: str) -> Alarm:
    """End an alarm in the caller's name, with a line in the audit log."""
    by = Actor(caller.name, reason, parts.now())
    with transaction(parts.database) as session:
        alarm = alarms.by_id(session, project.id, alarm_id)
        if alarms.end(session, alarm.id, by):
            audit.record(session, by.author, "alarm.end", str(alarm.id), {"reason": by.reason}, by.now, project.id)
        return alarms.by_id(session, project.id, alarm_id)
