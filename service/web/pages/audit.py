"""The audit log as a page, for admins: its filters are its address, and nothing needs a script."""

from __future__ import annotations

import json
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from db.repositories.people import audit
from db.repositories.people.audit import AuditItem
from db.repositories.projects import projects
from db.session import reading
from service.web.api.audit import AuditFilters, AuditFiltersDep
from service.web.edge.access import CallerDep, Guarded
from service.web.pages.rendering import page
from service.web.wiring import PartsDep

AT_ONCE = 100
router = APIRouter(route_class=Guarded, tags=["pages"], default_response_class=HTMLResponse)


@router.get("/audit", summary="The audit log")
def show_audit(
    request: Request,
    parts: PartsDep,
    caller: CallerDep,
    filters: AuditFiltersDep,
    after: Annotated[int | None, Query(ge=1, lt=2**62)] = None,
) -> Response:
    with reading(parts.database) as session:
        visible = [one for one in projects.everyone(session) if caller.sees(one.config.name)]
        found = audit.listing(session, filters.wanted(session, caller), after=after, limit=AT_ONCE)
    return page(
        request,
        "audit.html",
        found=found.items,
        filters=filters,
        names={one.id: one.config.name for one in visible},
        words=_words,
        older=_query(filters, found.next_after) if found.next_after else None,
        newest=_query(filters, None) if after else None,
    )


def _words(item: AuditItem) -> str:
    """The detail of an action as a person reads it."""
    parts = ((name, value) for name, value in item.detail.items() if value not in (None, "", [], {}))
    return "; ".join(f"{name}: {value if isinstance(value, str) else json.dumps(value)}" for name, value in parts)


def _query(filters: AuditFilters, after: int | None) -> str:
    chosen = filters.model_dump(mode="json", exclude_none=True)
    return urlencode(chosen | ({"after": after} if after else {}))
