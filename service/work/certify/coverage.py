"""What a look may accept, by training labels that were predicted without their fold. No certifying answer is read.

In: a version's scores of the set. Out: the share that an attempt would accept, over samples made up from training
labels.
"""

from __future__ import annotations

import numpy as np

from labeling.certify.dry_run import LEAST_LABELS, Coverage, expected_coverage, expected_finish, right_chances
from labeling.certify.plan import Look
from labeling.project import CertificateTerms
from service.work.certify.scored import OutOfFold, Scored
from service.work.certify.sets import TheSet

__all__ = ["coverage_of"]


def coverage_of(
    terms: CertificateTerms, look: Look, level: float, scored: Scored, known: OutOfFold, found: TheSet
) -> Coverage | None:
    """The share of the set's unsampled images that this look would accept at this level.

    None with fewer than 30 training labels, and with a sample that leaves nothing.
    """
    if len(known.scores) < LEAST_LABELS or look.size >= len(found.groups):
        return None
    values = np.sort(np.where(found.excluded, -np.inf, scored.scores[found.rows]))[::-1]
    lowest = known.scores.min()
    chances = np.where(np.isfinite(values), right_chances(np.maximum(values, lowest), known.scores, known.right), 0.0)
    rng = np.random.default_rng(0)
    if terms.finished is not None:
        return expected_finish(chances, look.size, terms.finished, level, rng)
    return expected_coverage(chances, look.size, terms.precision or 1.0, level, rng)
