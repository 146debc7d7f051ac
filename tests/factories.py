"""The one builder of rows: each function inserts one row with defaults, flushes, and returns its id.

What a test does not care about it leaves out; `more` sets any other column by its name. Nothing is committed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import count
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.repositories.projects import projects
from db.session import insert_new
from db.tables import (
    AnnotationRow,
    AnnotatorRow,
    Base,
    DecisionRow,
    FailureRow,
    FetchRow,
    FigureRow,
    FingerprintRow,
    GroupingRow,
    GroupRow,
    ImageCheckRow,
    ImageRow,
    InboxRow,
    LabelRow,
    LabelStudioProjectRow,
    PredictionRow,
    PrelabelRow,
    PromotionRow,
    PushRow,
    QueryRow,
    RegistrationRow,
    ReviewEndRow,
    ReviewRow,
    SoftLabelRow,
    SpendRow,
    TallyRow,
    VersionRow,
    ViewRow,
)
from labeling.project import LabelClass, Policy, Project, ProjectConfig
from labeling.types import (
    AnnotationAction,
    ImageId,
    LabelSource,
    ReviewId,
    ReviewKind,
    Verdict,
    VersionId,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
_NUMBERS = count(1)


def project(
    session: Session,
    *,
    name: str = "animals",
    classes: Sequence[str] = ("cat", "dog", "bird"),
    policy: Policy | None = None,
) -> Project:
    """The whole project, not its id alone: tests read its classes and policy."""
    config = ProjectConfig(name, tuple(LabelClass(c) for c in classes), policy=policy or Policy())
    return projects.create(session, config, salt="salt", author="test", now=NOW)


def label_studio_project(session: Session, project_id: int, ls_project_id: int = 7, **more: Any) -> None:
    """The project's place in Label Studio."""
    columns = {"base_url": "http://127.0.0.1:8321", "config_hash": "", "webhook_secret": "", "queue_revision": 1}
    of = {"project_id": project_id, "ls_project_id": ls_project_id, "created_at": NOW}
    _insert(session, LabelStudioProjectRow, **of, **{**columns, **more})


# images, and what engines say of them


def registration(session: Session, project_id: int, reference: str, **more: Any) -> int:
    columns = {"address": f"/{reference}", "details": {}, "registered_at": NOW}
    return _insert(session, RegistrationRow, project_id=project_id, reference=reference, **{**columns, **more})


def fetch(session: Session, registration_id: int, image_id: int) -> None:
    _insert(session, FetchRow, registration_id=registration_id, image_id=image_id, fetched_at=NOW)


def group(session: Session, project_id: int, founder: str | None = None, *, reserved: bool = False) -> int:
    """A group of near-duplicates; the reserved ones stand in the random stream in the order in which they are made."""
    return groups(session, project_id, [_hash() if founder is None else founder], [reserved])[0]


def groups(session: Session, project_id: int, founders: Sequence[str], reserved: Sequence[bool]) -> list[int]:
    """Groups with these founders in one statement: some hundred cost as little as one by itself."""
    before = session.scalar(sa.select(sa.func.count()).select_from(GroupRow)) or 0
    of = {"project_id": project_id, "created_at": NOW}
    rows = [
        {**of, "founder_hash": founder, "position": (0.0 if is_reserved else 0.5) + number / 10_000}
        for number, (founder, is_reserved) in enumerate(zip(founders, reserved, strict=True), before)
    ]
    return _insert_all(session, GroupRow, rows)


def image(
    session: Session,
    project_id: int,
    content_hash: str | None = None,
    *,
    group_id: int | None = None,
    reserved: bool | None = None,
    **more: Any,
) -> ImageId:
    """An image: of this group, of a group of its own, reserved or not, or of none yet."""
    content_hash = _hash() if content_hash is None else content_hash
    if reserved is not None:
        group_id = group(session, project_id, content_hash, reserved=reserved)
    return images(session, project_id, [content_hash], [group_id], **more)[0]


def images(
    session: Session, project_id: int, content_hashes: Sequence[str], group_ids: Sequence[int | None], **more: Any
) -> list[ImageId]:
    """Images of these groups in one statement."""
    columns = {"format": "PNG", "width": 8, "height": 8, "size_bytes": 64, "text": None, "fetched_at": NOW}
    columns |= {"project_id": project_id, "details": {}, **more}
    rows = [
        {**columns, "content_hash": content_hash, "group_id": group_id}
        for content_hash, group_id in zip(content_hashes, group_ids, strict=True)
    ]
    return [ImageId(number) for number in _insert_all(session, ImageRow, rows)]


def prelabel(
    session: Session,
    image_id: int,
    probs: Sequence[float] = (0.5, 0.3, 0.2),
    *,
    engine: str = "test",
    revision: str = "test-1",
    **more: Any,
) -> int:
    return prelabels(session, [image_id], [probs], engine=engine, revision=revision, **more)[0]


