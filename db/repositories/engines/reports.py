"""The reports of trying, comparing and planning engines, and of comparing versions, newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.paging import Slice, slice_of
from db.rows import columns, read, read_first
from db.tables import EngineReportRow
from labeling.errors import NotFound
from labeling.types import ProjectId


@dataclass(frozen=True, slots=True)
class EngineReport:
    """One report: what was asked for, by whom, and the result."""

    id: int
    kind: str
    request: dict[str, Any]
    result: dict[str, Any]
    asked_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ReportItem:
    """One report in a list, without its result."""

    id: int
    kind: str
    request: dict[str, Any]
    asked_by: str
    created_at: datetime


def record(
    session: Session,
    project_id: ProjectId,
    kind: str,
    *,
    request: Mapping[str, Any],
    result: Mapping[str, Any],
    asked_by: str,
    now: datetime,
) -> int:
    """Append a report; returns its id. Both documents are JSON already."""
    documents = {"request": dict(request), "result": dict(result)}
    row = EngineReportRow(project_id=project_id, kind=kind, **documents, asked_by=asked_by, created_at=now)
    session.add(row)
    session.flush()
    return row.id


def newest(session: Session, project_id: ProjectId, kind: str) -> EngineReport | None:
    """The report of this kind that was made last; None if there is none."""
    of_kind = EngineReportRow.project_id == project_id, EngineReportRow.kind == kind
    reports = sa.select(*columns(EngineReport, EngineReportRow)).where(*of_kind)
    return read_first(session, EngineReport, reports.order_by(EngineReportRow.id.desc()))


def newest_of(session: Session, project_id: ProjectId, kind: str, request: Mapping[str, Any]) -> EngineReport | None:
    """The newest report of this kind whose request has these values; None if there is none."""
    of_kind = EngineReportRow.project_id == project_id, EngineReportRow.kind == kind
    asked = sa.select(EngineReportRow.id, EngineReportRow.request).where(*of_kind).order_by(EngineReportRow.id.desc())
    wanted = request.items()
    found = next((number for number, of in session.execute(asked) if wanted <= of.items()), None)
    return None if found is None else by_id(session, project_id, found)


def by_id(session: Session, project_id: ProjectId, report_id: int, kinds: Sequence[str] = ()) -> EngineReport:
    """One report; NotFound also where it is of none of these kinds (none: of any)."""
    row = session.get(EngineReportRow, report_id)
    if row is None or row.project_id != project_id or (kinds and row.kind not in kinds):
        raise NotFound("This project has no such report.")
    return read(EngineReport, row)


def listing(
    session: Session, project_id: ProjectId, *, after: int | None, limit: int, kinds: Sequence[str] = ()
) -> Slice[ReportItem]:
    """The newest reports of these kinds (none: of all), without their results."""
    statement = sa.select(*columns(ReportItem, EngineReportRow)).where(EngineReportRow.project_id == project_id)
    if kinds:
        statement = statement.where(EngineReportRow.kind.in_(kinds))
    return slice_of(session, statement, EngineReportRow.id, after, limit, ReportItem)
