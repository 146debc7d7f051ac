"""The order in which people are asked: hard images by the strategy's score, the random kinds at their drawn places.

In: open reviews with query number, drawn place and score. Out: their ids in order, or places in [0, 1) of which
Label Studio serves the lowest first. The place of a random kind never depends on a score, nor on answers:
else the part of a random share that is answered first would be biased.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labeling.types import ReviewId, ReviewKind

__all__ = ["InQueue", "order", "scores"]

_BY_SCORE = frozenset({ReviewKind.HARD, ReviewKind.RELABEL})


@dataclass(frozen=True, slots=True)
class InQueue:
    """An open review: `place` in [0, 1) was drawn once, `score` is current (higher is asked sooner).

    A strategy without a score over probabilities leaves all scores equal: the order of picking stays.
    `first`: it belongs to the onboarding set, which every annotator gets first. `fixed`: it keeps its place as the
    random kinds do, whatever its score, for it was picked as representative, or re-reviews a label.
    """

    review_id: ReviewId
    kind: ReviewKind
    query_number: int
    place: float
    score: float
    first: bool = False
    fixed: bool = False


def order(reviews: Sequence[InQueue]) -> list[ReviewId]:
    """Review ids, first to be asked first.

    A re-review stands at its query number + place too, but among the newest of the other queries where it is newer: it
    must neither come last nor push the others forward.

    A random kind stands at query number + place, and so does a representative image; hard reviews of all queries are
    ranked by score, equal ones in the order in which they were picked, and spread evenly over [newest query, newest
    query + 1), so leftovers of older queries' random kinds come first. The onboarding set stands before everything, in
    the order in which it was asked.
    """
    newest = max((review.query_number for review in reviews if not _is_re_review(review)), default=0)
    hard = sorted((r for r in reviews if r.kind in _BY_SCORE and not r.fixed), key=_hardest_first)
    keys = {r.review_id: newest + (rank + 0.5) / len(hard) for rank, r in enumerate(hard)}
    at_places = [r for r in reviews if r.kind not in _BY_SCORE or r.fixed]
    keys |= {r.review_id: _query(r, newest) + r.place for r in at_places}
    keys |= dict.fromkeys((r.review_id for r in reviews if r.first), 0.0)  # queries count from 1
    return sorted(keys, key=lambda review_id: (keys[review_id], review_id))


def scores(ordered: Sequence[ReviewId]) -> dict[ReviewId, float]:
    """Rank divided by number: distinct, rising, in [0, 1).

    >>> scores([ReviewId(9), ReviewId(4)])
    {9: 0.0, 4: 0.5}
    """
    return {review_id: rank / len(ordered) for rank, review_id in enumerate(ordered)}


def _is_re_review(review: InQueue) -> bool:
    return review.kind is ReviewKind.RELABEL and review.fixed


def _query(review: InQueue, newest: int) -> int:
    return min(review.query_number, newest) if _is_re_review(review) else review.query_number


def _hardest_first(review: InQueue) -> tuple[float, int, float, ReviewId]:
    return -review.score, review.query_number, review.place, review.review_id
