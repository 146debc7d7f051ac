"""Brings open reviews to Label Studio in the right order, each exactly once.

In: open reviews and what is thought of their images. Out: tasks with predictions whose score is their place, told how
many people to ask. A task is looked for before it is made; new predictions come first, the version that shows them
last.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from db.repositories.projects import projects
from db.repositories.queries import gold
from db.repositories.reviews import displayed_predictions, label_studio, reviews
from db.repositories.reviews.displayed_predictions import Shown
from db.repositories.reviews.label_studio import Place
from db.repositories.reviews.reviews import Review
from db.repositories.versions import predictions, versions
from db.session import reading, transaction
from db.views import engine_answers
from db.views.engine_answers import Opinion
from labeling.answers import AnswerSet
from labeling.errors import Invalid
from labeling.prelabel.calibration import Terms, calibrated
from labeling.project import Project
from labeling.review import payloads
from labeling.review.controls import Controls
from labeling.review.hint_text import Hint
from labeling.review.payloads import Suggestion
from labeling.review.queue import scores
from labeling.slices import batches
from labeling.types import ImageId, ProjectId, ReviewId
from service.label_studio.adopted_tasks import controls_of
from service.work.pool.predictions import terms_in_force
from service.work.review.hints import hints_for
from service.work.review.image_urls import address_of, region_address_of
from service.work.review.import_tasks import find_left_over, import_batch, may_be_under_way
from service.work.review.queue_order import in_order
from service.work.review.studio_project import keep_in_step
from service.work.review.task_overlap import keep_people
from service.work.wiring import Parts

__all__ = ["Queue", "push", "read_queue"]

ACTIVE = 2_000
"""Label Studio holds at most this many open tasks of a project; the rest waits here."""
IMPORT_BATCH = 500
"""Label Studio is quickest at this; in one request of 10,000 it is slower."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A project's open reviews in order, each with what to pre-select, and the version behind that."""

    project: Project
    reviews: tuple[Review, ...]
    suggestions: dict[ReviewId, Suggestion]
    version: int
    predicted: bool


