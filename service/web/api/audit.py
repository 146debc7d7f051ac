"""The audit log: who did what, when and from where; a key that is limited to projects reads what is about those."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, BeforeValidator, Field
from sqlalchemy.orm import Session

from db.repositories.people import audit
from db.repositories.people.audit import AuditItem, Wanted
from db.repositories.projects import projects
from db.session import reading
from service.auth import Caller
from service.projects.written_texts import Plain
from service.web.api.paging import CutDep, SliceOut
from service.web.edge.access import CallerDep, Guarded, visible
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["audit"])

_Empty = BeforeValidator(lambda value: value or None)  # a form sends an empty field as an empty text
_Text = Annotated[Annotated[Plain, Field(max_length=200)] | None, _Empty]
_Day = Annotated[date | None, _Empty]


class AuditFilters(BaseModel):
    """The filters of the log; an empty one does not filter."""

    project: Annotated[_Text, Field(description="A project's name or number.")] = None
    who: Annotated[_Text, Field(description="A name, or a key's prefix.")] = None
    what: Annotated[_Text, Field(description="An action, or its first word: `key` is `key.create`, too.")] = None
    since: Annotated[_Day, Field(description="From this day on, in UTC.")] = None
    until: Annotated[_Day, Field(description="To the end of this day, in UTC.")] = None

    def wanted(self, session: Session, caller: Caller) -> Wanted:
        """What the caller may read of it; NotFound for a project that they do not see."""
        visible_ids = None
        if self.project is not None:
            visible_ids = [visible(session, caller, self.project).id]
        elif caller.projects is not None:
            visible_ids = [one.id for one in projects.everyone(session) if caller.sees(one.config.name)]
        return Wanted(who=self.who, what=self.what, since=self.since, until=self.until, projects=visible_ids)


AuditFiltersDep = Annotated[AuditFilters, Depends()]


@router.get("/api/audit", summary="Read the audit log", response_model=SliceOut[AuditItem])
def read_audit(parts: PartsDep, caller: CallerDep, cut: CutDep, filters: AuditFiltersDep) -> SliceOut[AuditItem]:
    """A key without a list of projects also reads what is about the whole deployment: keys, logins, endpoints."""
    with reading(parts.database) as session:
        wanted = filters.wanted(session, caller)
    return cut.slice_of(audit.listing, wanted)
