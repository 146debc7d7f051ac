"""What Label Studio sends: webhook bodies read as hints, and annotations read as answers.

In: JSON from outside. Out: ids of what may have changed, or `Answer` values. A body is not trusted: only its
ids are used, and only to know what to read again. Odd content raises nothing but `Invalid`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from labeling.errors import Invalid
from labeling.types import AnnotationAction

__all__ = ["ACTIONS", "Answer", "Hint", "accepted_as_shown", "newest", "parse_answer", "parse_hint"]

ACTIONS = (
    "ANNOTATION_CREATED",
    "ANNOTATIONS_CREATED",
    "ANNOTATION_UPDATED",
    "ANNOTATIONS_DELETED",
    "TASKS_DELETED",
)
"""The events that we ask Label Studio for, and the only ones that are taken."""

MAX_IDS = 10_000


@dataclass(frozen=True, slots=True)
class Hint:
    """The content of an event: an action and ids, and a key that is the same for the same event."""

    action: str
    tasks: tuple[int, ...]
    annotations: tuple[int, ...]
    key: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One annotation as Label Studio has it now. `key` stays unique, even where its id is used again.

    `shown` is the class that was pre-selected, None where nothing was; `accepted` says whether it was kept.
    """

    key: str
    ls_annotation_id: int
    ls_user_id: int
    action: AnnotationAction
    answers: tuple[str, ...]
    result_hash: str
    shown: str | None
    accepted: bool | None
    lead_time_s: float | None
    updated_at: datetime


def parse_hint(project_id: int, body: bytes) -> Hint | None:
    """Read a webhook body; None for an event that we did not ask for, Invalid for what is no event at all.

    >>> parse_hint(1, b'{"action": "TASKS_DELETED", "tasks": [{"id": 7}]}').tasks
    (7,)
    >>> parse_hint(1, b'{"action": "PROJECT_UPDATED"}') is None
    True
    """
    try:
        content: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Invalid("The body of this event is not JSON.") from error
    action = content.get("action") if isinstance(content, dict) else None
    if not isinstance(action, str):
        raise Invalid("The body of this event names no action.")
    if action not in ACTIONS:
        return None
    annotations = [*_dicts(content.get("annotation")), *_dicts(content.get("annotations"))]
    tasks = [*_dicts(content.get("task")), *_dicts(content.get("tasks"))]
    return Hint(
        action=action,
        tasks=_ids([*(task.get("id") for task in tasks), *(found.get("task") for found in annotations)]),
        annotations=_ids(found.get("id") for found in annotations),
        key=hashlib.sha256(f"{project_id}:".encode() + body).hexdigest(),
    )


def parse_answer(ls_project_id: int, raw: Mapping[str, Any], predictions: Sequence[Mapping[str, Any]]) -> Answer:
    """Read one annotation of a task; `predictions` are the task's, to know what was pre-selected."""
    try:
        created_at, updated_at = _time(raw["created_at"]), _time(raw["updated_at"])
        found, user = int(raw["id"]), raw["completed_by"]
        result = raw["result"] if isinstance(raw["result"], list) else []
        skipped = bool(raw.get("was_cancelled"))
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid(f"Label Studio sent an annotation without what makes one ({type(error).__name__}).") from error
    answers = () if skipped else _choices(result)
    shown = _shown(raw, result, predictions, created_at)
    return Answer(
        key=f"{ls_project_id}/{found}/{created_at.isoformat()}",
        ls_annotation_id=found,
        ls_user_id=int(user["id"] if isinstance(user, dict) else user or 0),
        action=AnnotationAction.ANSWERED if answers else AnnotationAction.SKIPPED,
        answers=answers,
        result_hash=_hash([skipped, result]),
        shown=shown,
        accepted=accepted_as_shown(answers, shown),
        lead_time_s=_seconds(raw.get("lead_time")),
        updated_at=updated_at,
    )


def accepted_as_shown(answers: Sequence[str], shown: str | None) -> bool | None:
    """Whether what was pre-selected was kept; None where nothing was shown or nothing answered."""
    return None if shown is None or not answers else tuple(answers) == (shown,)


def newest(answers: Iterable[Answer]) -> dict[str, Answer]:
    """The newest version of each annotation, whatever order they come in and however often."""
    current: dict[str, Answer] = {}
    for answer in answers:
        held = current.get(answer.key)
        if held is None or (held.updated_at, held.result_hash) < (answer.updated_at, answer.result_hash):
            current[answer.key] = answer
    return current


def _shown(
    raw: Mapping[str, Any],
    result: Sequence[Any],
    predictions: Sequence[Mapping[str, Any]],
    created_at: datetime,
) -> str | None:
    """The pre-selected class: by the annotation's own `origin` where it has one, else the prediction shown then."""
    origins = {item.get("origin") for item in result if isinstance(item, dict) and item.get("type") == "choices"}
    if origins == {"manual"}:
        return None
    if origins == {"prediction"}:
        return next(iter(_choices(result)), None)
    parent = raw.get("parent_prediction")
    before = [p for p in predictions if parent is None and _time(p["created_at"]) <= created_at]
    candidates = [p for p in predictions if p.get("id") == parent] or before
    stood = max(candidates, key=lambda p: int(p["id"]), default=None)
    return None if stood is None else next(iter(_choices(stood.get("result") or [])), None)


def _choices(result: Sequence[Any]) -> tuple[str, ...]:
    """The classes chosen, in the order of the result."""
    return tuple(
        str(choice)
        for item in result
        if isinstance(item, dict) and item.get("type") == "choices" and isinstance(item.get("value"), dict)
        for choice in item["value"].get("choices") or ()
    )


def _hash(result: object) -> str:
    """A hash of a result's content; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(result, sort_keys=True, default=str).encode()).hexdigest()


def _time(value: object) -> datetime:
    found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value < 1e9 else None


def _dicts(value: object) -> list[dict[str, Any]]:
    found = value if isinstance(value, list) else [value]
    return [item for item in found if isinstance(item, dict)]


def _ids(values: Iterable[object]) -> tuple[int, ...]:
    found = dict.fromkeys(v for v in values if isinstance(v, int) and not isinstance(v, bool) and 0 < v < 2**53)
    return tuple(found)[:MAX_IDS]
