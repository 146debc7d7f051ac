"""Removes what is more than images: a source, a project, an annotator's name, and caches that speak of many images.

In: what is deleted, after its images went. Out: rows removed, or written without it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.deletions.dependents import delete_with_dependents
from db.session import delete, update
from db.tables import (
    AlarmRow,
    AlarmWordsRow,
    AnnotatorRow,
    AnnotatorSwitchRow,
    ApiKeyRow,
    AuditRow,
    CallRow,
    DecisionRow,
    EngineReportRow,
    FailureRow,
    FigureRow,
    LabelRow,
    MessageRow,
    OverlapRow,
    PageSessionRow,
    ProjectRow,
    RegistrationRow,
    SourceRow,
    VoidRow,
)
from labeling.types import ProjectId

FORGOTTEN = "forgotten:"
NOBODY = "deleted annotator"
WITH_NAMES: tuple[tuple[type[Any], tuple[str, ...]], ...] = (
    (AlarmRow, ("words", "evidence")),
    (AlarmWordsRow, ("words", "evidence")),
    (MessageRow, ("subject", "body")),
    (AnnotatorSwitchRow, ("reason", "evidence")),
    (VoidRow, ("reason",)),
    (OverlapRow, ("reason",)),
    (DecisionRow, ("reason",)),
    (LabelRow, ("reason", "evidence")),
    (FailureRow, ("subject", "reason")),
)
"""Where the name of an annotator may stand beside their own row: in words that a rule or a person wrote."""


def forget_caches(session: Session, project_id: ProjectId) -> None:
    """Remove what is computed of a project's images and would show those that are gone; it is computed again."""
    for table in (FigureRow, EngineReportRow):
        delete(session, table, table.project_id == project_id)
    forget_replies(session, project_id)


def forget_replies(session: Session, project_id: ProjectId) -> None:
    """Remove what endpoints replied about a project's images: a call does not know which; what it cost stays."""
    forgotten = sa.literal(FORGOTTEN) + sa.cast(CallRow.id, sa.Text)
    answered = CallRow.project_id == project_id, CallRow.reply.is_not(None)
    update(session, CallRow, *answered, reply=None, key=forgotten)


def source_address(session: Session, project_id: ProjectId, source_id: int) -> str | None:
    """Where a source is; None where the project has none of this number any more."""
    return session.scalar(
        sa.select(SourceRow.address).where(SourceRow.id == source_id, SourceRow.project_id == project_id)
    )


def registered(session: Session, project_id: ProjectId, source_id: int | None = None) -> list[tuple[str, str]]:
    """Reference and address of all that a source has named, or all that a project has, oldest first."""
    of = RegistrationRow.project_id == project_id if source_id is None else RegistrationRow.source_id == source_id
    named = sa.select(RegistrationRow.reference, RegistrationRow.address).where(of)
    rows = session.execute(named.order_by(RegistrationRow.id))
    return [(reference, address) for reference, address in rows]


def remove_source(session: Session, project_id: ProjectId, source_id: int, address: str) -> None:
    """Remove a source with what it has named; images that others have named, too, stay as they are."""
    of_project, prefix = FailureRow.project_id == project_id, f"source {source_id}:"
    own = (FailureRow.step == "source") & (FailureRow.subject == str(source_id))
    delete(session, FailureRow, of_project, own | FailureRow.subject.startswith(prefix, autoescape=True))
    added = AuditRow.project_id == project_id, AuditRow.action == "source.add"
    for row in session.scalars(sa.select(AuditRow).where(*added)):
        if row.detail.get("address") == address:
            row.detail = {"source": source_id}
    session.flush()
    delete_with_dependents(session, SourceRow, [source_id])


