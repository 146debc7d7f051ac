"""How many images of each kind a query asks for, so that later figures are unbiased.

In: the size of the query, the policy's shares, what is left to ask and what is already known. Out: one count a
kind. Fractions are rounded at random (by `rng`), so that a share holds over many small queries too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labeling.project import Shares

__all__ = ["Counts", "plan", "rounded", "target_reached"]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many images a query asks for, by kind."""

    evaluation: int
    control: int
    calibration: int
    hard: int


def target_reached(labels: Mapping[str, int], classes: Sequence[str], shares: Shares, least: int) -> bool:
    """Whether there are enough evaluation labels to spend less of each query on them.

    Parameters
    ----------
    labels : mapping
        Evaluation labels by value, "none of these" among them.
    classes : sequence of str
        The label set.
    shares : Shares
        The target: so many in all, or so many of every class.
    least : int
        Under so many no gate runs at all, so the target is never reached before.

    Examples
    --------
    >>> target_reached({"cat": 20, "dog": 12}, ["cat", "dog"], Shares(), least=30)
    True
    """
    total = sum(labels.values())
    every_class = all(labels.get(name, 0) >= shares.evaluation_per_class for name in classes)
    return total >= shares.evaluation_target or (every_class and total >= least)


def plan(size: int, shares: Shares, *, pool: int, holdout: int, reached: bool, rng: np.random.Generator) -> Counts:
    """Split a query over the kinds.

    Parameters
    ----------
    size : int
        How many images the query may hold.
    shares : Shares
        The policy's shares.
    pool, holdout : int
        Groups that may still be asked on each side.
    reached : bool
        Whether there are enough evaluation labels (`target_reached`).
    rng : numpy.random.Generator
        Rounds fractions.

    Returns
    -------
    Counts that sum to min(size, pool + evaluation); evaluation never takes more than its share of `size`.

    Examples
    --------
    >>> plan(100, Shares(), pool=1000, holdout=300, reached=False, rng=np.random.default_rng(0))
    Counts(evaluation=20, control=5, calibration=5, hard=70)
    """
    share = shares.evaluation if reached else shares.evaluation_until_target
    evaluation = min(rounded(share * size, rng), holdout)
    if pool == 0 and evaluation == 0 and share > 0:
        evaluation = min(1, holdout, size)  # nothing else is left to ask: go on, however small the share
    left = min(size - evaluation, pool)
    control = min(rounded(shares.control * size, rng), left)
    calibration = min(rounded(shares.calibration * size, rng), left - control)
    return Counts(evaluation, control, calibration, left - control - calibration)


def rounded(expected: float, rng: np.random.Generator) -> int:
    """`expected` on average: up with the probability of its fraction."""
    whole = int(expected)
    fraction = expected - whole
    return whole + int(rng.random() < fraction if fraction > 1e-9 else False)
