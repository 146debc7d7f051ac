"""How sure a version is of every image: the order in which a certificate accepts them, and the frame of its set.

In: a version and the pool as its card pins it. Out: a class and a score for each image, before any calibration; and
the same of its training images, each predicted without its fold. No answer of the random stream is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.repositories.versions.versions import Version
from db.session import reading
from labeling.certify.dry_run import LEAST_LABELS, right_chances
from labeling.certify.score import Scale, neighbour_support, scale_of, scores, top_logits
from labeling.learn.heads.logistic import LOGISTIC
from labeling.learn.training import predict_logits
from labeling.project import Project
from labeling.quality.labels.label_errors import folds_of
from labeling.select.strategies.batch import joined
from labeling.types import Example
from labeling.vectors import finite_rows
from service.work.pool.pool import Pool, load_pool
from service.work.pool.recipes import REFERENCE_IMAGES, recipe_of
from service.work.pool.saved_versions import load_classifier, pin_of_card
from service.work.pool.training_set import rebuild_snapshot, truth_of
from service.work.wiring import Parts

__all__ = ["OutOfFold", "PoolVectors", "Scored", "frame_score", "out_of_fold", "score_pool", "training_rows"]

SMALLEST = 1e-300
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scored:
    """Of the pool's N images as a version sees them: `predicted` classes and `scores`, higher is surer."""

    version: Version
    pool: Pool
    predicted: Ids
    scores: NDArray[np.float64]
    scale: Scale


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Scores (n,) of training images by classifiers that knew neither them nor their group, and whether they were
    right."""

    scores: NDArray[np.float64]
    right: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PoolVectors:
    """Image and text vectors side by side, read when they are taken."""

    pool: Pool

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.pool), self.pool.image_vectors.shape[1] + self.pool.text_vectors.shape[1]

    def __len__(self) -> int:
        return len(self.pool)

    def __getitem__(self, rows: Any, /) -> NDArray[np.float32]:
        """Where the image has no vector, not finite: the image then comes last."""
        images = self.pool.image_vectors[rows]
        found = joined(images, self.pool.text_vectors[rows])
        found[~np.isfinite(images).all(axis=1)] = np.nan
        return found

    def __array__(self) -> NDArray[np.float32]:
        return self[slice(None)]


def score_pool(parts: Parts, project: Project, version: Version) -> Scored:
    """What the version says of every ready image; kept while version and pool stay the same."""
    classifier, card = load_classifier(parts.settings.home, version)
    pool = load_pool(parts, project, pin_of_card(card))
    made_of = (version.id, hashlib.sha256(pool.image_ids.tobytes()).digest())

    def make() -> Scored:
        logits = predict_logits(classifier, pool.inputs) / _fixed_temperature(version)
        predicted = logits.argmax(axis=1)
        rows, labels = training_rows(parts, project, version, pool)
        vectors = PoolVectors(pool)
        support = neighbour_support(vectors, predicted, vectors[rows], labels)
        top = top_logits(logits)
        scale = scale_of(top, support)
        return Scored(version, pool, predicted, scores(top, support, scale), scale)

    return parts.memo.get(("scores", project.id), made_of, make)


def out_of_fold(parts: Parts, project: Project, scored: Scored) -> OutOfFold:
    """The version's training images, scored by its own recipe fitted without their fold; kept while it stays."""
    version, pool = scored.version, scored.pool

    def make() -> OutOfFold:
        rows, labels = training_rows(parts, project, version, pool)
        groups, vectors = pool.group_ids[rows], PoolVectors(pool)[rows]
        rng = np.random.default_rng([project.config.policy.seed % 2**63, version.number])
        folds = folds_of(groups, np.ones(len(rows), bool), rng)
        fit = recipe_of(project, pool, str(version.report.get("head", LOGISTIC)), reference=REFERENCE_IMAGES)
        found, right = np.full(len(rows), -np.inf), np.zeros(len(rows), bool)
        for fold in np.unique(folds):
            inside, outside = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
            if len(np.unique(labels[outside])) < 2:
                continue
            probs = fit(pool.inputs.take(rows[outside]), labels[outside])(pool.inputs.take(rows[inside]))
            predicted = probs.argmax(axis=1)
            support = neighbour_support(vectors[inside], predicted, vectors[outside], labels[outside])
            top = top_logits(np.log(np.maximum(probs, SMALLEST)))
            found[inside] = scores(top, support, scored.scale)
            right[inside] = predicted == labels[inside]
        known = np.isfinite(found)
        return OutOfFold(found[known], right[known])

    return parts.memo.get(("out of fold", project.id), (version.id, len(pool)), make)


def frame_score(frame: float, scored: Scored, known: OutOfFold) -> float | None:
    """The lowest score at which an image is right with at least the chance `frame`, by training labels alone.

    None where there is no frame, or fewer than 30 such labels: then the set is not bounded.
    """
    if not frame or len(known.scores) < LEAST_LABELS:
        return None
    finite = np.sort(scored.scores[np.isfinite(scored.scores)])
    inside = finite[right_chances(finite, known.scores, known.right) >= frame]
    return float(inside[0]) if len(inside) else float("inf")


def _fixed_temperature(version: Version) -> float:
    return float(version.report.get("fixed_temperature", 1.0))


def training_rows(parts: Parts, project: Project, version: Version, pool: Pool) -> tuple[Ids, Ids]:
    """The rows of the pool that the version was fitted on, and their classes."""
    with reading(parts.database) as session:
        examples: Sequence[Example] = rebuild_snapshot(session, project, version).train
    rows = pool.rows_of(np.array([one.image_id for one in examples], np.int64))
    labels = truth_of(examples, project.config.classes)
    ready = np.flatnonzero(rows >= 0)
    ready = ready[finite_rows(pool.image_vectors[rows[ready]])] if len(ready) else ready
    return rows[ready], labels[ready]
