"""The accept rule beside the score, over the pool: who is excluded and why, before any certifying answer is read.

In: a version, the pool as its card pins it, the terms. Out: for each reason which rows it excludes. Everything here is
known of an image whether or not the stream asked about it: labels come from training images alone, and what engines
said from the first one, whose answer every image of the pool has. (Those of the escalation see unlabelled images only.)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from db.repositories.engines import prelabels
from db.repositories.images import groups, images
from db.session import reading
from labeling.certify.accept import (
    Exclusion,
    conflicts,
    farthest_usual,
    in_contradiction,
    nearest_training,
    outliers,
    rare_issues,
)
from labeling.ingest.fingerprints import Fingerprints, distances
from labeling.ingest.twins import NOTHING, is_twin
from labeling.project import CertificateTerms, Project
from labeling.types import ISSUES
from service.work.certify.scored import PoolVectors, Scored, training_rows
from service.work.grouping.rules import rule_in_force
from service.work.pool.saved_versions import load_classifier, pin_of_card
from service.work.wiring import Parts

__all__ = ["Excluding", "exclusions", "reasons_of"]

Flags = NDArray[np.bool_]
Excluding = Mapping[Exclusion, Flags]
"""For each reason which rows (N,) of the pool it excludes; what the terms turn off excludes none."""


def exclusions(parts: Parts, project: Project, scored: Scored, terms: CertificateTerms) -> Excluding:
    """Whom the rule of these terms excludes."""
    pool, n = scored.pool, len(scored.pool)
    rows, labels = training_rows(parts, project, scored.version, pool)
    vectors = PoolVectors(pool)
    training = vectors[rows]
    apart, nearest = nearest_training(vectors, training, pool.group_ids[rows])
    found: dict[Exclusion, Flags] = {Exclusion.UNKNOWN: ~np.isfinite(scored.scores)}
    if terms.outliers:
        between, _ = nearest_training(training, training, pool.group_ids[rows], pool.group_ids[rows])
        found[Exclusion.OUTLIER] = outliers(apart, farthest_usual(between, terms.outliers))
    if terms.conflicts:
        said = pool.prelabel_probs
        found[Exclusion.CONFLICT] = conflicts(said, scored.predicted, said[rows], labels, terms.conflicts)
    if terms.pictures:
        found[Exclusion.PICTURE] = _broken(parts, project, scored)
    found[Exclusion.FLAG] = _flagged(parts, project, scored)
    twins = in_contradiction(pool.group_ids, scored.predicted)
    if n:
        twins |= _contradicting_twins(parts, project, scored, rows, labels, nearest)
    found[Exclusion.TWIN] = twins
    return found


def reasons_of(excluding: Excluding, rows: NDArray[np.int64]) -> list[tuple[int, str]]:
    """The excluded among these rows of the pool, each with all its reasons in words."""
    excluded = np.any([which[rows] for which in excluding.values()], axis=0)
    return [(row, "; ".join(why for why, which in excluding.items() if which[row])) for row in rows[excluded].tolist()]


def _broken(parts: Parts, project: Project, scored: Scored) -> Flags:
    with reading(parts.database) as session:
        found = images.with_issues(session, project.id)
    failed = np.zeros((len(scored.pool), len(ISSUES)), bool)
    at = scored.pool.rows_of(np.array([image for image, _ in found], np.int64))
    for row, (_, which) in zip(at.tolist(), found, strict=True):
        if row >= 0:
            failed[row] = which
    return rare_issues(failed)


def _flagged(parts: Parts, project: Project, scored: Scored) -> Flags:
    _, card = load_classifier(parts.settings.home, scored.version)
    with reading(parts.database) as session:
        found = prelabels.flagged(session, project.id, pin_of_card(card).revision)
    return np.isin(scored.pool.image_ids, np.array(found, np.int64))


def _contradicting_twins(
    parts: Parts,
    project: Project,
    scored: Scored,
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
    nearest: NDArray[np.int64],
) -> Flags:
    """Images whose nearest training image is a near-duplicate with another label than the version says.

    Such images are of different groups where the rule came later, or people gave the members different labels.
    """
    found, pool = np.zeros(len(scored.pool), bool), scored.pool
    with reading(parts.database) as session:
        rule = rule_in_force(session, project)
        if rule is None or rule == NOTHING:
            return found
        beside = np.flatnonzero(nearest >= 0)
        beside = beside[labels[nearest[beside]] != scored.predicted[beside]]
        other = rows[nearest[beside]]
        names = {row: pool.content_hash(row) for row in {*beside.tolist(), *other.tolist()}}
        stored = groups.fingerprints(session, names.values())
    one, two = (Fingerprints.read([stored.get(names[row], b"") for row in side.tolist()]) for side in (beside, other))
    pairs = np.arange(len(beside))
    found[beside[is_twin(distances(one, two, pairs, pairs), rule)]] = True
    return found
