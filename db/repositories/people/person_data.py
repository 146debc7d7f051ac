"""Everything that is kept about one annotator: their name, every answer, and what was found or decided about them.

In: a project and an annotator. Out: one document, ready for JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.people import annotators
from db.repositories.running.alarms import AlarmKind
from db.tables import (
    AlarmRow,
    AnnotationRow,
    AnnotatorSwitchRow,
    FigureRow,
    ImageRow,
    MessageRow,
    ReviewRow,
    VoidRow,
)
from labeling.types import ProjectId

_ANSWER = (
    "id", "ls_annotation_id", "ls_task_id", "unique_id", "action", "answers", "shown", "accepted", "lead_time_s",
    "paused", "updated_at", "recorded_at",
)  # fmt: skip


def of(session: Session, project_id: ProjectId, annotator_id: int) -> dict[str, Any]:
    """The document; NotFound if the project has no such annotator."""
    who = annotators.by_id(session, project_id, annotator_id)
    return {
        "annotator": {"id": who.id, "name": who.name, "label_studio_account": who.ls_user_id, "paused": who.paused},
        "answers": list(_answers(session, annotator_id)),
        "pauses": _rows(session, AnnotatorSwitchRow, AnnotatorSwitchRow.annotator_id == annotator_id),
        "voids": _rows(session, VoidRow, VoidRow.annotator_id == annotator_id),
        "alarms": _rows(session, AlarmRow, AlarmRow.project_id == project_id, _names(AlarmRow.subject, who)),
        "messages": _rows(session, MessageRow, MessageRow.project_id == project_id, _says(MessageRow.body, who.name)),
        "figures": _figures(session, project_id, annotator_id),
    }


def _answers(session: Session, annotator_id: int) -> Iterable[dict[str, Any]]:
    rows = session.execute(
        sa.select(AnnotationRow, ReviewRow.image_id, ReviewRow.kind, ReviewRow.blind, ImageRow.content_hash)
        .join(ReviewRow, ReviewRow.id == AnnotationRow.review_id)
        .join(ImageRow, ImageRow.id == ReviewRow.image_id)
        .where(AnnotationRow.annotator_id == annotator_id)
        .order_by(AnnotationRow.id)
    )
    for answer, image, kind, blind, content in rows:
        about = {"image": image, "content_hash": content, "asked_as": kind, "blind": blind}
        yield {**about, **{name: getattr(answer, name) for name in _ANSWER}}


def _rows(session: Session, table: type[Any], *where: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
    found = session.scalars(sa.select(table).where(*where).order_by(table.id))
    return [{column.name: getattr(row, column.name) for column in table.__table__.columns} for row in found]


def _names(subject: Any, who: annotators.Annotator) -> sa.ColumnElement[bool]:
    """Alarms about a person have their number as subject."""
    about_people = AlarmRow.kind.in_((AlarmKind.ANNOTATOR_PAUSED.value, AlarmKind.ANNOTATOR_DRIFT.value))
    return sa.and_(about_people, subject == str(who.id))


def _says(body: Any, name: str) -> sa.ColumnElement[bool]:
    written = json.dumps(name)[1:-1]  # JSON is kept with what is not ASCII escaped
    return sa.cast(body, sa.Text).contains(written, autoescape=True)


def _figures(session: Session, project_id: ProjectId, annotator_id: int) -> list[Any]:
    """What the team's figures hold of this person."""
    team = session.get(FigureRow, (project_id, "team"))
    people = [] if team is None else team.data.get("annotators", [])
    return [one for one in people if one.get("annotator") == annotator_id]
