"""Imports tasks into Label Studio, each once, even where the answer to an import was lost; and predictions.

In: reviews without a task, and the bodies of their tasks. Out: the task of each review, noted, and those that
came without their predictions. Before tasks are imported, those of an earlier import are searched for; while one may
still be running, nothing is imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from db.repositories.reviews import label_studio, reviews
from db.repositories.reviews.label_studio import Place
from db.repositories.reviews.reviews import Review
from db.session import reading, transaction
from labeling.errors import HardcaseError, LabelStudioUnavailable
from labeling.review import payloads
from labeling.review.payloads import Suggestion
from labeling.types import ReviewId
from service.label_studio.adopted_tasks import controls_of
from service.logs import get_logger
from service.work.wiring import Parts

log = get_logger(__name__)

GRACE = timedelta(seconds=10)
"""An import that Label Studio has begun may take so much longer than we wait for its answer."""


def find_left_over(parts: Parts, place: Place, found: Sequence[Review]) -> tuple[Review, ...]:
    """The reviews with the tasks that an earlier import made without an answer; called before any import."""
    unpushed = {review.token: review.id for review in found if review.ls_task_id is None}
    if not unpushed:
        return tuple(found)
    tasks = {unpushed[token]: task for token, task in _new_tasks(parts, place).items() if token in unpushed}
    _note_pushed(parts, place, tasks)
    taken = set(tasks.values())
    known = (replace(r, ls_task_id=tasks[r.id]) if r.id in tasks else r for r in found)
    return tuple(r for r in known if r.id in tasks or r.ls_task_id not in taken)


def may_be_under_way(parts: Parts, place: Place, found: Sequence[Review]) -> bool:
    """Whether an import without an answer may still make the tasks that these reviews lack."""
    if place.importing_since is None or all(review.ls_task_id is not None for review in found):
        return False
    longest = timedelta(seconds=parts.settings.label_studio_timeout_s) + GRACE
    return parts.now() - place.importing_since < longest


@dataclass(frozen=True, slots=True)
class Made:
    """The tasks of one import. `predicted` is False where Label Studio lost their predictions and said nothing."""

    tasks: dict[ReviewId, int]
    predicted: bool


def import_batch(parts: Parts, place: Place, batch: Sequence[Review], bodies: Sequence[dict[str, Any]]) -> Made:
    """Make a task for each of these reviews and note it.

    Label Studio counts what it made. Where that is less than was sent, it met a locked database and began anew without
    the predictions of the whole import (docs/decisions/0018-label-studio-sqlite.md).
    """
    parts.failpoint("push.before_import")
    with transaction(parts.database) as session:
        label_studio.note(session, place.project_id, importing_since=parts.now())
    try:
        made = parts.label_studio.import_tasks(place.ls_project_id, bodies)
    except HardcaseError as error:
        if not error.facts.get("maybe_done"):
            with transaction(parts.database) as session:
                label_studio.note(session, place.project_id, importing_since=None)
        raise
    if len(made.task_ids) != len(batch):
        raise LabelStudioUnavailable(
            f"Label Studio at {place.base_url} did not say which tasks it made. They are searched for.", maybe_done=True
        )
    parts.failpoint("push.before_write")
    tasks = dict(zip((review.id for review in batch), made.task_ids, strict=True))
    _note_pushed(parts, place, tasks)
    predicted = made.predictions == sum(len(body["predictions"]) for body in bodies)
    if not predicted:
        log.warning("Label Studio lost the predictions of an import; they are sent again", tasks=len(tasks))
    return Made(tasks, predicted)


def import_predictions(
    parts: Parts, place: Place, choices: Sequence[str], suggestions: Mapping[int, Suggestion], model_version: str
) -> int:
    """Give these tasks a new prediction each; return how many."""
    controls = controls_of(place)
    bodies = [payloads.prediction(task, one, model_version, choices, controls) for task, one in suggestions.items()]
    if bodies:
        parts.label_studio.import_predictions(place.ls_project_id, bodies)
    return len(bodies)


def _new_tasks(parts: Parts, place: Place) -> dict[str, int]:
    """Key -> task of those above the highest that we know; of all where that one is gone, for ids may be used again."""
    with reading(parts.database) as session:
        highest = reviews.highest_push(session, place.project_id)
    if highest is not None:
        found = parts.label_studio.tasks_after(place.ls_project_id, highest.ls_task_id - 1)
        if found.get(highest.token) == highest.ls_task_id:
            return found
    return parts.label_studio.tasks_after(place.ls_project_id, 0)


def _note_pushed(parts: Parts, place: Place, tasks: Mapping[ReviewId, int]) -> None:
    if tasks:
        with transaction(parts.database) as session:
            reviews.record_pushes(session, tasks, ls_project_id=place.ls_project_id, now=parts.now())
            label_studio.note(session, place.project_id, importing_since=None)
        parts.failpoint("push.after_write")
