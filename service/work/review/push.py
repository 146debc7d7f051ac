"""Brings open reviews to Label Studio in the right order, each exactly once.

In: open reviews and the current predictions of their images. Out: tasks with predictions whose score is their place,
and the number of people to ask. Tasks are searched for before they are made; new predictions are written first, the
model version that shows them last. What is in Label Studio is compared with what was sent: an order of which something
is missing is begun anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from db.repositories.projects import projects
from db.repositories.queries import gold
from db.repositories.reviews import displayed_predictions, label_studio, reviews
from db.repositories.reviews.displayed_predictions import Shown
from db.repositories.reviews.label_studio import Place
from db.repositories.reviews.reviews import Review
from db.repositories.versions import predictions, versions
from db.session import reading, transaction
from labeling.answers import AnswerSet
from labeling.errors import Invalid
from labeling.project import Project
from labeling.review import payloads
from labeling.review.payloads import Suggestion
from labeling.review.queue import scores
from labeling.slices import batches
from labeling.types import ImageId, ProjectId, ReviewId
from service.label_studio.adopted_tasks import controls_of
from service.work.pool.predictions import ImagePrediction, predictions_of_images
from service.work.review.hints import hints_for
from service.work.review.image_urls import task_data_of
from service.work.review.import_tasks import Made, find_left_over, import_batch, import_predictions, may_be_under_way
from service.work.review.queue_order import in_order
from service.work.review.shown_order import unlike_sent, without_prediction
from service.work.review.studio_project import update_studio_project
from service.work.review.task_overlap import update_overlap
from service.work.wiring import Parts

ACTIVE = 2_000
"""No review that stands further back than this becomes a task yet; one that has a task keeps its place."""
IMPORT_BATCH = 500
"""Label Studio imports this many a request fastest; one request of 10,000 is slower."""
SERVED_MEANWHILE = 50
"""So many new tasks also get a prediction of the version still shown: what people are given before the new one is set.
Once nothing else is open, a task without one would come with nothing selected."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A project's open reviews in order, each with what to pre-select, and the version behind that."""

    project: Project
    reviews: tuple[Review, ...]
    suggestions: dict[ReviewId, Suggestion]
    version: int
    predicted: bool


def push(parts: Parts, project_id: ProjectId, *, full: bool = False) -> dict[str, int]:
    """Bring the open reviews to Label Studio, in order; the project, its config and its webhook first.

    Reviews that were made meanwhile are pushed too: asking for this job while it runs starts no second one. What was
    sent is searched for once more. `full` also reads every open task, and compares its class and its place.
    """
    newest = _newest_review(parts, project_id)
    counts = _push(parts, project_id, full)
    if _newest_review(parts, project_id) == newest and not (counts["pushed"] or counts["reordered"]):
        return counts
    again = _push(parts, project_id, full=False)
    return {name: counts.get(name, 0) + again.get(name, 0) for name in {**counts, **again}}


def _newest_review(parts: Parts, project_id: ProjectId) -> ReviewId:
    with reading(parts.database) as session:
        return reviews.newest(session, project_id)


def _push(parts: Parts, project_id: ProjectId, full: bool) -> dict[str, int]:
    queue = read_queue(parts, project_id)
    with reading(parts.database) as session:
        known = label_studio.get(session, project_id)
    if not queue.reviews and known is None:
        return {"pushed": 0, "reordered": 0}
    place, there = update_studio_project(parts, queue.project)
    queue = replace(queue, reviews=find_left_over(parts, place, queue.reviews))
    counts = {"pushed": 0, "reordered": 0}
    if queue.reviews and not may_be_under_way(parts, place, queue.reviews):
        shown = there.model_version == place.model_version
        if _order_is_due(place, queue, shown) or _is_damaged(parts, place, queue, full):
            counts = _bring_into_order(parts, place, queue)
    return {**counts, **update_overlap(parts, queue.project, queue.suggestions)}


def _bring_into_order(parts: Parts, place: Place, queue: Queue) -> dict[str, int]:
    with transaction(parts.database) as session:
        revision = label_studio.next_revision(session, queue.project.id)
    model_version = f"v{queue.version}-q{revision}"
    made = _import_new(parts, place, queue, model_version)
    pushed, reordered = sum(len(one.tasks) for one in made), _reorder(parts, place, queue, model_version, made)
    if pushed or reordered:
        parts.label_studio.set_model_version(place.ls_project_id, model_version)
        with transaction(parts.database) as session:
            sent = {review: Shown(one.answer, one.score) for review, one in queue.suggestions.items()}
            displayed_predictions.note(session, sent)
            label_studio.note(session, queue.project.id, model_version=model_version)
    return {"pushed": pushed, "reordered": reordered}