def prelabels(
    session: Session,
    image_ids: Sequence[int],
    probs: Sequence[Sequence[float]],
    *,
    engine: str = "test",
    revision: str = "test-1",
    **more: Any,
) -> list[int]:
    """What one engine says of each of these images, in one statement."""
    columns = {"description": "", "duration_s": 0.0, "cost_micro": 0, "created_at": NOW, **more}
    columns |= {"engine": engine, "revision": revision}
    rows = [
        {**columns, "image_id": image_id, "probs": list(said)} for image_id, said in zip(image_ids, probs, strict=True)
    ]
    return _insert_all(session, PrelabelRow, rows)


def change_prelabel(session: Session, image_id: int, revision: str, **more: Any) -> None:
    """Let an engine have said something else of an image."""
    row = session.scalars(
        sa.select(PrelabelRow).where(PrelabelRow.image_id == image_id, PrelabelRow.revision == revision)
    ).one()
    for name, value in more.items():
        setattr(row, name, value)
    session.flush()


def image_checks(session: Session, content_hash: str, **scores: float) -> None:
    """A picture without faults, but for these scores."""
    fine = {"blurry": 1.0, "dark": 1.0, "light": 1.0, "low_information": 1.0, "odd_aspect": 1.0}
    _insert(session, ImageCheckRow, content_hash=content_hash, **{**fine, **scores})


def fingerprint(session: Session, content_hash: str, content: bytes) -> None:
    _insert(session, FingerprintRow, content_hash=content_hash, content=content)


def grouping(session: Session, project_id: int, *, sure: float, near: float) -> None:
    """The rule for near-duplicates, frozen."""
    of = {"kind": "adaptive", "images": 200, "reason": "a test", "created_at": NOW}
    _insert(session, GroupingRow, project_id=project_id, sure=sure, near=near, **of)


# what is asked, and what people answer


def query(session: Session, project_id: int, number: int | None = None, **more: Any) -> int:
    """A query of this number; without one, of the next that is free in the project."""
    if number is None:
        newest = session.scalar(sa.select(sa.func.max(QueryRow.number)).where(QueryRow.project_id == project_id))
        number = (newest or 0) + 1
    columns = {"strategy": "margin", "seed": 0, "pool_size": 1, "trigger": "by hand", "created_at": NOW}
    return _insert(session, QueryRow, project_id=project_id, number=number, **{**columns, **more})


def review(
    session: Session,
    project_id: int,
    image_id: int,
    kind: str = ReviewKind.HARD,
    *,
    query_id: int | None = None,
    **more: Any,
) -> ReviewId:
    """A review of one image; without a query it gets one of its own."""
    query_id = query(session, project_id) if query_id is None else query_id
    columns = {"blind": False, "probability": 1.0, "place": 0.0, "created_at": NOW, "token": f"token-{next(_NUMBERS)}"}
    of = {"project_id": project_id, "image_id": image_id, "query_id": query_id, "kind": kind}
    return ReviewId(_insert(session, ReviewRow, **of, **{**columns, **more}))


def review_end(session: Session, review_id: int, reason: str = "task deleted") -> None:
    _insert(session, ReviewEndRow, review_id=review_id, reason=reason, at=NOW)


def push(session: Session, review_id: int, ls_task_id: int, **more: Any) -> None:
    columns = {"ls_project_id": 7, "pushed_at": NOW}
    _insert(session, PushRow, review_id=review_id, ls_task_id=ls_task_id, **{**columns, **more})


def seen(session: Session, *review_ids: int, at: datetime = NOW) -> None:
    """The images of these reviews were fetched from us; once is enough."""
    insert_new(session, ViewRow, [{"review_id": review_id, "at": at} for review_id in review_ids])


def annotator(session: Session, project_id: int, name: str, *, ls_user_id: int | None = None) -> int:
    """The person of this name in a project, made where there is none yet."""
    found = session.scalar(
        sa.select(AnnotatorRow.id).where(AnnotatorRow.project_id == project_id, AnnotatorRow.name == name)
    )
    if found is not None:
        return found
    user = 10_000 + next(_NUMBERS) if ls_user_id is None else ls_user_id
    return _insert(session, AnnotatorRow, project_id=project_id, ls_user_id=user, name=name)


def annotation(
    session: Session,
    review_id: int,
    answer: str | None = "cat",
    *,
    annotator_id: int | None = None,
    action: str | None = None,
    shown: str | None = None,
    at: datetime = NOW,
    **more: Any,
) -> int:
    """One version of one person's answer to a review (None: skipped); the same person's answers are one annotation."""
    person = annotator_id or 0
    action = action or (AnnotationAction.SKIPPED if answer is None else AnnotationAction.ANSWERED)
    columns: dict[str, Any] = {"ls_annotation_id": review_id * 1_000 + person, "unique_id": f"{review_id}-{person}"}
    columns |= {"answers": [] if answer is None else [answer], "result_hash": f"{action} {answer} {at}"}
    columns |= {"accepted": None if shown is None else shown == answer, "lead_time_s": 2.0}
    columns |= {"updated_at": at, "recorded_at": at}
    of = {"review_id": review_id, "annotator_id": annotator_id, "action": action, "shown": shown}
    return _insert(session, AnnotationRow, **of, **{**columns, **more})


