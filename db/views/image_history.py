"""Everything that is known of one image, as facts in the order of their times.

In: a project's image. Out: facts, each with its time, who or what it comes from, what it says and why. Read-only;
every fact is a row of one of the tables named here. `HIDES` names what a person must not see while somebody is asked
about the image blind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.certificates import certificates
from db.repositories.labels.labels import is_current_label
from db.repositories.reviews.reviews import has_ended, is_open
from db.tables import (
    AdoptedTaskRow,
    AlarmRow,
    AnnotationRow,
    AnnotatorRow,
    DecisionRow,
    FetchRow,
    ImageRow,
    LabelCheckRow,
    LabelRow,
    OverlapRow,
    PredictionRow,
    PrelabelRow,
    PushRow,
    QueryRow,
    RegistrationGoneRow,
    RegistrationRow,
    ReviewEndRow,
    ReviewRow,
    VersionRow,
    ViewRow,
    VoidRow,
)
from labeling.types import ImageId, Outcome, ProjectId

ClassesAt = Callable[[datetime], Sequence[str]]
TWINS = 24
LIKELIEST = 5
NO_REASON = "the reason was not kept, an older hardcase asked"
HIDES = frozenset({"prelabel", "prediction", "answered", "skipped", "withdrawn", "voided"}) | {
    "decision", "label", "label checked", "alarm", "certificate"
}  # fmt: skip
"""The kinds of fact that reveal what a blind task does not show."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact: `what` kind it is, `by` whom, what it `says` and `why`. `annotator_id`: who `by` is, if a person.

    `task_id` leads to Label Studio where the fact is about a task. `details` hold the rest, by name.
    """

    at: datetime
    what: str
    by: str
    says: str
    why: str
    details: Mapping[str, Any]
    annotator_id: int | None = None
    task_id: int | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A review of the image as it stands in Label Studio."""

    review_id: int
    task_id: int
    kind: str
    blind: bool


@dataclass(frozen=True, slots=True)
class Twin:
    """Another image of the same near-duplicate group, with the label that stands."""

    image_id: int
    content_hash: str
    label: str | None


def facts(
    session: Session, project_id: ProjectId, image_id: ImageId, classes_at: ClassesAt, champion: int | None
) -> list[Fact]:
    """Every fact about an image, oldest first; `champion` is the number of the version in use.

    `classes_at` gives the classes that the project had at a moment: what was predicted then speaks of those.
    """
    found = [
        *_arrivals(session, image_id),
        *_prelabels(session, image_id, classes_at),
        *_predictions(session, image_id, classes_at, champion),
        *_questions(session, project_id, image_id),
        *_answers(session, image_id),
        *_decisions(session, image_id),
        *_labels(session, image_id),
        *_certificates(session, image_id),
        *_alarms(session, project_id, image_id),
    ]
    return sorted(found, key=lambda fact: fact.at)  # stable: what came at the same moment stays in this order


def is_blind_and_open(session: Session, image_id: ImageId) -> bool:
    """Whether somebody is being asked about the image blind."""
    asked = sa.select(ReviewRow.id).where(ReviewRow.image_id == image_id, ReviewRow.blind.is_(True), is_open())
    return session.scalar(asked.limit(1)) is not None


def tasks(session: Session, image_id: ImageId) -> list[Task]:
    """The image's tasks in Label Studio that have not ended, oldest first."""
    rows = session.execute(
        sa.select(ReviewRow.id, PushRow.ls_task_id, ReviewRow.kind, ReviewRow.blind)
        .join(PushRow, PushRow.review_id == ReviewRow.id)
        .where(ReviewRow.image_id == image_id, ~has_ended())
        .order_by(ReviewRow.id)
    )
    return [Task(*row) for row in rows]


def twins(session: Session, project_id: ProjectId, image_id: ImageId) -> list[Twin]:
    """The other images of its group, the first of them."""
    group = sa.select(ImageRow.group_id).where(ImageRow.id == image_id).scalar_subquery()
    rows = session.execute(
        sa.select(ImageRow.id, ImageRow.content_hash, LabelRow.value)
        .outerjoin(LabelRow, sa.and_(LabelRow.image_id == ImageRow.id, is_current_label()))
        .where(ImageRow.project_id == project_id, ImageRow.group_id == group, ImageRow.id != image_id)
        .order_by(ImageRow.id)
        .limit(TWINS)
    )
    return [Twin(*row) for row in rows]


