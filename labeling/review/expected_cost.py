"""The expected cost of a wrong label: its probability, times the weight of its use, times the number of images.

In: a probability, the kind of the review, the size of the near-duplicate group. Out: a number; higher costs more.
"""

from __future__ import annotations

from labeling.types import ReviewKind

__all__ = ["expected_damage"]

_WEIGHTS = {
    ReviewKind.HARD: 1.0,
    ReviewKind.RELABEL: 1.0,
    ReviewKind.GOLD: 1.0,
    ReviewKind.RANDOM: 5.0,
    ReviewKind.AUDIT: 5.0,
}
"""A training label is one of many. On the few labels of the random stream rests every figure and every verdict."""


def expected_damage(wrong: float, kind: ReviewKind | None, group_size: int) -> float:
    """How much is lost, on average, while a label stays as it is.

    Parameters
    ----------
    wrong : float
        How likely the likeliest answer is wrong, in [0, 1].
    kind : ReviewKind or None
        What the label is used for; None for a label that no review made, which trains.
    group_size : int
        How many near-duplicates there are, the image itself included (>= 1).

    Examples
    --------
    >>> expected_damage(0.5, ReviewKind.RANDOM, 2)
    5.0
    """
    return wrong * _WEIGHTS[kind or ReviewKind.HARD] * group_size
