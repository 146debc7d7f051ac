"""The ensemble that a strategy needs: fitted on the labels that are learnt from, when its members are first asked.

In: a project, its pool and its training examples. Out: what gives the members' probabilities of some rows of the pool.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from labeling.learn.ensemble import MEMBERS, HeadEnsemble, bagged, thinned
from labeling.project import Project
from labeling.select.strategies.hedged import sampled_groups
from labeling.select.strategies.strategy import Ensemble
from labeling.types import Example
from labeling.vectors import finite_rows
from service.work.pool.pool import Pool
from service.work.pool.recipes import REFERENCE_IMAGES, head_named, reference_rows
from service.work.select.evidence import learnt_from

__all__ = ["Members", "members_of"]

Rows = npt.NDArray[np.int64]
Members = Callable[[Rows], npt.NDArray[np.float32]]
"""Positions (n,) in, (M, n, K) probabilities out; NaN for an image without a vector."""
_ENSEMBLE = 2
"""Chance of its own: the same images are drawn with and without an ensemble."""


def members_of(
    project: Project, pool: Pool, images: Rows, examples: Sequence[Example], kind: Ensemble
) -> Members | None:
    """The members of an ensemble of this kind, for positions among `images`; None with fewer than two classes.

    One image of each group teaches, of at most about 1,000 groups. `images` are rows of the pool, of which some give
    the scaling constants: the same images, labels and groups give the same members, whatever else is in the pool.
    """
    policy, n_classes = project.config.policy, len(project.config.classes)
    rng = np.random.default_rng([policy.seed % 2**63, 0, _ENSEMBLE])  # no query has the number 0
    rows, labels = learnt_from(project, pool, sorted(examples, key=lambda one: one.image_id))
    _, one_each = np.unique(pool.group_ids[rows], return_index=True)
    some = one_each[sampled_groups(pool.group_ids[rows[one_each]], rng)]
    if len(np.unique(labels[some])) < 2:
        return None

    @cache
    def fitted() -> HeadEnsemble:
        fit = {Ensemble.BAGGED: bagged, Ensemble.THINNED: thinned}[kind]
        reference = pool.inputs.take(images[reference_rows(images, REFERENCE_IMAGES)])
        return fit(pool.inputs.take(rows[some]), labels[some], n_classes, head_named(policy.head), reference, rng)

    def members(at: Rows) -> npt.NDArray[np.float32]:
        inputs, probs = pool.inputs.take(images[at]), np.full((MEMBERS, len(at), n_classes), np.nan, np.float32)
        known = np.flatnonzero(finite_rows(inputs.image))
        if len(known):
            probs[:, known] = fitted().probs(inputs.take(known))
        return probs

    return members
