"""What the labels that are learnt from say of doubt: it decides how much of a query follows doubt.

In: a project's training examples. Out: the evidence, or None where they are too few. Counted once while they stay the
same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

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

__all__ = ["evidence_about_doubt", "learnt_from"]

GROWN = 1.1
Rows = npt.NDArray[np.int64]


def evidence_about_doubt(parts: Parts, project: Project, pool: Pool, examples: Sequence[Example]) -> Evidence | None:
    """What the labels that are learnt from say of doubt; counted once while they stay the same.

    Where they are many it is counted over a sample of them, anew when they have grown by a tenth.
    """
    with reading(parts.database) as session:
        now = (fingerprint(session, project.id), stream.fingerprint(session, project.id))
    tenths = int(np.log(max(len(examples), 1)) / np.log(GROWN))
    made_of = (project.config_version, now if len(examples) <= MOST_LABELS else tenths)
    return parts.memo.get(("evidence", project.id), made_of, lambda: _count_evidence(project, pool, examples))


def learnt_from(project: Project, pool: Pool, examples: Sequence[Example]) -> tuple[Rows, Rows]:
    """The rows of the images whose labels teach a class, where they are ready and have a vector; and the classes."""
    classes = project.config.classes
    named = [example for example in examples if example.label in classes]
    rows = pool.rows_of(np.array([example.image_id for example in named], np.int64))
    ready = np.flatnonzero(rows >= 0)
    ready = ready[finite_rows(pool.image_vectors[rows[ready]])] if len(ready) else ready
    return rows[ready], truth_of(named, classes)[ready]


def _count_evidence(project: Project, pool: Pool, examples: Sequence[Example]) -> Evidence | None:
    rng, n_classes = np.random.default_rng(project.config.policy.seed % 2**63), len(project.config.classes)
    rows, labels = learnt_from(project, pool, examples)
    some = sampled_groups(pool.group_ids[rows], rng)
    rows, labels = rows[some], labels[some]
    if len(rows) < LEAST_LABELS or len(np.unique(labels)) < 2:
        return None
    groups, teaches = pool.group_ids[rows], np.ones(len(rows), bool)
    fit = recipe_of(project, pool, project.config.policy.head, reference=REFERENCE_IMAGES)
    return evidence_of(labels, cross_validated(pool.inputs.take(rows), labels, groups, teaches, fit, n_classes, rng))
