"""What a new version's report says: measured on the random stream, with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.repositories.queries.examples import AsOf
from labeling.estimates import MIN_LABELS
from labeling.learn.snapshot import Snapshot
from labeling.learn.training import FusedClassifier, predict_logits
from labeling.project import Project
from labeling.quality.comparison import calibration_error
from labeling.quality.finite_samples import finite_share
from labeling.quality.metrics import macro_f1
from labeling.types import Example
from labeling.vectors import shown_probs
from service.work.pool.pool import EnginePin, Pool
from service.work.pool.random_stream import Sample
from service.work.pool.recipes import head_named
from service.work.pool.training_set import truth_of

DOUBTED = 0.5
"""A label that counts less than this is named in the report."""


def with_rows(pool: Pool, examples: Sequence[Example]) -> list[tuple[Example, int]]:
    """The examples that are in the pool, each with its row."""
    return [(e, int(row)) for e, row in zip(examples, rows_in(pool, examples), strict=True) if row >= 0]


def rows_in(pool: Pool, examples: Sequence[Example]) -> NDArray[np.int64]:
    return pool.rows_of(np.array([example.image_id for example in examples], np.int64))


def report_of(
    project: Project,
    pin: EnginePin,
    pool: Pool,
    snapshot: Snapshot,
    classifier: FusedClassifier,
    sample: Sample,
    left_out: list[dict[str, Any]],
    as_of: AsOf,
) -> dict[str, Any]:
    """What the version was fitted on and what each label counted, what it could not use, and how good it is."""
    classes = project.config.classes
    by_class = Counter(example.label for example in snapshot.train)
    return {
        "engine_revision": pin.revision,
        "head": project.config.policy.head,
        "examples": len(snapshot.train),
        "examples_by_class": {name: by_class[name] for name in classes},
        "classes_without_examples": [name for name in classes if not by_class[name]],
        "left_out": left_out,
        **_counted(snapshot, classifier.weights),
        "temperature": classifier.temperature,
        "fixed_temperature": head_named(project.config.policy.head).temperature,
        "bias": list(classifier.bias),
        "calibrated": classifier.calibrated,
        "calibration_labels": sum(by_class[example.label] > 0 for example in snapshot.temperature),
        "calibrated_on": [example.label_id for example in snapshot.temperature],
        "newest_review": as_of.review_id,
        "reserved_share": as_of.share,
        **_measure(classifier, pool, sample, classes),
    }


def _counted(snapshot: Snapshot, weights: NDArray[np.float64] | None) -> dict[str, Any]:
    """The labels that counted less than half, and how many all came to; None where the head does not weigh."""
    if weights is None:
        return {"counted": None, "doubted": []}
    doubted = [one.label_id for one, weight in zip(snapshot.train, weights, strict=True) if weight < DOUBTED]
    return {"counted": float(weights.sum()), "doubted": doubted}


def _measure(classifier: FusedClassifier, pool: Pool, sample: Sample, classes: tuple[str, ...]) -> dict[str, Any]:
    """Figures on the random stream; None, read "not yet known", while there are fewer than 30."""
    ready = [example for example, _ in with_rows(pool, sample.examples)]
    judged_on = [example.label_id for example in ready]
    if len(ready) < MIN_LABELS:
        unknown = ("accuracy", "accuracy_interval", "macro_f1", "calibration_error")
        return {"random_labels": len(ready), "judged_on": judged_on, **dict.fromkeys(unknown)}
    logits, truth = predict_logits(classifier, pool.inputs.take(rows_in(pool, ready))), truth_of(ready, classes)
    probs = shown_probs(logits, classifier.temperature, classifier.bias)
    hits = int(np.count_nonzero(probs.argmax(axis=1) == truth))
    right = finite_share(hits, len(truth), max(sample.groups, len(truth)))
    return {
        "random_labels": right.n,
        "judged_on": judged_on,
        "accuracy": right.value,
        "accuracy_interval": [right.lower, right.upper],
        "macro_f1": macro_f1(probs.argmax(axis=1), truth, len(classes)),
        "calibration_error": calibration_error(probs, truth, np.arange(len(truth)), np.random.default_rng(0)).value,
    }