def remove_project(session: Session, project_id: ProjectId, name: str) -> None:
    """Remove a project with everything that is left of it; its name goes from keys and from the audit log, too.

    Rows of the log are about it by its number: a person or a key may be called like it.
    """
    keys = sa.select(ApiKeyRow).where(ApiKeyRow.projects.is_not(None))
    logins = sa.select(PageSessionRow).where(PageSessionRow.projects.is_not(None))
    for limited in (*session.scalars(keys), *session.scalars(logins)):
        limited.projects = [one for one in limited.projects or () if one != name]
    for row in session.scalars(sa.select(AuditRow).where(AuditRow.project_id == project_id)):
        row.subject, row.detail = f"project {project_id}", {}
    session.flush()
    delete_with_dependents(session, ProjectRow, [project_id])


def name_of_annotator(session: Session, project_id: ProjectId, annotator_id: int) -> str | None:
    """The name of a person; None where the project has none of this number, or their name was deleted."""
    name = session.scalar(
        sa.select(AnnotatorRow.name).where(AnnotatorRow.id == annotator_id, AnnotatorRow.project_id == project_id)
    )
    return None if name is None or name == nobody(annotator_id) else name


def nobody(annotator_id: int) -> str:
    """What an annotator is called once their name is deleted."""
    return f"{NOBODY} {annotator_id}"


def rename_annotator(session: Session, project_id: ProjectId, annotator_id: int, name: str, to: str) -> None:
    """Put `to` in place of a person's name, in their row and wherever words of the project name them."""
    update(session, AnnotatorRow, AnnotatorRow.id == annotator_id, AnnotatorRow.project_id == project_id, name=to)
    for table, fields in WITH_NAMES:
        says = sa.or_(*(_says(table.__table__.c[field], name) for field in fields))
        for row in session.scalars(sa.select(table).where(_is_of(table.__table__, project_id), says)):
            for field in fields:
                setattr(row, field, _renamed(getattr(row, field), name, to))
    delete(session, FigureRow, FigureRow.project_id == project_id)
    session.flush()


def account_of(session: Session, annotator_id: int) -> int | None:
    """The account in Label Studio of a person; None while they answer in another project under their name."""
    own = session.get_one(AnnotatorRow, annotator_id)
    elsewhere = sa.exists().where(
        AnnotatorRow.ls_user_id == own.ls_user_id,
        AnnotatorRow.id != annotator_id,
        ~AnnotatorRow.name.startswith(NOBODY, autoescape=True),
    )
    return None if session.scalar(sa.select(elsewhere)) else own.ls_user_id


def accounts_held(session: Session, accounts: Iterable[str]) -> set[str]:
    """Those of these accounts in Label Studio whose people answer in some project under their name."""
    named = ~AnnotatorRow.name.startswith(NOBODY, autoescape=True)
    wanted = AnnotatorRow.ls_user_id.in_([int(one) for one in accounts])
    return {str(one) for one in session.scalars(sa.select(AnnotatorRow.ls_user_id).where(wanted, named))}


def _is_of(table: sa.Table, project_id: ProjectId) -> sa.ColumnElement[bool]:
    """The condition that a row is of this project: by its own column, or by what it points at."""
    if "project_id" in table.c:
        return table.c.project_id == project_id
    [key] = [one for one in table.foreign_keys if "project_id" in one.column.table.c]
    return key.parent.in_(sa.select(key.column).where(key.column.table.c.project_id == project_id))


def _says(column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
    """The condition that a text has this name in it; JSON is kept with what is not ASCII escaped."""
    if isinstance(column.type, sa.JSON):
        column, name = sa.cast(column, sa.Text), json.dumps(name)[1:-1]
    return column.contains(name, autoescape=True)


def _renamed(value: Any, name: str, to: str) -> Any:
    """The same with another name, where it stands as words of its own; the keys of JSON are ours."""
    if isinstance(value, str):
        return re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", lambda _: to, value)
    if isinstance(value, list):
        return [_renamed(one, name, to) for one in value]
    return {key: _renamed(one, name, to) for key, one in value.items()} if isinstance(value, dict) else value
