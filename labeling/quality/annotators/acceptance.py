"""How often people keep what they were shown, per class: shown and kept in, shares with intervals out.

Only reviews that showed a pre-label count; a blind one says nothing about acceptance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labeling.estimates import Estimate
from labeling.quality.metrics import share

__all__ = ["Acceptance", "acceptance"]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Of the answers that were shown this class, how many kept it."""

    label: str
    shown: int
    kept: int
    share: Estimate


def acceptance(shown: Iterable[tuple[str, int, int]], classes: Sequence[str]) -> list[Acceptance]:
    """Shares of kept pre-labels with exact intervals, in the order of the label set.

    Parameters
    ----------
    shown : iterable of (label, shown, kept)
        Counts; labels outside the label set are left out.
    classes : sequence of str
        The label set; a class never shown has 0 of 0.

    Examples
    --------
    >>> acceptance([("cat", 4, 3)], ["cat", "dog"])[0].share.value
    0.75
    """
    counts = {label: (number, kept) for label, number, kept in shown}
    rows = ((name, *counts.get(name, (0, 0))) for name in classes)
    return [Acceptance(name, number, kept, share(kept, number)) for name, number, kept in rows]
