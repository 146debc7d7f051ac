"""Tells Label Studio how many different people to ask about a task, where that is more than it was told.

In: a project and its queue. Out: tasks that are served to somebody else, in their place of the order. What is
told twice is the same; a task that is gone ends its review.
"""

from __future__ import annotations

from collections.abc import Sequence

from db.repositories.reviews import label_studio, overlaps, reviews
from db.repositories.reviews.label_studio import Place
from db.repositories.reviews.overlaps import TooFewPeople
from db.session import reading, transaction
from labeling.adapters.label_studio.client import StudioTask
from labeling.errors import NotFound
from labeling.project import Project, ProjectConfig
from labeling.review import payloads
from labeling.review.payloads import Suggestion
from labeling.slices import batches
from labeling.types import ReviewId
from service.label_studio.adopted_tasks import controls_of
from service.work.wiring import Parts

BATCH = 50


def keep_people(parts: Parts, project: Project, suggestions: dict[ReviewId, Suggestion]) -> dict[str, int]:
    """Have as many people asked as are wanted, and one more for each whose answer no longer counts.

    `suggestions` are those of the open reviews that Label Studio holds; the others wait.
    """
    with reading(parts.database) as session:
        place = label_studio.get(session, project.id)
        found = overlaps.too_few_people(session, project.id)
    if place is None:
        return {}
    wanted = [one for one in found if one.review_id in suggestions]
    for batch in batches(wanted, BATCH):
        tasks = {task.id: task for task in parts.label_studio.tasks(place.ls_project_id, [w.ls_task_id for w in batch])}
        _show(
            parts,
            place,
            project.config,
            [one for one in batch if _lacks(tasks.get(one.ls_task_id), place)],
            suggestions,
        )
        told = [one for one in batch if one.ls_task_id in tasks and _tell(parts, one)]
        _note(parts, told, [one for one in batch if one not in told])
    return {"people": len(wanted)} if wanted else {}


def _lacks(task: StudioTask | None, place: Place) -> bool:
    """Whether a task that was done has no prediction of the version now shown: it would be served last."""
    if task is None or place.model_version is None:
        return False
    return all(prediction.get("model_version") != place.model_version for prediction in task.predictions)


def _show(
    parts: Parts,
    place: Place,
    config: ProjectConfig,
    lacking: Sequence[TooFewPeople],
    suggestions: dict[ReviewId, Suggestion],
) -> None:
    version, choices, controls = place.model_version or "", config.answers.choices, controls_of(place)
    bodies = [
        payloads.prediction(one.ls_task_id, suggestions[one.review_id], version, choices, controls) for one in lacking
    ]
    if bodies:
        parts.label_studio.import_predictions(place.ls_project_id, bodies)


def _tell(parts: Parts, one: TooFewPeople) -> bool:
    """False where the task was deleted meanwhile."""
    try:
        parts.label_studio.set_people(one.ls_task_id, one.people)
    except NotFound:
        return False
    return True


def _note(parts: Parts, told: Sequence[TooFewPeople], gone: Sequence[TooFewPeople]) -> None:
    with transaction(parts.database) as session:
        overlaps.note_people(session, told)
        reviews.end(session, [one.review_id for one in gone], reviews.TASK_DELETED, parts.now())
