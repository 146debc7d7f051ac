"""How a project's classifiers are fitted: the head by its name, one of ours or a plug-in's, and the whole recipe."""

from __future__ import annotations

from collections.abc import Callable, Sized

import numpy as np
from numpy.typing import NDArray

from labeling.learn.classifier import HeadKind, Inputs
from labeling.learn.heads.from_function import HeadFromFunction
from labeling.learn.heads.heads import HEADS
from labeling.learn.training import fit_classifier, predict_probs
from labeling.project import Project
from labeling.quality.labels.label_errors import Fit, Probs
from service import plugins
from service.work.pool.pool import Pool

__all__ = ["REFERENCE_IMAGES", "head_named", "recipe_of", "reference_rows"]


def head_named(name: str) -> HeadKind:
    """Our own before a plug-in's of the same name; Invalid where there is none, or it does not load."""
    if name in HEADS:
        return HEADS[name]
    return HeadFromFunction(name, plugins.load_plugin(plugins.HEADS, name))


def reference_rows(of: Sized, most: int) -> NDArray[np.int64]:
    """At most so many rows, evenly spread over a pool or a part: they give the scaling constants of the features."""
    return np.unique(np.linspace(0, len(of) - 1, min(len(of), most)).astype(np.int64))


REFERENCE_IMAGES = 2_000
"""So many images of the pool are enough for the scaling constants of a classifier that is fitted many times."""


def recipe_of(project: Project, pool: Pool, head: str, *, reference: int) -> Fit:
    """What fits this head on some images and labels as `learn` does, and predicts others.

    `reference`: from so many images of the pool come the scaling constants.
    """
    policy, classes = project.config.policy, len(project.config.classes)
    known = pool.inputs.take(reference_rows(pool, reference))

    def fit(inputs: Inputs, labels: NDArray[np.int64]) -> Callable[[Inputs], Probs]:
        rng = np.random.default_rng(policy.seed % 2**63)
        classifier = fit_classifier(inputs, labels, classes, head_named(head), reference=known, rng=rng)
        return lambda others: predict_probs(classifier, others)

    return fit
