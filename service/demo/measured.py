"""The accuracies that a project shows, and its share of wrong labels, beside the truth that a demo knows.

In: the figures of the random stream, the random arm and the re-reviews, the champion's predictions, and what the
simulated annotators answer. Out: each with its interval and the share that is really so; and whether every query is
drawn again to the same images. It only reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from db.repositories.labels import labels
from db.repositories.queries import bases, queries
from db.repositories.reviews import re_reviews
from db.session import reading
from labeling.quality.labels.label_errors import cross_validated
from labeling.types import Example, LabelSource, ProjectId
from service.demo.annotators import SimulatedAnswers
from service.demo.look_back import Past, random_arm
from service.demo.summary import Measured, RandomPoint, Replayed, Saved
from service.figures.estimates import Known
from service.figures.figures import stored
from service.figures.random_arm import RandomArm
from service.figures.random_stream import RandomStream
from service.figures.wrong_labels import ShareOfWrongLabels
from service.work.pool.champion import champion_predictions
from service.work.pool.recipes import REFERENCE_IMAGES, recipe_of
from service.work.pool.training_set import rebuild_snapshot, truth_of
from service.work.select.replay import replay_query
from service.work.wiring import Parts

__all__ = [
    "as_labelled",
    "compare_accuracies",
    "compare_random_arm",
    "compare_wrong_labels",
    "read_savings",
    "replay_all",
]


def as_labelled(past: Past, people: SimulatedAnswers) -> SimulatedAnswers:
    """Answers that are wrong as often as the labels of the random stream are in the end.

    Second answers, re-reviews and paused annotators leave fewer wrong labels than one answer has.
    """
    wrong = [one.label != people.true(past.named[one.image_id].reference) for one in past.sample]
    return replace(people, error_rate=sum(wrong) / len(wrong)) if wrong else people


def compare_accuracies(parts: Parts, past: Past, people: SimulatedAnswers) -> tuple[Measured, Measured]:
    """On the collection and on what is left; the truth is how often the champion says what people would answer.

    People err, and the labels that they come to are what the random stream measures by (`as_labelled`). The truth
    counts every group once. The stream tells how often the champion is right on images that it has not learnt from, so
    those that it has learnt from are predicted without their fold.
    """
    with reading(parts.database) as session:
        figure = stored(session, past.project.id, RandomStream)
        touched = queries.taken_groups(session, past.project.id)
    champion = champion_predictions(parts, past.project.id)
    if figure is None or champion is None:
        nothing = Measured(None, None, None, 0, None)
        return nothing, nothing
    with reading(parts.database) as session:
        taught = rebuild_snapshot(session, past.project, champion.version).train
    classes = past.project.config.classes
    said_by_people = as_labelled(past, people)
    answers = [classes.index(said_by_people.to(past.named[image].reference)) for image in champion.image_ids.tolist()]
    rows = past.pool.rows_of(champion.image_ids)
    said = champion.shown.argmax(axis=1)
    for row, other in _out_of_fold(past, taught).items():
        said[rows == row] = other
    right = said == np.array(answers, np.int64)
    groups = past.pool.group_ids[rows]
    left = ~np.isin(groups, list(touched))
    return (
        _measured(figure.on_collection, _share(right, groups)),
        _measured(figure.on_what_is_left, _share(right[left], groups[left])),
    )


def _out_of_fold(past: Past, taught: Sequence[Example]) -> dict[int, int]:
    """What a classifier that was not fitted on an image, nor on its near-duplicates, says of it, by row of the pool."""
    pool, project = past.pool, past.project
    named = [example for example in taught if example.label in project.config.classes]
    rows = pool.rows_of(np.array([example.image_id for example in named], np.int64))
    labels = truth_of(named, project.config.classes)
    fit = recipe_of(project, pool, project.config.policy.head, reference=REFERENCE_IMAGES)
    probs = cross_validated(
        pool.inputs.take(rows),
        labels,
        pool.group_ids[rows],
        np.ones(len(rows), bool),
        fit,
        len(project.config.classes),
        np.random.default_rng(0),
    )
    said = np.where(np.isnan(probs).any(axis=1), -1, np.nan_to_num(probs).argmax(axis=1))
    return dict(zip(rows.tolist(), said.tolist(), strict=True))


def compare_random_arm(parts: Parts, past: Past, people: SimulatedAnswers) -> tuple[RandomPoint, ...]:
    """What as many random labels give, by the product's own figure and in simulation; empty under 40 random labels."""
    with reading(parts.database) as session:
        figure = stored(session, past.project.id, RandomArm)
    simulated = random_arm(past, as_labelled(past, people))
    points = figure.arm if figure is not None else []
    return tuple(
        RandomPoint(point.labels, _measured(point.accuracy, simulated.on_the_rest(point.labels))) for point in points
    )


def read_savings(parts: Parts, past: Past) -> Saved:
    """Random labels for each chosen one, as the product says."""
    with reading(parts.database) as session:
        figure = stored(session, past.project.id, RandomArm)
    if figure is None:
        return Saved(None, None, None, 0)
    return Saved(figure.saved.value, figure.saved.lower, figure.saved.upper, figure.saved.n)


def compare_wrong_labels(parts: Parts, past: Past, people: SimulatedAnswers) -> Measured:
    """The share of wrong labels by re-reviews; the truth is of the images that it speaks of, as they are labelled now.

    Where it is not yet known, the truth is of all labels that people gave.
    """
    with reading(parts.database) as session:
        figure = stored(session, past.project.id, ShareOfWrongLabels)
        given = [one for one in labels.current(session, past.project.id) if one.source is LabelSource.PEOPLE]
        plans = {plan.made_at.isoformat(): plan for plan in re_reviews.plans(session, past.project.id)}
        if figure is not None and figure.as_of in plans:
            of = set(re_reviews.images_of(session, plans[figure.as_of].label_ids).values())
            given = [one for one in given if one.image_id in of]
    wrong = [one.value != people.true(past.named[one.image_id].reference) for one in given]
    truth = round(sum(wrong) / len(wrong), 4) if wrong else None
    return Measured(None, None, None, 0, truth) if figure is None else _measured(figure.share, truth)


def _measured(found: Known, truth: float | None) -> Measured:
    return Measured(found.value, found.lower, found.upper, found.n, truth)


def _share(right: NDArray[np.bool_], groups: NDArray[np.int64]) -> float | None:
    """The mean over groups of the share of their images that is right."""
    if not len(right):
        return None
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return round(float((right / sizes[place]).sum() / len(sizes)), 4)


def replay_all(parts: Parts, project_id: ProjectId) -> Replayed:
    """Draw every query of a project again from what was stored with it."""
    with reading(parts.database) as session:
        numbers = bases.numbers(session, project_id)
    return Replayed(len(numbers), sum(replay_query(parts, project_id, number).equal for number in numbers))