# what is held true


def label(
    session: Session,
    project_id: int,
    image_id: int,
    value: str | None = "cat",
    source: str = LabelSource.PEOPLE,
    review_id: int | None = None,
    **more: Any,
) -> int:
    columns = {"evidence": {}, "author": "test", "reason": "", "created_at": NOW}
    of = {"project_id": project_id, "image_id": image_id, "value": value, "source": source, "review_id": review_id}
    return _insert(session, LabelRow, **of, **{**columns, **more})


def decision(session: Session, project_id: int, image_id: int, value: str | None, author: str, kind: str) -> int:
    of = {"project_id": project_id, "image_id": image_id, "value": value, "author": author, "kind": kind}
    return _insert(session, DecisionRow, **of, reason="", at=NOW)


def soft_label(
    session: Session, project_id: int, image_id: int, probs: Mapping[str, float], annotations: Sequence[int]
) -> None:
    best = max(probs, key=probs.__getitem__)
    of = {"project_id": project_id, "image_id": image_id, "method": "dawid-skene", "computed_at": NOW}
    values = {"value": best, "confidence": probs[best], "probs": dict(probs), "annotations": list(annotations)}
    _insert(session, SoftLabelRow, **of, **values)


# saved classifiers


def version(session: Session, project_id: int, number: int = 1, **more: Any) -> VersionId:
    columns = {"path": f"models/{number}", "card_hash": f"card {number}", "snapshot_hash": f"snapshot {number}"}
    columns |= {"last_label_id": 0, "report": {}, "trigger": "answered", "created_at": NOW}
    return VersionId(_insert(session, VersionRow, project_id=project_id, number=number, **{**columns, **more}))


def promotion(session: Session, project_id: int, version_id: int, verdict: str = Verdict.PROMOTED, **more: Any) -> int:
    columns = {"champion_id": None, "reasons": ["because"], "report": {}, "trigger": "learned", "author": "the gate"}
    of = {"project_id": project_id, "version_id": version_id, "verdict": verdict, "created_at": NOW}
    return _insert(session, PromotionRow, **of, **{**columns, **more})


def prediction(session: Session, image_id: int, version_id: int, probs: Sequence[float], **more: Any) -> int:
    columns = {"asked_in": None, "created_at": NOW}
    of = {"image_id": image_id, "version_id": version_id, "probs": list(probs)}
    return _insert(session, PredictionRow, **of, **{**columns, **more})


# what the worker counts and keeps


def figure(session: Session, project_id: int, name: str, data: Mapping[str, Any], at: datetime = NOW) -> None:
    """A stored figure; one of the same name is replaced."""
    session.merge(FigureRow(project_id=project_id, name=name, data=dict(data), computed_at=at))
    session.flush()


def tally(session: Session, project_id: int, counts: Mapping[str, Any]) -> None:
    _insert(session, TallyRow, project_id=project_id, counts=dict(counts), refreshed_at=NOW)


def failure(session: Session, project_id: int, step: str, subject: str = "1", **more: Any) -> int:
    columns = {"count": 1, "reason": "bad", "failed_at": NOW}
    return _insert(session, FailureRow, project_id=project_id, step=step, subject=subject, **{**columns, **more})


def inbox(session: Session, project_id: int, spool_key: str, *, received_at: datetime = NOW, **more: Any) -> int:
    """A webhook event that waits to be handled."""
    columns = {"action": "ANNOTATION_CREATED", "hint": {}, "handled_at": None}
    of = {"project_id": project_id, "spool_key": spool_key, "received_at": received_at}
    return _insert(session, InboxRow, **of, **{**columns, **more})


def spend(session: Session, project_id: int, *, reserved_micro: int = 0, spent_micro: int = 0) -> None:
    _insert(session, SpendRow, project_id=project_id, reserved_micro=reserved_micro, spent_micro=spent_micro)


def _insert(session: Session, table: type[Base], **columns: Any) -> Any:
    """The first column of its primary key. A plain statement: a unit of work for each row took a tenth of all tests."""
    session.flush()
    return session.connection().execute(_statement(table), columns).inserted_primary_key[0]


@cache
def _statement(table: type[Base]) -> sa.Insert:
    return sa.insert(table.__table__)


def _insert_all(session: Session, table: Any, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    if not rows:
        return []
    session.flush()
    statement = _statement(table).returning(table.id, sort_by_parameter_order=True)
    return list(session.connection().execute(statement, list(rows)).scalars())


def _hash() -> str:
    return f"{next(_NUMBERS):064x}"
