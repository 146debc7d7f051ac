"""What two versions predict of the same labelled images: those of the random stream, or those that they learnt from.

In: a candidate and a champion, or any two versions. Out: probabilities of both, the truth, and the groups. Each
predicts with the engine revision and the encoders that its own card names, and neither has learnt from what it
predicts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from db.repositories.versions.versions import Version
from db.session import reading
from labeling.label_sets.columns import columns_of, in_columns
from labeling.learn.heads.logistic import LOGISTIC
from labeling.learn.training import predict_probs
from labeling.project import Project
from labeling.promote.out_of_fold import Predictor, learns_without, out_of_fold
from labeling.types import Example, ImageId
from service.work.pool.pool import Pool, load_pool
from service.work.pool.recipes import REFERENCE_IMAGES, recipe_of
from service.work.pool.saved_versions import load_classifier, pin_of_card
from service.work.pool.training_set import rebuild_snapshot, truth_now
from service.work.wiring import Parts

__all__ = ["Sides", "on_stream", "on_training", "pool_of_version"]


@dataclass(frozen=True, slots=True)
class Sides:
    """What candidate and champion predict of the same N images, (N, K) each, and the truth (N,)."""

    ours: NDArray[np.floating]
    theirs: NDArray[np.floating]
    truth: NDArray[np.int64]


def on_stream(
    parts: Parts, project: Project, candidate: Version, champion: Version | None, examples: Sequence[Example]
) -> Sides:
    """Each predicts with the features that its card pins; images that one of them cannot see are left out."""
    image_ids = np.array([example.image_id for example in examples], np.int64)
    ours = _predicted(parts, project, candidate, image_ids)
    theirs = _predicted(parts, project, champion, image_ids) if champion else ours
    both = ours.known & theirs.known  # (N,)
    truth = truth_now(examples, project.config)
    return Sides(ours.probs[both], (theirs.probs if champion else ours.prelabels)[both], truth[both])


def on_training(
    parts: Parts, project: Project, candidate: Version, champion: Version | None
) -> tuple[Sides, NDArray[np.int64]]:
    """The candidate's training images, each predicted by recipes that knew neither it nor its near-duplicates.

    The champion's recipe learns from its own, older labels.
    """
    classes = project.config.classes
    with reading(parts.database) as session:
        new = {one.image_id: one for one in rebuild_snapshot(session, project, candidate).train}
        old = {one.image_id: one for one in rebuild_snapshot(session, project, champion).train} if champion else {}
    pools = [pool_of_version(parts, project, version) for version in (candidate, champion or candidate)]
    images = np.array(sorted(new.keys() | old.keys()), np.int64)
    rows = [pool.rows_of(images) for pool in pools]
    images = images[(rows[0] >= 0) & (rows[1] >= 0)]
    columns = columns_of(candidate.classes, project.config)
    groups = pools[0].group_ids[pools[0].rows_of(images)]
    ours = _without(project, pools[0], candidate, new, images, groups)
    if champion:
        theirs = _without(project, pools[1], champion, old, images, groups)
    else:
        prelabels = in_columns(pools[0].prelabel_probs[pools[0].rows_of(images)], columns)
        theirs = prelabels.__getitem__
    rng = np.random.default_rng([project.config.policy.seed, candidate.number])
    predicted = out_of_fold(groups, ours, theirs, rng) if len(images) else (np.empty((0, len(classes))),) * 2
    tested = np.flatnonzero(np.isin(images, list(new)))
    truth = truth_now([new[ImageId(int(image))] for image in images[tested]], project.config)
    known = truth >= 0  # a label of a class that was split since is no truth any more
    tested, truth = tested[known], truth[known]
    return Sides(predicted[0][tested], predicted[1][tested], truth), groups[tested]


def pool_of_version(parts: Parts, project: Project, version: Version) -> Pool:
    """The ready images as the engine saw them that the version's card names."""
    return load_pool(parts, project, pin_of_card(load_classifier(parts.settings.home, version)[1]))


def _without(
    project: Project,
    pool: Pool,
    version: Version,
    learnt: Mapping[ImageId, Example],
    images: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> Predictor:
    """What the version's recipe predicts of some of the images after learning from its others."""
    inside = np.isin(images, list(learnt))
    labels = np.zeros(len(images), np.int64)
    labels[inside] = truth_now([learnt[ImageId(int(image))] for image in images[inside]], project.config)
    inside &= labels >= 0
    fit = recipe_of(project, pool, str(version.report.get("head", LOGISTIC)), reference=REFERENCE_IMAGES)
    inputs = pool.inputs.take(pool.rows_of(images))
    return learns_without(inputs, labels, groups, inside, fit, len(project.config.classes))


@dataclass(frozen=True, slots=True)
class _Predicted:
    """What a version and its engine say of N images; rows of images that are not ready are meaningless."""

    known: NDArray[np.bool_]
    probs: NDArray[np.floating]
    prelabels: NDArray[np.floating]


def _predicted(parts: Parts, project: Project, version: Version, image_ids: NDArray[np.int64]) -> _Predicted:
    classifier, _ = load_classifier(parts.settings.home, version)
    pool = pool_of_version(parts, project, version)
    rows, columns = pool.rows_of(image_ids), columns_of(version.classes, project.config)
    probs = np.full((len(rows), len(project.config.classes)), np.nan)
    prelabels = probs.copy()
    known = rows >= 0
    if known.any():
        probs[known] = in_columns(predict_probs(classifier, pool.inputs.take(rows[known])), columns)
        prelabels[known] = in_columns(pool.prelabel_probs[rows[known]], columns)
    return _Predicted(known, probs, prelabels)
