"""What an export and a snapshot are made of: the labels that stood after a given one, with what they were made from.

In: a project and the id of the last label that counts. Out: facts, some hundreds at a time, straight from the database;
never the whole project at once. Labels are appended only, so the same id gives the same facts at any time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db import rows
from db.repositories.labels import soft_labels
from db.repositories.labels.labels import newest_ids
from db.repositories.labels.soft_labels import SoftLabel
from db.repositories.queries.stream import is_reserved, share_in_force
from db.tables import (
    AnnotationRow,
    AnnotatorRow,
    DecisionRow,
    FetchRow,
    GroupRow,
    ImageRow,
    LabelRow,
    QueryRow,
    RegistrationRow,
    ReviewRow,
    VersionRow,
)
from db.views import engine_stats
from labeling.answers import Answer
from labeling.project import Project
from labeling.types import ImageId, ProjectId

CHUNK = 500
"""How many labels are in memory at a time."""


@dataclass(frozen=True, slots=True)
class PersonAnswer:
    """One answer that a label was made from, and whose it is."""

    annotator_id: int
    name: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class LabelFact:
    """A label that stood, its image, and the answers it is made from. `asked_as` is an older name of its kind.

    `reserved` is null while it has no group.
    """

    label_id: int
    image_id: int
    content_hash: str
    text: str | None
    width: int
    height: int
    value: str
    source: str
    kind: str | None
    asked_as: str | None
    evidence: dict[str, Any]
    reserved: bool | None
    group_id: int | None
    version: int | None
    asked_at: datetime | None
    labelled_at: datetime
    people: tuple[PersonAnswer, ...]


@dataclass(frozen=True, slots=True)
class Details:
    """What is known of an image besides its label, as of now; `people` gave the answers that `soft` is made from."""

    reference: str | None
    prelabel: str | None
    prelabel_confidence: float | None
    engine: str | None
    decided_by: str | None
    soft: SoftLabel | None
    people: tuple[PersonAnswer, ...]


def count(session: Session, project_id: ProjectId, up_to: int) -> int:
    """How many images had a label after the label `up_to`."""
    return rows.count(session, LabelRow, LabelRow.id.in_(newest_ids(project_id, up_to)), LabelRow.value.is_not(None))


def label_facts(
    session: Session, project_id: ProjectId, up_to: int, *, by_hash: bool = False
) -> Iterator[list[LabelFact]]:
    """The labels that stood after the label `up_to`, oldest image first or by content hash."""
    share = share_in_force(session, project_id)
    statement = _statement(project_id, share, up_to).order_by(_hash_order(session) if by_hash else ImageRow.id)
    streamed = statement.execution_options(yield_per=CHUNK)  # asks PostgreSQL for a cursor of its own
    with session.execute(streamed) as found:
        for part in found.mappings().partitions():
            people = person_answers(
                session, [int(key) for row in part for key in row["evidence"].get("annotations", ())]
            )
            yield [_fact(row, people) for row in part]


def machine_facts(
    session: Session, said: Mapping[int, str], version: int, at: datetime, source: str
) -> list[LabelFact]:
    """These images with the classes that a version said at that time, as if they were labels; by image."""
    given: dict[str, Any] = {
        "label_id": 0,
        "kind": None,
        "asked_as": None,
        "evidence": {},
        "asked_at": None,
        "people": (),
    }
    given |= {"version": version, "labelled_at": at, "source": source}
    of_image = ("content_hash", "text", "width", "height", "group_id")
    rows = session.execute(
        sa.select(ImageRow.id, *(getattr(ImageRow, name) for name in of_image))
        .where(ImageRow.id.in_(list(said)))
        .order_by(ImageRow.id)
    )
    return [
        LabelFact(image_id=image, value=said[image], reserved=None, **dict(zip(of_image, rest, strict=True)), **given)
        for image, *rest in rows
    ]


def details(session: Session, project: Project, facts: Sequence[LabelFact]) -> dict[int, Details]:
    """What else is known of these images, by image."""
    images = [ImageId(fact.image_id) for fact in facts]
    references, prelabels = first_references(session, images), _prelabels(session, project, images)
    deciders = _deciders(session, [fact.evidence["decision"] for fact in facts if "decision" in fact.evidence])
    soft = soft_labels.of(session, images)
    people = person_answers(session, [key for one in soft.values() for key in one.annotations])
    return {
        fact.image_id: Details(
            references.get(fact.image_id),
            *prelabels.get(ImageId(fact.image_id), (None, None, None)),
            deciders.get(fact.evidence.get("decision", 0)),
            found := soft.get(ImageId(fact.image_id)),
            tuple(people[key] for key in found.annotations if key in people) if found else (),
        )
        for fact in facts
    }


def person_answers(session: Session, annotation_ids: Sequence[int]) -> dict[int, PersonAnswer]:
    """The answers of these annotations, by annotation."""
    answers = sa.select(AnnotationRow.id, AnnotationRow.annotator_id, AnnotatorRow.name, AnnotationRow.answers)
    named = answers.outerjoin(AnnotatorRow, AnnotatorRow.id == AnnotationRow.annotator_id)
    return {
        key: PersonAnswer(annotator or 0, name or "", Answer.of(stored))
        for key, annotator, name, stored in rows.rows_of(session, named, AnnotationRow.id, annotation_ids)
    }


def first_references(session: Session, image_ids: Sequence[int]) -> dict[int, str]:
    """The name under which each of these images was first registered."""
    first = sa.select(sa.func.min(FetchRow.registration_id)).where(FetchRow.image_id.in_(image_ids))
    found = session.execute(
        sa.select(FetchRow.image_id, RegistrationRow.reference)
        .join(RegistrationRow, RegistrationRow.id == FetchRow.registration_id)
        .where(FetchRow.registration_id.in_(first.group_by(FetchRow.image_id)))
    )
    return {int(image): reference for image, reference in found}


def _statement(project_id: ProjectId, share: float, up_to: int) -> sa.Select[*tuple[Any, ...]]:
    newest = newest_ids(project_id, up_to).subquery()
    named: dict[str, Any] = {"label_id": LabelRow.id, "image_id": ImageRow.id, "version": VersionRow.number}
    named |= {"asked_at": ReviewRow.created_at, "labelled_at": LabelRow.created_at}
    named["reserved"] = sa.case((GroupRow.id.is_(None), None), else_=is_reserved(project_id, share))
    return (
        sa.select(*rows.columns(LabelFact, ImageRow, LabelRow, ReviewRow, GroupRow, **named))
        .select_from(LabelRow)
        .join(newest, newest.c.id == LabelRow.id)
        .join(ImageRow, ImageRow.id == LabelRow.image_id)
        .outerjoin(GroupRow, GroupRow.id == ImageRow.group_id)
        .outerjoin(ReviewRow, ReviewRow.id == LabelRow.review_id)
        .outerjoin(QueryRow, QueryRow.id == ReviewRow.query_id)
        .outerjoin(VersionRow, VersionRow.id == QueryRow.version_id)
        .where(LabelRow.value.is_not(None))
    )


def _hash_order(session: Session) -> sa.ColumnElement[str]:
    """By bytes, whatever the language of the database."""
    collation = "C" if session.get_bind().dialect.name == "postgresql" else "BINARY"
    return sa.collate(ImageRow.content_hash, collation)


def _fact(row: sa.RowMapping, people: Mapping[int, PersonAnswer]) -> LabelFact:
    found = (people.get(int(key)) for key in row["evidence"].get("annotations", ()))
    return LabelFact(**row, people=tuple(answer for answer in found if answer is not None))


def _prelabels(
    session: Session, project: Project, images: Sequence[ImageId]
) -> dict[ImageId, tuple[str | None, float | None, str | None]]:
    """What the last engine of the escalation that did not abstain said, how sure it was, and its revision."""
    found: dict[ImageId, tuple[str | None, float | None, str | None]] = {}
    for image, said in engine_stats.engine_answers(session, project.id, images).items():
        likeliest = project.config.answers.label_of(None, said.probs)
        answer = said.answer or likeliest
        if answer is not None:
            confidence = round(max(said.probs), 6) if answer == likeliest else None
            found[image] = (answer, confidence, said.revision)
    return found


def _deciders(session: Session, decision_ids: Sequence[int]) -> dict[int, str]:
    found = session.execute(sa.select(DecisionRow.id, DecisionRow.author).where(DecisionRow.id.in_(decision_ids)))
    return {int(key): author for key, author in found}