def _arrivals(session: Session, image_id: ImageId) -> Iterator[Fact]:
    rows = session.execute(
        sa.select(RegistrationRow, FetchRow.fetched_at, RegistrationGoneRow.at, AdoptedTaskRow)
        .join(FetchRow, FetchRow.registration_id == RegistrationRow.id)
        .outerjoin(RegistrationGoneRow, RegistrationGoneRow.registration_id == RegistrationRow.id)
        .outerjoin(AdoptedTaskRow, AdoptedTaskRow.registration_id == RegistrationRow.id)
        .where(FetchRow.image_id == image_id)
        .order_by(RegistrationRow.id)
    )
    for row, fetched_at, gone_at, adopted in rows:
        about = {"revision": row.revision, "gold": row.gold, "metadata": row.details or None}
        yield Fact(row.registered_at, "registered", "", row.reference, row.address, _without_nothing(about))
        if adopted is not None:
            task = adopted.ls_task_id
            yield Fact(adopted.adopted_at, "taken over", "", f"task {task} of Label Studio", "", {}, task_id=task)
        yield Fact(fetched_at, "fetched", "", row.reference, "", {})
        if gone_at is not None:
            yield Fact(gone_at, "gone", "", row.reference, "the source does not hold it any more", {})


def _prelabels(session: Session, image_id: ImageId, classes_at: ClassesAt) -> Iterator[Fact]:
    for row in session.scalars(sa.select(PrelabelRow).where(PrelabelRow.image_id == image_id).order_by(PrelabelRow.id)):
        classes = classes_at(row.created_at)
        said = row.answer if row.outcome == Outcome.LABEL and row.answer else _outcome(row.outcome, row.probs, classes)
        about = {
            "confidence": _highest(row.probs),
            "likeliest": _likeliest(row.probs, classes),
            "cost_micro": row.cost_micro,
            "seconds": round(row.duration_s, 3),
            "flags": row.evidence.get("flags"),
            "said": row.description,
            "config_version": row.evidence.get("config_version"),
        }
        why = str(row.evidence.get("reason", ""))
        yield Fact(row.created_at, "prelabel", row.revision, said, why, _without_nothing(about))


def _predictions(session: Session, image_id: ImageId, classes_at: ClassesAt, champion: int | None) -> Iterator[Fact]:
    rows = session.execute(
        sa.select(PredictionRow, VersionRow.number, VersionRow.created_at, QueryRow.number)
        .join(VersionRow, VersionRow.id == PredictionRow.version_id)
        .outerjoin(QueryRow, QueryRow.id == PredictionRow.asked_in)
        .where(PredictionRow.image_id == image_id)
        .order_by(PredictionRow.id)
    )
    for row, version, fitted_at, query in rows:
        classes = classes_at(fitted_at)
        about = {
            "confidence": _highest(row.probs),
            "likeliest": _likeliest(row.probs, classes),
            "champion": version == champion or None,
            "asked_in_query": query,
        }
        why = "chosen for people by this prediction" if query is not None else ""
        says = _outcome(Outcome.LABEL, row.probs, classes)
        yield Fact(row.created_at, "prediction", f"version {version}", says, why, _without_nothing(about))


def _questions(session: Session, project_id: ProjectId, image_id: ImageId) -> Iterator[Fact]:
    rows = session.execute(
        sa.select(ReviewRow, QueryRow, VersionRow.number, PushRow, ReviewEndRow, ViewRow.at)
        .join(QueryRow, QueryRow.id == ReviewRow.query_id)
        .outerjoin(VersionRow, VersionRow.id == QueryRow.version_id)
        .outerjoin(PushRow, PushRow.review_id == ReviewRow.id)
        .outerjoin(ReviewEndRow, ReviewEndRow.review_id == ReviewRow.id)
        .outerjoin(ViewRow, ViewRow.review_id == ReviewRow.id)
        .where(ReviewRow.image_id == image_id, ReviewRow.project_id == project_id)
        .order_by(ReviewRow.id)
    )
    for review, query, version, push, end, viewed_at in rows.all():
        task = None if push is None else push.ls_task_id
        yield _question(review, query, version, task)
        if push is not None:
            yield Fact(push.pushed_at, "pushed", "", f"task {task} in Label Studio", "", {}, task_id=task)
        if viewed_at is not None:
            yield Fact(viewed_at, "seen", "", "the picture was fetched from us for this task", "", {}, task_id=task)
        wanted = sa.select(OverlapRow).where(OverlapRow.review_id == review.id).order_by(OverlapRow.id)
        for more in session.scalars(wanted):
            yield Fact(more.at, "people wanted", more.author, f"{more.people} people", more.reason, {}, task_id=task)
        if end is not None:
            yield Fact(end.at, "review ended", "", f"{review.kind} review", end.reason, {}, task_id=task)


def _question(review: ReviewRow, query: QueryRow, version: int | None, task: int | None) -> Fact:
    about = {
        "query": query.number,
        "blind": review.blind,
        "representative": review.representative or None,
        "probability": review.probability,
        "place": review.place,
        "seed": query.seed,
        "version": version,
    }
    says = f"{review.kind}{', blind' if review.blind else ''}"
    why = f"{query.strategy}, {query.trigger}: {review.reason or NO_REASON}"
    return Fact(review.created_at, "asked", "", says, why, _without_nothing(about), task_id=task)


