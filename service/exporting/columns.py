"""One exported label with everything about where it is from: the columns that all formats share.

In: facts of the database. Out: a record of plain values. Names of people pass through the project's pseudonyms here,
and where it has them nothing personal leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from db.views.exports import Details, LabelFact, PersonAnswer
from labeling.project import Project
from labeling.review.kinds import split_of
from labeling.types import LabelSource, ReviewKind, Side
from service.labels.snapshots import soft_label
from service.projects.pseudonyms import shown_name

ANSWERS = "answers"
"""What decided a label that follows from people's answers alone."""


@dataclass(frozen=True, slots=True)
class Record:
    """One labelled image; docs/reference/formats.md explains every field."""

    image: int
    content_hash: str
    reference: str | None
    text: str | None
    width: int
    height: int
    label: str
    source: str
    kind: str | None
    gold: bool
    split: str
    side: str | None
    group: int | None
    annotators: tuple[str, ...]
    people: int
    agreement: float | None
    confidence: float | None
    soft_label: dict[str, float] | None
    decided: str
    decided_by: str | None
    prelabel: str | None
    prelabel_confidence: float | None
    engine: str | None
    version: int | None
    asked_at: datetime | None
    labelled_at: datetime


COLUMNS = tuple(field.name for field in fields(Record))


def record_of(project: Project, fact: LabelFact, known: Details, *, frozen: bool) -> Record:
    """The record of a label; `frozen` takes no answer that may have come after it."""
    source, kind = LabelSource(fact.source), ReviewKind(fact.kind) if fact.kind else None
    side = Side(fact.side) if fact.side else None
    rests_on = _evidence(fact) if frozen else _of_now(fact, known)
    hidden = project.config.policy.team.pseudonyms
    return Record(
        image=fact.image_id,
        content_hash=fact.content_hash,
        reference=known.reference,
        text=fact.text,
        width=fact.width,
        height=fact.height,
        label=fact.value,
        source=fact.source,
        kind=fact.kind,
        gold=source is LabelSource.GOLD,
        split=split_of(fact.value, kind, source, side, fact.bridge).value,
        side=fact.side,
        group=fact.group_id,
        annotators=tuple(shown_name(project, a.annotator_id, a.name) for a in rests_on.people),
        people=len({answer.annotator_id for answer in rests_on.people}),
        agreement=_agreement(rests_on.people, fact.value),
        confidence=rests_on.confidence,
        soft_label=rests_on.soft,
        decided=_decided(fact),
        decided_by=None if hidden else known.decided_by,
        prelabel=known.prelabel,
        prelabel_confidence=known.prelabel_confidence,
        engine=known.engine,
        version=fact.version,
        asked_at=fact.asked_at,
        labelled_at=fact.labelled_at,
    )


def as_json(record: Record) -> dict[str, Any]:
    """The record as JSON takes it, in the order of the columns."""
    values = {name: getattr(record, name) for name in COLUMNS}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def _decided(fact: LabelFact) -> str:
    """A lead's correction or adjudication, people's answers, or else the source itself."""
    if "decision" in fact.evidence:
        return str(fact.evidence.get("kind", ""))
    return ANSWERS if fact.source == LabelSource.PEOPLE else fact.source


def _agreement(people: Sequence[PersonAnswer], label: str) -> float | None:
    """Of those who could tell, the share that says what the label says."""
    said = [person.answer for person in people if not person.answer.is_unsure]
    return round(sum(answer.keeps(label) for answer in said) / len(said), 6) if said else None


@dataclass(frozen=True, slots=True)
class _Support:
    """The answers that a label rests on, and what was made of them."""

    people: tuple[PersonAnswer, ...]
    soft: dict[str, float] | None
    confidence: float | None


def _evidence(fact: LabelFact) -> _Support:
    """What the label was set by."""
    confidence = fact.evidence.get("confidence")
    sure = float(confidence) if isinstance(confidence, int | float) else None
    return _Support(fact.people, soft_label(fact.evidence), sure)


def _of_now(fact: LabelFact, known: Details) -> _Support:
    """All answers of now, where they still say what the label says: a label is not set again when others agree."""
    newest = known.soft
    if not fact.people or newest is None or newest.value != fact.value:
        return _evidence(fact)
    return _Support(known.people, newest.probs, newest.confidence)
