"""What of the order in Label Studio is not as it was sent: tasks without a prediction, with another class or place.

In: a project's place in Label Studio and its open tasks. Out: the tasks at fault. Only Label Studio is read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from db.repositories.reviews.displayed_predictions import Shown
from db.repositories.reviews.label_studio import Place
from labeling.adapters.label_studio.client import LabelStudio
from labeling.review.payloads import Suggestion, is_as_sent


def without_prediction(studio: LabelStudio, place: Place, tasks: Collection[int]) -> set[int]:
    """Those that have no prediction of the version shown: they come last, and nobody is served them meanwhile."""
    if not place.model_version or not tasks:
        return set(tasks)
    return studio.without_prediction(place.ls_project_id, place.model_version) & set(tasks)


def unlike_sent(studio: LabelStudio, place: Place, sent: Mapping[int, Shown]) -> set[int]:
    """Those whose newest prediction of the version shown is not what was sent; a task that is gone is none of them."""
    version = place.model_version or ""
    return {
        task.id
        for task in studio.tasks(place.ls_project_id, list(sent))
        if not is_as_sent(task.predictions, Suggestion(sent[task.id].answer, sent[task.id].score), version)
    }
