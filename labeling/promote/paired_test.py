"""Two versions on the same images, to be shown: their difference with its interval, and the exact test of the groups.

In: probabilities (N, K) of both, the truth (N,), and the group of each image. Out: numbers to read, never a verdict:
the gate decides by `judgement.judge`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from labeling.project import Gate
from labeling.promote.pair import Measure, pair_of
from labeling.promote.power import Power, power

__all__ = ["PairedTest", "exact_p", "paired_test"]


@dataclass(frozen=True, slots=True)
class PairedTest:
    """The first version minus the second on N `images`, in the gate's measure, with the 95 % interval of the gate.

    `better` and `worse`: in how many groups the first is right on more images than the second, and on fewer; `p_value`
    is of these, so of accuracy. `power` is what this sample could have detected; None for another measure.
    """

    images: int
    difference: float
    lower: float
    upper: float
    better: int
    worse: int
    p_value: float
    power: Power | None


def paired_test(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    truth: NDArray[np.integer],
    gate: Gate,
    rng: np.random.Generator,
    *,
    groups: NDArray[np.integer] | None = None,
) -> PairedTest | None:
    """Compare two versions on the same images; None with fewer than the gate needs: not yet known.

    Parameters
    ----------
    first, second : (N, K) float
        Probabilities for the same images; a NaN row is an absent answer and counts as an error.
    truth : (N,) int
        The true class, `MISSING` for "none of these" and for what nobody could decide.
    gate : Gate
        Its measure, and the least number of labels.
    rng : numpy.random.Generator
        For the bootstrap, where the measure is not accuracy.
    groups : (N,) int, optional
        Near-duplicates share a group and count together; without it every image is its own.

    Raises
    ------
    Invalid
        When the two are not of the same images and classes.

    Examples
    --------
    >>> right, wrong = np.tile([0.9, 0.1], (40, 1)), np.tile([0.1, 0.9], (40, 1))
    >>> found = paired_test(right, wrong, np.zeros(40, int), Gate(), np.random.default_rng(0))
    >>> found.difference, found.better, found.worse, found.p_value < 1e-9
    (1.0, 40, 0, True)
    """
    n = len(truth)
    if n < max(gate.min_labels, 1):
        return None
    pair = pair_of(first, second, truth, gate, groups)
    lower, upper = pair.interval(rng)
    better, worse = pair.groups_better_and_worse
    detects = power(*pair.independent, gate) if pair.measure is Measure.ACCURACY else None
    return PairedTest(n, pair.gain, lower, upper, better, worse, exact_p(better, worse), detects)


def exact_p(better: int, worse: int) -> float:
    """The two-sided p-value in (0, 1] of so many groups in which the first is better and in which it is worse.

    The chance that two equally good versions differ as unevenly. With one image a group it is McNemar's exact test.

    Source: McNemar, Psychometrika 12 (1947), with the binomial distribution in place of the normal one.

    >>> exact_p(9, 1), exact_p(0, 0)
    (0.021484375, 1.0)
    """
    if not better + worse:
        return 1.0
    return min(1.0, 2 * float(bdtr(min(better, worse), better + worse, 0.5)))