def _answers(session: Session, image_id: ImageId) -> Iterator[Fact]:
    void = (
        sa.select(sa.func.min(VoidRow.id))
        .where(VoidRow.annotator_id == AnnotationRow.annotator_id, VoidRow.up_to >= AnnotationRow.id)
        .correlate(AnnotationRow)
        .scalar_subquery()
    )
    rows = session.execute(
        sa.select(AnnotationRow, AnnotatorRow.name, PushRow.ls_task_id, VoidRow)
        .join(ReviewRow, ReviewRow.id == AnnotationRow.review_id)
        .outerjoin(AnnotatorRow, AnnotatorRow.id == AnnotationRow.annotator_id)
        .outerjoin(PushRow, PushRow.review_id == ReviewRow.id)
        .outerjoin(VoidRow, VoidRow.id == void)
        .where(ReviewRow.image_id == image_id)
        .order_by(AnnotationRow.id)
    )
    for row, name, task, voided in rows:
        about = {
            "answer": row.ls_annotation_id,
            "shown": row.shown,
            "kept_as_shown": row.accepted,
            "seconds": row.lead_time_s,
            "answered_at": row.updated_at.isoformat(),
            "counts": not row.paused and voided is None,
        }
        who, why = name or "", "given while paused: it does not count" if row.paused else ""
        known, said = _without_nothing(about), ", ".join(row.answers)
        yield Fact(row.recorded_at, row.action, who, said, why, known, row.annotator_id, task)
        if voided is not None:
            says = f"answer {row.ls_annotation_id} counts for nothing"
            yield Fact(voided.at, "voided", voided.author, says, voided.reason, {}, task_id=task)


def _decisions(session: Session, image_id: ImageId) -> Iterator[Fact]:
    for row in session.scalars(sa.select(DecisionRow).where(DecisionRow.image_id == image_id).order_by(DecisionRow.id)):
        says = row.value if row.value is not None else "taken back"
        yield Fact(row.at, "decision", row.author, says, row.reason, {"kind": row.kind})


def _labels(session: Session, image_id: ImageId) -> Iterator[Fact]:
    rows = session.execute(
        sa.select(LabelRow, ReviewRow.kind, LabelCheckRow)
        .outerjoin(ReviewRow, ReviewRow.id == LabelRow.review_id)
        .outerjoin(LabelCheckRow, LabelCheckRow.label_id == LabelRow.id)
        .where(LabelRow.image_id == image_id)
        .order_by(LabelRow.id)
    )
    for row, kind, check in rows:
        about = {"label": row.id, "source": row.source, "kind": kind, **row.evidence}
        says = row.value if row.value is not None else "no label"
        yield Fact(row.created_at, "label", row.author, says, row.reason, _without_nothing(about))
        if check is not None:
            yield Fact(check.at, "label checked", check.author, "found right", check.reason, {"label": row.id})


def _certificates(session: Session, image_id: ImageId) -> Iterator[Fact]:
    """What each attempt at a certificate came to that accepted or excluded the image."""
    for one in certificates.of_image(session, image_id):
        about = {"certificate": one.certificate_id, "rank": one.rank, "score": one.score and round(one.score, 4)}
        says = f"accepted as {one.value}" if one.reason is None else "not accepted, however sure the version is"
        yield Fact(
            one.at, "certificate", f"certificate {one.certificate_id}", says, one.reason or "", _without_nothing(about)
        )


def _alarms(session: Session, project_id: ProjectId, image_id: ImageId) -> Iterator[Fact]:
    """Alarms about an engine or an annotator of this image."""
    revisions = sa.select(PrelabelRow.revision).where(PrelabelRow.image_id == image_id)
    people = (
        sa.select(sa.cast(AnnotationRow.annotator_id, sa.Text))
        .join(ReviewRow, ReviewRow.id == AnnotationRow.review_id)
        .where(ReviewRow.image_id == image_id)
    )
    concerned = AlarmRow.subject.in_(revisions) | AlarmRow.subject.in_(people)
    rows = session.scalars(
        sa.select(AlarmRow).where(AlarmRow.project_id == project_id, concerned).order_by(AlarmRow.id)
    )
    for row in rows:
        yield Fact(row.raised_at, "alarm", "", row.kind, row.words, {"alarm": row.id})


def _outcome(outcome: str, probs: Sequence[float], classes: Sequence[str]) -> str:
    if outcome != Outcome.LABEL:
        return str(outcome)
    best = max(range(len(probs)), key=probs.__getitem__, default=None)
    return classes[best] if best is not None and best < len(classes) else "nothing"


def _likeliest(probs: Sequence[float], classes: Sequence[str]) -> dict[str, float]:
    """The most likely classes with their probabilities, falling; empty where there are none."""
    best = sorted(range(min(len(probs), len(classes))), key=lambda k: -probs[k])[:LIKELIEST]
    return {classes[k]: round(probs[k], 4) for k in best}


def _highest(probs: Sequence[float]) -> float | None:
    return round(max(probs), 4) if probs else None


def _without_nothing(details: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in details.items() if value not in (None, "", [], {})}
