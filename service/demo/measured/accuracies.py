"""The accuracies that hardcase shows at one moment, beside the truth that a demo knows.

In: the figure of the random stream, what the champion says, and what the simulated annotators answer. Out: each
accuracy with its interval, and the share that is really so. It only computes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labeling.quality.labels.label_errors import cross_validated
from service.demo.annotators import SimulatedAnswers
from service.demo.measured.moment import Moment, as_labelled, as_shown
from service.demo.summary import Measured
from service.labels.machine_labels import with_bias
from service.work.pool.recipes import REFERENCE_IMAGES, recipe_of
from service.work.pool.training_set import truth_of

__all__ = ["compare_accuracies"]


def compare_accuracies(moment: Moment, people: SimulatedAnswers) -> tuple[Measured, Measured]:
    """On the collection and on what is left; the truth is how often the champion says what people would answer.

    People err, and the labels that they come to are what the random stream measures by (`as_labelled`). The truth
    counts every group once. The stream tells how often the champion is right on images that it has not learnt from, so
    those that it has learnt from are predicted without their fold.
    """
    champion, pool, classes = moment.predicted, moment.pool, moment.project.config.classes
    if champion is None:
        nothing = Measured(None, None, None, 0, None)
        return nothing, nothing
    rows = pool.rows_of(champion.image_ids)
    said = with_bias(champion.probs, champion.version.report).argmax(axis=1)[rows >= 0]
    rows = rows[rows >= 0]
    for row, other in _out_of_fold(moment).items():
        said[rows == row] = other
    by_people = as_labelled(moment, people)
    answers = [by_people.to(moment.named[image].reference) for image in pool.image_ids[rows].tolist()]
    right = said == np.array([classes.index(answer) for answer in answers], np.int64)
    groups = pool.group_ids[rows]
    left = np.isin(groups, list(moment.left))
    return (
        as_shown(moment.stream.on_collection, _share(right, groups)),
        as_shown(moment.stream.on_what_is_left, _share(right[left], groups[left])),
    )


def _out_of_fold(moment: Moment) -> dict[int, int]:
    """What a classifier that was not fitted on an image, nor on its near-duplicates, says of it, by row of the pool."""
    pool, project = moment.pool, moment.project
    named = [example for example in moment.taught if example.label in project.config.classes]
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


def _share(right: NDArray[np.bool_], groups: NDArray[np.int64]) -> float | None:
    """The mean over groups of the share of their images that is right."""
    if not len(right):
        return None
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return round(float((right / sizes[place]).sum() / len(sizes)), 4)