def push(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Bring the open reviews to Label Studio, in order; the project, its config and its webhook first.

    Reviews that were made meanwhile come along: whoever asks for this job while it runs has joined it.
    """
    newest = _newest_review(parts, project_id)
    counts = _push(parts, project_id)
    if _newest_review(parts, project_id) == newest:
        return counts
    again = _push(parts, project_id)
    return {name: counts.get(name, 0) + again.get(name, 0) for name in {**counts, **again}}


def _newest_review(parts: Parts, project_id: ProjectId) -> ReviewId:
    with reading(parts.database) as session:
        return reviews.newest(session, project_id)


def _push(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    queue = read_queue(parts, project_id)
    with reading(parts.database) as session:
        known = label_studio.get(session, project_id)
    if not queue.reviews and known is None:
        return {"pushed": 0, "reordered": 0}
    place = keep_in_step(parts, queue.project)
    queue = replace(queue, reviews=find_left_over(parts, place, queue.reviews))
    counts = {"pushed": 0, "reordered": 0}
    if queue.reviews and not may_be_under_way(parts, place, queue.reviews) and _order_is_due(place, queue):
        counts = _bring_into_order(parts, place, queue)
    return {**counts, **keep_people(parts, queue.project, queue.suggestions)}


def _bring_into_order(parts: Parts, place: Place, queue: Queue) -> dict[str, int]:
    with transaction(parts.database) as session:
        revision = label_studio.next_revision(session, queue.project.id)
    model_version = f"v{queue.version}-q{revision}"
    made = _import_new(parts, place, queue, model_version)
    pushed, reordered = len(made), _reorder(parts, place, queue, model_version, made)
    if pushed or reordered:
        parts.label_studio.set_model_version(place.ls_project_id, model_version)
        with transaction(parts.database) as session:
            displayed_predictions.note(
                session, {review: Shown(told.answer, told.score) for review, told in queue.suggestions.items()}
            )
            label_studio.note(session, queue.project.id, model_version=model_version)
    return {"pushed": pushed, "reordered": reordered}


def read_queue(parts: Parts, project_id: ProjectId) -> Queue:
    """The open reviews as Label Studio is to have them."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        champion = versions.champion(session, project_id)
        predicted = champion is None or predictions.prediction_file(session, champion.id) is not None
        version_id = champion.id if champion is not None and predicted else None
        found = {review.id: review for review in reviews.open_reviews(session, project_id)}
        onboarding = set(gold.asked_reviews(session, project_id, first=project.config.policy.gold.onboarding))
        terms = terms_in_force(session, project)
        thought = {
            image: _read_by(terms, suggested)
            for image, suggested in engine_answers.of_open_reviews(session, project_id, version_id).items()
        }
    ordered = in_order(project, list(found.values()), thought, onboarding)[:ACTIVE]
    answers, places = project.config.answers, scores(ordered)
    suggestions = {
        review_id: Suggestion(_shown(found[review_id], thought, answers), places[review_id]) for review_id in ordered
    }
    number = champion.number if champion is not None and predicted else 0
    return Queue(project, tuple(found[review_id] for review_id in ordered), suggestions, number, predicted)


def _read_by(terms: Mapping[str, Terms], suggested: Opinion) -> Opinion:
    """With its probabilities as its engine's calibration reads them; the champion's are calibrated already."""
    if not suggested.probs or suggested.revision not in terms:
        return suggested
    return replace(suggested, probs=calibrated(np.array([suggested.probs]), terms[suggested.revision])[0].tolist())


def _shown(review: Review, thought: Mapping[ImageId, Opinion], answers: AnswerSet) -> str | None:
    """The answer that was named, else the likeliest class; nothing where the review is blind or nothing is known."""
    found = thought.get(review.image_id)
    if review.blind or found is None:
        return None
    return answers.label_of(found.answer, found.probs)


def _order_is_due(place: Place, queue: Queue) -> bool:
    """Whether there are new reviews, a new champion that has predicted, or an order that was cut off."""
    if any(review.ls_task_id is None for review in queue.reviews):
        return True
    finished = place.model_version == f"v{queue.version}-q{place.queue_revision}"
    return queue.predicted and not finished


def _import_new(parts: Parts, place: Place, queue: Queue, model_version: str) -> set[int]:
    """Make the tasks that are not there, a batch at a time, each noted before the next is made; their ids."""
    choices, controls = queue.project.config.answers.choices, controls_of(place)
    new = [review for review in queue.reviews if review.ls_task_id is None]
    hints = hints_for(parts, queue.project, new)
    made: set[int] = set()
    for batch in batches(new, IMPORT_BATCH):
        bodies = [
            payloads.task(
                _data(parts, review, hints[review.id], controls),
                queue.suggestions[review.id],
                model_version,
                choices,
                controls,
            )
            for review in batch
        ]
        made |= import_batch(parts, place, batch, bodies)
    return made


def _data(parts: Parts, review: Review, hint: Hint, controls: Controls) -> dict[str, str]:
    return payloads.task_data(
        token=review.token,
        image_url=address_of(parts, review.token),
        region_url=region_address_of(parts, review.token),
        text=review.text,
        hint=hint,
        controls=controls,
    )


def _reorder(parts: Parts, place: Place, queue: Queue, model_version: str, made: Collection[int]) -> int:
    """New predictions for the tasks that were there before; a task that a person deleted is let go.

    A task just made under an id that was known already (Label Studio was restored) is the new review's alone.
    """
    tasks = {r.ls_task_id: r for r in queue.reviews if r.ls_task_id is not None and r.ls_task_id not in made}
    if not tasks:
        return 0
    try:
        return _predict(parts, place, queue, tasks, model_version)
    except Invalid:  # one unknown task and none is taken
        there = {changed.task_id for changed in parts.label_studio.changed(place.ls_project_id, None)}
        gone = sorted(set(tasks) - there)
        if not gone:
            raise
        with transaction(parts.database) as session:
            reviews.end(session, [tasks[task_id].id for task_id in gone], reviews.TASK_DELETED, parts.now())
        left = {task_id: review for task_id, review in tasks.items() if task_id in there}
        return _predict(parts, place, queue, left, model_version)


def _predict(parts: Parts, place: Place, queue: Queue, tasks: dict[int, Review], model_version: str) -> int:
    choices, controls = queue.project.config.answers.choices, controls_of(place)
    bodies = [
        payloads.prediction(task_id, queue.suggestions[review.id], model_version, choices, controls)
        for task_id, review in tasks.items()
    ]
    parts.label_studio.import_predictions(place.ls_project_id, bodies)
    return len(bodies)
