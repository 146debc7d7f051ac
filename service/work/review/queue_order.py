"""The order of the open reviews: hard ones by the score that the project's own strategy gives them now.

In: open reviews and what is predicted of their images. Out: their ids, first to be asked first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from db.repositories.reviews.reviews import Review
from labeling.project import Project
from labeling.review.queue import InQueue, order
from labeling.select.strategies.strategy import Predicted, checked_scores
from labeling.types import ImageId, ReviewId, ReviewKind
from service.work.pool.predictions import ImagePrediction
from service.work.pool.strategies import strategy_of


def in_order(
    project: Project,
    open_now: Sequence[Review],
    predicted: Mapping[ImageId, ImagePrediction],
    first: Collection[ReviewId],
) -> list[ReviewId]:
    """Review ids in order; `first` is the onboarding set.

    Where the strategy has no score over probabilities, hard reviews stay as they were picked.

    Raises
    ------
    Invalid
        When the strategy is a plug-in that does not load, or that gives something else than scores.
    """
    if not open_now:
        return []
    known = [predicted.get(review.image_id) for review in open_now]
    conflicts = np.array([0.0 if one is None else one.conflict for one in known])
    predicted_now = Predicted(_probs(known, len(project.config.classes)), conflicts)
    found = strategy_of(project).score(predicted_now)
    scores = np.zeros(len(open_now)) if found is None else found
    checked = checked_scores(scores, len(open_now), project.config.policy.strategy)
    return order(
        [
            InQueue(r.id, r.kind, r.query_number, r.place, score, r.id in first, r.representative or _is_re_review(r))
            for r, score in zip(open_now, checked.tolist(), strict=True)
        ]
    )


def _is_re_review(review: Review) -> bool:
    """Whether it re-reviews a label: of the reviews that ask about labels again only those are blind."""
    return review.kind is ReviewKind.RELABEL and review.blind


def _probs(known: Sequence[ImagePrediction | None], n_classes: int) -> npt.NDArray[np.float32]:
    """What is predicted of each review's image now, (N, K); NaN where nothing is."""
    probs = np.full((len(known), n_classes), np.nan, np.float32)
    for row, found in enumerate(known):
        if found is not None and len(found.ranking) == n_classes:
            probs[row] = found.ranking
    return probs
