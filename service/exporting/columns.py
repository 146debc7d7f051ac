"""One exported label, or machine label, with its source and evidence: the columns of all formats.

In: facts of the database. Out: a record of plain values. Names of people are replaced by the project's pseudonyms
here, unless its policy wants them: no personal data is exported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from db.views.exports import Details, LabelFact, PersonAnswer
from labeling.project import Project
from labeling.review.kinds import split_of
from labeling.types import LabelSource, ReviewKind
from service.labels.machine_labels import MACHINE
from service.labels.snapshots import soft_label
from service.projects.pseudonyms import exported_name, names_are_exported

ANSWERS = "answers"
"""The value of `decided` for a label that follows from people's answers alone."""


@dataclass(frozen=True, slots=True)
class Record:
    """One image with its label, or with what a version says of it; docs/reference/formats.md explains every field."""

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
    group: int | None
    annotators: tuple[str, ...]
    people: int
    agreement: float | None
    confidence: float | None
    soft_label: dict[str, float] | None
    probability: float | None
    score: float | None
    decided: str
    decided_by: str | None
    prelabel: str | None
    prelabel_confidence: float | None
    engine: str | None
    version: int | None
    asked_at: datetime | None
    labelled_at: datetime


COLUMNS = tuple(field.name for field in fields(Record))
_OF_LABEL = ("content_hash", "text", "width", "height", "source", "kind", "asked_at", "labelled_at")
_OF_IMAGE = ("reference", "prelabel", "prelabel_confidence", "engine")


def record_of(project: Project, fact: LabelFact, known: Details, *, frozen: bool) -> Record:
    """The record of a label; with `frozen` without answers that may be newer than it."""
    source, kind = LabelSource(fact.source), ReviewKind(fact.kind) if fact.kind else None
    rests_on = _evidence(fact) if frozen else _of_now(fact, known)
    return Record(
        **{name: getattr(fact, name) for name in _OF_LABEL},
        **{name: getattr(known, name) for name in _OF_IMAGE},
        version=fact.version if source is not LabelSource.CERTIFICATE else fact.evidence.get("version"),
        image=fact.image_id,
        label=fact.value,
        gold=source is LabelSource.GOLD,
        split=split_of(fact.value, kind, source, fact.reserved).value,
        group=fact.group_id,
        annotators=tuple(exported_name(project, a.annotator_id, a.name) for a in rests_on.people),
        people=len({answer.annotator_id for answer in rests_on.people}),
        agreement=_agreement(rests_on.people, fact.value),
        confidence=rests_on.confidence,
        soft_label=rests_on.soft,
        probability=None,
        score=None,
        decided=_decided(fact),
        decided_by=known.decided_by if names_are_exported(project) else None,
    )


def machine_record(fact: LabelFact, known: Details, probability: float, score: float) -> Record:
    """The record of a machine label: no person stands behind it, and every column that names a source says so."""
    return Record(
        **{name: getattr(fact, name) for name in _OF_LABEL},
        **{name: getattr(known, name) for name in _OF_IMAGE},
        version=fact.version,
        image=fact.image_id,
        label=fact.value,
        gold=False,
        split=MACHINE,
        group=fact.group_id,
        annotators=(),
        people=0,
        agreement=None,
        confidence=None,
        soft_label=None,
        probability=probability,
        score=score,
        decided=MACHINE,
        decided_by=None,
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
    """The share of answers that agree with the label, without those who could not tell."""
    said = [person.answer for person in people if not person.answer.is_doubt]
    return round(sum(answer.says(label) for answer in said) / len(said), 6) if said else None


@dataclass(frozen=True, slots=True)
class _Support:
    """The answers that are the evidence of a label, and their consensus."""

    people: tuple[PersonAnswer, ...]
    soft: dict[str, float] | None
    confidence: float | None


def _evidence(fact: LabelFact) -> _Support:
    """The evidence with which the label was set."""
    confidence = fact.evidence.get("confidence")
    sure = float(confidence) if isinstance(confidence, int | float) else None
    return _Support(fact.people, soft_label(fact.evidence), sure)


def _of_now(fact: LabelFact, known: Details) -> _Support:
    """All answers of now, if their consensus is still the label: a label is not set again when others agree."""
    newest = known.soft
    if not fact.people or newest is None or newest.value != fact.value:
        return _evidence(fact)
    return _Support(known.people, newest.probs, newest.confidence)
