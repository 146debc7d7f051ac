"""How much each block of the features counts: less for one that says little of the labels, such as texts that are the
same whatever is in the picture.

In: features (N, F), which of their columns belong together, and labels (N,). Out: what each block is multiplied by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from labeling.learn.leave_one_out import Numbers, elsewhere, others_by_products
from labeling.one_thread import one_thread
from labeling.vectors import softmax

__all__ = ["LEAST_LABELS", "Scales", "best_scales"]

LEAST_LABELS = 10
"""With fewer all blocks count alike."""
COMPARED = 200
"""So many labels are enough to choose by."""
PENALTIES, SCORE_SCALES = (0.1, 0.3, 1.0), (3.0, 6.0, 12.0, 24.0)
DOUBT = 0.02
"""With this chance a label may be any class, so that one wrong label decides nothing."""
NOISE = 1.0
"""By so many standard errors of the difference others must be likelier than those that come first."""
Scales = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Choice:
    products: Sequence[Numbers]
    codes: NDArray[np.int64]
    groups: NDArray[np.int64]
    tried: dict[Scales, Numbers] = field(default_factory=dict)

    def best(self, candidates: Sequence[Scales]) -> Scales:
        """The likeliest of some scales; the first unless another is likelier by more than the noise."""
        first, *others = [self.likelihoods(one) for one in candidates]
        best, at = max(((float(one.sum()), at) for at, one in enumerate(others, 1)), default=(-np.inf, 0))
        gains = (others[at - 1] if at else first) - first
        return candidates[at] if best - first.sum() > NOISE * gains.std() * len(gains) ** 0.5 else candidates[0]

    def likelihoods(self, scales: Scales) -> Numbers:
        """Of each label (N,), by the other groups, at the penalty and the scale of scores that suit these best."""
        if scales not in self.tried:
            self.tried[scales] = max(self._likelihoods(scales), key=lambda found: float(found.sum()))
        return self.tried[scales]

    def _likelihoods(self, scales: Scales) -> Iterator[Numbers]:
        hot = np.eye(int(self.codes.max()) + 1, dtype=np.float32)[self.codes]
        together = sum(scale**2 * part for scale, part in zip(scales, self.products, strict=True))
        others = others_by_products(np.asarray(together), self.groups)
        for penalty in PENALTIES:
            scores = others.scores(hot, penalty)
            for scale in SCORE_SCALES:
                own = softmax(scores * scale)[np.arange(len(hot)), self.codes]
                yield np.log((1 - DOUBT) * own + DOUBT / hot.shape[1])


def best_scales(
    features: NDArray[np.float32],
    blocks: Mapping[str, slice],
    alternatives: Sequence[Sequence[Mapping[str, float]]],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64] | None = None,
) -> dict[str, float]:
    """What each block is multiplied by, by how likely the labels are to a regression on the other groups' labels.

    Parameters
    ----------
    features : (N, F) float32
        Finite.
    blocks : mapping of slices
        The columns of each block, by its name.
    alternatives : sequence of sequences
        One choice after the other; each gives scales of some blocks, and goes on from what was chosen before.
    labels, groups : (N,) int
        Any numbers that name classes; near-duplicates share a group, and without groups no two do.

    Returns
    -------
    All 1 with fewer than 10 labels of classes that have another one, or 2 classes, and where nothing else is likelier
    by a standard error.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(60) % 3
    >>> said = np.eye(3)[labels] + rng.normal(0, 0.3, (60, 3))
    >>> features = np.hstack([said, rng.normal(0, 1, (60, 40))]).astype(np.float32)
    >>> best_scales(features, {"a": slice(0, 3), "b": slice(3, 43)}, [[{"b": 0.25}, {"b": 0.0}, {"a": 0.0}]], labels)
    {'a': 1.0, 'b': 0.0}
    """
    names = list(blocks)
    chosen: Scales = (1.0,) * len(names)
    groups = np.arange(len(labels)) if groups is None else groups
    judged = np.flatnonzero(elsewhere(labels, groups))
    if len(judged) < LEAST_LABELS or len(np.unique(labels[judged])) < 2:
        return dict(zip(names, chosen, strict=True))
    some = judged[np.unique(np.linspace(0, len(judged) - 1, min(len(judged), COMPARED)).astype(np.int64))]
    codes = np.unique(labels[some], return_inverse=True)[1]
    with one_thread():
        parts = [features[some, columns] for columns in blocks.values()]
        choice = _Choice([part @ part.T for part in parts], codes, groups[some])
        for others in alternatives:
            now = dict(zip(names, chosen, strict=True))
            others = [
                other for other in others if all(np.ptp(features[some, blocks[name]], axis=0).any() for name in other)
            ]
            chosen = choice.best([chosen, *(tuple({**now, **other}[name] for name in names) for other in others)])
    return dict(zip(names, chosen, strict=True))
