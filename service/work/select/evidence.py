"""What the labels that are learnt from say of doubt: it decides how much of a query follows doubt.

In: a project's training examples. Out: the evidence, or None where they are too few. Counted once while they stay the
same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from db.repositories.queries import stream
from db.repositories.queries.examples import fingerprint
from db.session import reading
from labeling.project import Project
from labeling.quality.labels.label_errors import cross_validated
from labeling.select.strategies.hedged import LEAST_LABELS, MOST_LABELS, Evidence, evidence_of, sampled_groups
from labeling.types import Example
from labeling.vectors import finite_rows
from service.work.pool.pool import Pool
from service.work.pool.recipes import REFERENCE_IMAGES, recipe_of
from service.work.pool.training_set import truth_of
from service.work.wiring import Parts

__all__ = ["evidence_about_doubt"]

GROWN = 1.1


def evidence_about_doubt(parts: Parts, project: Project, pool: Pool, examples: Sequence[Example]) -> Evidence | None:
    """What the labels that are learnt from say of doubt; counted once while they stay the same.

    Where they are many it is counted over a sample of them, anew when they have grown by a tenth.
    """
    with reading(parts.database) as session:
        now = (fingerprint(session, project.id), stream.fingerprint(session, project.id))
    tenths = int(np.log(max(len(examples), 1)) / np.log(GROWN))
    made_of = (project.config_version, now if len(examples) <= MOST_LABELS else tenths)
    return parts.memo.get(("evidence", project.id), made_of, lambda: _count_evidence(project, pool, examples))


def _count_evidence(project: Project, pool: Pool, examples: Sequence[Example]) -> Evidence | None:
    rng, classes = np.random.default_rng(project.config.policy.seed % 2**63), project.config.classes
    named = [example for example in examples if example.label in classes]
    rows = pool.rows_of(np.array([example.image_id for example in named], np.int64))
    labels = truth_of(named, classes)
    ready = np.flatnonzero(rows >= 0)
    ready = ready[finite_rows(pool.image_vectors[rows[ready]])] if len(ready) else ready
    ready = ready[sampled_groups(pool.group_ids[rows[ready]], rng)]
    if len(ready) < LEAST_LABELS or len(np.unique(labels[ready])) < 2:
        return None
    groups, teaches = pool.group_ids[rows[ready]], np.ones(len(ready), bool)
    fit = recipe_of(project, pool, project.config.policy.head, reference=REFERENCE_IMAGES)
    inputs = pool.inputs.take(rows[ready])
    return evidence_of(labels[ready], cross_validated(inputs, labels[ready], groups, teaches, fit, len(classes), rng))