def read_queue(parts: Parts, project_id: ProjectId) -> Queue:
    """The open reviews as Label Studio is to have them."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        champion = versions.champion(session, project_id)
        predicted = champion is None or predictions.prediction_file(session, champion.id) is not None
        found = {review.id: review for review in reviews.open_reviews(session, project_id)}
        onboarding = set(gold.asked_reviews(session, project_id, first=project.config.policy.gold.onboarding))
    current = predictions_of_images(parts, project, list({review.image_id for review in found.values()}))
    ordered = in_order(project, list(found.values()), current, onboarding)
    ordered = [one for at, one in enumerate(ordered) if at < ACTIVE or found[one].ls_task_id is not None]
    answers, places = project.config.answers, scores(ordered)
    suggestions = {
        review_id: Suggestion(_shown(found[review_id], current, answers), places[review_id]) for review_id in ordered
    }
    number = champion.number if champion is not None and predicted else 0
    return Queue(project, tuple(found[review_id] for review_id in ordered), suggestions, number, predicted)


def _shown(review: Review, current: Mapping[ImageId, ImagePrediction], answers: AnswerSet) -> str | None:
    """The answer that was named, else the likeliest class; nothing where the review is blind or nothing is known."""
    found = current.get(review.image_id)
    return None if review.blind or found is None else answers.label_of(found.answer, found.shown)


def _order_is_due(place: Place, queue: Queue, shown: bool) -> bool:
    """Whether there are new reviews, a new champion that has predicted, or an order cut off or not shown."""
    if any(review.ls_task_id is None for review in queue.reviews):
        return True
    finished = shown and place.model_version == f"v{queue.version}-q{place.queue_revision}"
    return queue.predicted and not finished


def _is_damaged(parts: Parts, place: Place, queue: Queue, full: bool) -> bool:
    """Whether a task lacks its prediction; with `full` also whether one shows another class or place than was sent."""
    tasks = [review.ls_task_id for review in queue.reviews if review.ls_task_id is not None]
    if without_prediction(parts.label_studio, place, tasks):
        return True
    if not full:
        return False
    with reading(parts.database) as session:
        sent = displayed_predictions.by_task(session, place.project_id, tasks)
    return bool(unlike_sent(parts.label_studio, place, sent))


def _import_new(parts: Parts, place: Place, queue: Queue, model_version: str) -> list[Made]:
    """Make the tasks that are not there, a batch at a time, each noted before the next is made."""
    choices, controls = queue.project.config.answers.choices, controls_of(place)
    new = [review for review in queue.reviews if review.ls_task_id is None]
    hints = hints_for(parts, queue.project, new)
    shown = place.model_version or ""
    meanwhile = {review.id for review in new[:SERVED_MEANWHILE]} if shown else set()
    made = []
    for batch in batches(new, IMPORT_BATCH):
        bodies = []
        for review in batch:
            data = task_data_of(parts, review.token, controls, text=review.text, hint=hints[review.id])
            versions = [shown, model_version] if review.id in meanwhile else [model_version]
            bodies.append(payloads.task(data, queue.suggestions[review.id], versions, choices, controls))
        made.append(import_batch(parts, place, batch, bodies))
    return made


def _reorder(parts: Parts, place: Place, queue: Queue, model_version: str, made: Sequence[Made]) -> int:
    """New predictions for the tasks that were there before, and for those made without; a deleted task's review ends.

    A task just made under an id that was known already (Label Studio was restored) belongs to the new review.
    """
    new = {task for one in made for task in one.tasks.values()}
    tasks = {r.ls_task_id: r.id for r in queue.reviews if r.ls_task_id is not None and r.ls_task_id not in new}
    tasks |= {task: review for one in made if not one.predicted for review, task in one.tasks.items()}
    shown = {task_id: queue.suggestions[review_id] for task_id, review_id in tasks.items()}
    choices = queue.project.config.answers.choices
    try:
        return import_predictions(parts, place, choices, shown, model_version)
    except Invalid:  # one unknown task and none is taken
        there = {changed.task_id for changed in parts.label_studio.changed(place.ls_project_id, None)}
        gone = sorted(set(tasks) - there)
        if not gone:
            raise
        with transaction(parts.database) as session:
            reviews.end(session, [tasks[task_id] for task_id in gone], reviews.TASK_DELETED, parts.now())
        left = {task_id: suggestion for task_id, suggestion in shown.items() if task_id in there}
        return import_predictions(parts, place, choices, left, model_version)
