"""Writes to Label Studio how many different people a task asks, where that is more than it asks now.

In: a project and its queue. Out: tasks that are shown to another person, in their place of the order. Writing the same
number twice changes nothing; a task that is gone ends its review.
"""

from __future__ import annotations

from collections.abc import Mapping

from db.repositories.reviews import label_studio, overlaps, reviews
from db.repositories.reviews.label_studio import Place
from db.repositories.reviews.overlaps import TooFewPeople
from db.session import reading, transaction
from labeling.adapters.label_studio.client import StudioTask
from labeling.errors import NotFound
from labeling.project import Project
from labeling.review.payloads import Suggestion
from labeling.slices import batches
from labeling.types import ReviewId
from service.work.review.import_tasks import import_predictions
from service.work.wiring import Parts

BATCH = 50


def update_overlap(parts: Parts, project: Project, suggestions: Mapping[ReviewId, Suggestion]) -> dict[str, int]:
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
        lacking = [one for one in batch if _lacks_prediction(tasks.get(one.ls_task_id), place)]
        shown = {one.ls_task_id: suggestions[one.review_id] for one in lacking}
        import_predictions(parts, place, project.config.answers.choices, shown, place.model_version or "")
        asked = [one for one in batch if one.ls_task_id in tasks and _set_people(parts, one)]
        gone = [one.review_id for one in batch if one not in asked]
        with transaction(parts.database) as session:
            overlaps.note_people(session, asked)
            reviews.end(session, gone, reviews.TASK_DELETED, parts.now())
    return {"people": len(wanted)} if wanted else {}


def _lacks_prediction(task: StudioTask | None, place: Place) -> bool:
    """Whether a task that was done has no prediction of the version now shown: it would be shown last."""
    if task is None or place.model_version is None:
        return False
    return all(prediction.get("model_version") != place.model_version for prediction in task.predictions)


def _set_people(parts: Parts, one: TooFewPeople) -> bool:
    """False where the task was deleted meanwhile."""
    try:
        parts.label_studio.set_people(one.ls_task_id, one.people)
    except NotFound:
        return False
    return True
