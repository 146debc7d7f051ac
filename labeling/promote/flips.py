"""The images of which two versions say different classes: all counted by class, the surest ones kept.

In: what both say, some thousand images at a time. Out: counts (K, K), and the images on which both are surest.
Memory is bounded by a block and by how many are kept, not by the number of images.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

__all__ = ["Answers", "Flips", "find_flips"]


@dataclass(frozen=True, slots=True)
class Answers:
    """What both versions say of N images: `ids`, the positions of their classes, and how sure they are, (N,) each.

    `*_score` is the probability before calibration, by which images are ordered; `*_shown` the one that is shown.
    `listed`: whether an image may be among those that are kept.
    """

    ids: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    first_score: NDArray[np.float64]
    second_score: NDArray[np.float64]
    first_shown: NDArray[np.float64]
    second_shown: NDArray[np.float64]
    listed: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def certainty(self) -> NDArray[np.float64]:
        """How sure the less sure of the two is: (N,) in [0, 1], higher is surer."""
        return np.minimum(self.first_score, self.second_score)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Answers:
        """The same of some of the images."""
        return Answers(*(getattr(self, one.name)[rows] for one in fields(self)))


@dataclass(frozen=True, slots=True)
class Flips:
    """`images` were compared; `counts[i, j]` of them change from class i of the second version to class j of the first.

    The diagonal is zero. `kept` are those that both are surest of, the surest first; ties in the order of their ids.
    `unlisted`: how many of those that change may not be kept.
    """

    images: int
    counts: NDArray[np.int64]
    kept: Answers
    unlisted: int


def find_flips(blocks: Iterable[Answers], n_classes: int, most: int) -> Flips:
    """Count the images on which two versions differ, and keep the `most` on which both are surest.

    Examples
    --------
    >>> sure = np.array([0.9, 0.8, 0.6])
    >>> said = Answers(np.arange(3), np.array([0, 1, 1]), np.array([0, 0, 0]), *[sure] * 4, np.ones(3, bool))
    >>> found = find_flips([said], 2, 1)
    >>> found.images, found.counts.tolist(), found.kept.ids.tolist()
    (3, [[0, 2], [0, 0]], [1])
    """
    images, unlisted, counts = 0, 0, np.zeros((n_classes, n_classes), np.int64)
    kept = _nothing()
    for block in blocks:
        images += len(block)
        differ = block.take(block.first != block.second)
        np.add.at(counts, (differ.second, differ.first), 1)
        unlisted += int((~differ.listed).sum())
        kept = _surest(kept, differ.take(differ.listed), most)
    return Flips(images, counts, kept, unlisted)


def _surest(some: Answers, more: Answers, most: int) -> Answers:
    both = Answers(*(np.concatenate([getattr(some, one.name), getattr(more, one.name)]) for one in fields(Answers)))
    return both.take(np.lexsort((both.ids, -both.certainty))[:most])


def _nothing() -> Answers:
    ids, sure = np.empty(0, np.int64), np.empty(0, np.float64)
    return Answers(ids, ids, ids, sure, sure, sure, sure, np.empty(0, bool))
