"""The order of the open reviews: hard ones by the score that the project's own strategy gives them now.

In: open reviews and what is predicted of their images. Out: their ids, first to be asked first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from db.repositories.reviews.reviews import Review, Suggested
from labeling.project import Project
from labeling.review.queue import InQueue, order
from labeling.types import ImageId, ReviewId
from service.work.pool.strategies import doubts_of

__all__ = ["in_order"]


def in_order(
    project: Project, open_now: Sequence[Review], predicted: Mapping[ImageId, Suggested], first: Collection[ReviewId]
) -> list[ReviewId]:
    """Review ids in order; `first` is the onboarding set.

    Where the strategy has no score over probabilities, hard reviews stay as they were picked.

    Raises
    ------
    Invalid
        When the strategy is a plug-in that does not load, or that gives something else than scores.
    """
    doubts = doubts_of(project.config.policy.strategy, _probs(open_now, predicted, len(project.config.classes)))
    scores = [0.0] * len(open_now) if doubts is None else doubts.tolist()
    return order(
        [
            InQueue(r.id, r.kind, r.query_number, r.place, score, r.id in first)
            for r, score in zip(open_now, scores, strict=True)
        ]
    )


def _probs(
    open_now: Sequence[Review], predicted: Mapping[ImageId, Suggested], n_classes: int
) -> npt.NDArray[np.float32]:
    """What is predicted of each review's image now, (N, K); NaN where nothing is."""
    probs = np.full((len(open_now), n_classes), np.nan, np.float32)
    for row, review in enumerate(open_now):
        found = predicted.get(review.image_id)
        if found is not None and len(found.probs) == n_classes:
            # a champion's evidence is rounded to six digits: in 16 bits it is again what the query was drawn by
            probs[row] = found.probs if found.revision else np.asarray(found.probs, np.float16)
    return probs
