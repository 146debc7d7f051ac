"""What a look may accept, by training labels that were predicted without their fold. No certifying answer is read.

In: a version's scores of the set. Out: the share that a scan would accept, over samples made up from training labels.
"""

from __future__ import annotations

import numpy as np

from labeling.certify.dry_run import LEAST_LABELS, Coverage, expected_coverage, right_chances
from labeling.certify.plan import Look
from labeling.project import CertificateTerms
from service.work.certify.scored import OutOfFold, Scored
from service.work.certify.sets import TheSet

__all__ = ["coverage_of"]


def coverage_of(
    terms: CertificateTerms, look: Look, level: float, scored: Scored, known: OutOfFold, found: TheSet
) -> Coverage | None:
    """The share of the set that this look would accept at this level.

    None with fewer than 30 training labels, with a sample that leaves nothing, and for a finished data set.
    """
    if terms.precision is None or len(known.scores) < LEAST_LABELS or look.size >= len(found.groups):
        return None
    values = np.sort(np.where(found.excluded, -np.inf, scored.scores[found.rows]))[::-1]
    lowest = known.scores.min()
    chances = np.where(np.isfinite(values), right_chances(np.maximum(values, lowest), known.scores, known.right), 0.0)
    return expected_coverage(chances, look.size, terms.precision, level, np.random.default_rng(0))
