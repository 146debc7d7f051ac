"""Records the annotations of Label Studio: new versions, changed ones, and those that were deleted.

In: tasks as they are there now. Out: rows appended, and the images whose labels may change. In whatever order events
come, and however often, the newest row of each annotation equals what was read last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from db.repositories.people import annotators as people
from db.repositories.reviews import annotations as answers
from db.repositories.reviews import reviews
from db.repositories.reviews.annotations import CurrentAnnotation, NewAnnotation
from db.repositories.reviews.reviews import Review
from labeling.adapters.label_studio.client import StudioTask
from labeling.errors import Invalid
from labeling.review.events import Answer, newest, parse_answer
from labeling.types import AnnotationAction, ImageId, ProjectId, ReviewId
from service.logs import get_logger

log = get_logger(__name__)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Recorded:
    """How many answers were appended and how many of those took one back; the images they are about."""

    recorded: int = 0
    withdrawn: int = 0
    image_ids: tuple[ImageId, ...] = ()


def record_answers(
    session: Session,
    project_id: ProjectId,
    ls_project_id: int,
    tasks: Sequence[StudioTask],
    users: Mapping[int, str],
    now: datetime,
) -> Recorded:
    """Append what differs from what is held; a task that is not ours is skipped.

    A review may have two tasks (an import whose answer was lost, made again; a copy made by hand): an annotation of
    either answers it. An answer is withdrawn when it is gone from the task that it was given to.
    """
    known = reviews.by_token(session, project_id, [task.token for task in tasks])
    ours = [(known[task.token], task) for task in tasks if task.token in known]
    annotators = _annotators(session, project_id, [task for _, task in ours], users)
    held: dict[tuple[int, int], dict[str, CurrentAnnotation]] = defaultdict(dict)
    for current in answers.current(session, [review.id for review, _ in ours]):
        held[current.review_id, current.ls_task_id or 0][current.unique_id] = current
    rows: list[NewAnnotation] = []
    read: dict[ReviewId, datetime] = {}
    for review, task in ours:
        said = _answers(ls_project_id, task)
        if said is None:
            continue
        rows += _differing(review, task, said, held[review.id, task.id], annotators)
        if review.ls_task_id == task.id:
            read[review.id] = task.updated_at
    reviews.note_touches(session, read)
    paused = people.paused(session, project_id)
    rows = [replace(row, paused=row.annotator_id in paused) for row in rows]
    recorded = answers.record(session, rows, now)
    withdrawn = sum(row.action is AnnotationAction.WITHDRAWN for row in rows)
    return Recorded(recorded, withdrawn, tuple(review.image_id for review, _ in ours))


def _annotators(
    session: Session, project_id: ProjectId, tasks: Iterable[StudioTask], users: Mapping[int, str]
) -> dict[int, int]:
    """Our ids of all who answered these tasks, by their id in Label Studio."""
    ids = {_user_of(raw) for task in tasks for raw in task.annotations}
    return answers.annotators(session, project_id, {user: users.get(user, f"user {user}") for user in ids})


def _user_of(raw: Mapping[str, object]) -> int:
    """Who answered; Label Studio gives it as a number or as a dictionary. 0 where it does not give it."""
    said = raw.get("completed_by")
    found = said.get("id") if isinstance(said, dict) else said
    return found if isinstance(found, int) else 0


def _answers(ls_project_id: int, task: StudioTask) -> dict[str, Answer] | None:
    """The task's answers by key; None where one cannot be read, so that none is taken for withdrawn."""
    try:
        return newest(parse_answer(ls_project_id, raw, task.predictions) for raw in task.annotations)
    except Invalid as error:
        log.warning("an annotation cannot be read", task=task.id, reason=str(error))
        return None


def _differing(
    review: Review,
    task: StudioTask,
    said: dict[str, Answer],
    held: Mapping[str, CurrentAnnotation],
    annotators: Mapping[int, int],
) -> list[NewAnnotation]:
    new = [
        _version(review, task, answer, held.get(key), annotators)
        for key, answer in said.items()
        if key not in held or (held[key].action, held[key].result_hash) != (answer.action, answer.result_hash)
    ]
    gone = [
        _withdrawn(current)
        for key, current in held.items()
        if key not in said and current.action is not AnnotationAction.WITHDRAWN
    ]
    return [*new, *gone]


def _version(
    review: Review, task: StudioTask, answer: Answer, held: CurrentAnnotation | None, annotators: Mapping[int, int]
) -> NewAnnotation:
    """A version to append; one that came back (a restored backup) is dated after what it replaces."""
    said = asdict(answer)
    if held is not None:
        said["updated_at"] = max(answer.updated_at, held.updated_at + _TICK)
    key, user = said.pop("key"), said.pop("ls_user_id")
    return NewAnnotation(review.id, annotators.get(user), unique_id=key, ls_task_id=task.id, **said)


def _withdrawn(held: CurrentAnnotation) -> NewAnnotation:
    """The held version as withdrawn, with no answer in it."""
    nothing = {"answers": (), "result_hash": "withdrawn", "shown": None, "accepted": None, "lead_time_s": None}
    now = {"action": AnnotationAction.WITHDRAWN, "updated_at": held.updated_at + _TICK}
    return NewAnnotation(**{**asdict(held), **nothing, **now})
