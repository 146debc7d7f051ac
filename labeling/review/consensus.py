"""From annotators' answers to one value: what one person says, or what most of several say.

In: votes about one review. Out: the class (or "none of these"), or None where there is no label to be had. The
result depends on the votes alone, not on the order in which they came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from labeling.types import NONE_OF_THESE, UNSURE

__all__ = ["Vote", "consensus"]


@dataclass(frozen=True, slots=True)
class Vote:
    """One current annotation that answers a review."""

    annotator: int
    answers: tuple[str, ...]
    updated_at: datetime


def consensus(votes: Iterable[Vote], classes: Sequence[str]) -> str | None:
    """The answer of more than half of the annotators who could tell; one vote a person, the newest.

    "Unsure" is no vote, nor is an answer outside the label set, or of several classes.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 11, 21, tzinfo=UTC)
    >>> consensus([Vote(1, ("cat",), noon), Vote(2, ("cat",), noon), Vote(3, ("dog",), noon)], ["cat", "dog"])
    'cat'
    """
    newest: dict[int, Vote] = {}
    for vote in votes:
        held = newest.get(vote.annotator)
        if held is None or (held.updated_at, held.answers) < (vote.updated_at, vote.answers):
            newest[vote.annotator] = vote
    allowed = {*classes, NONE_OF_THESE} - {UNSURE}
    counts = Counter(v.answers[0] for v in newest.values() if len(v.answers) == 1 and v.answers[0] in allowed)
    if not counts:
        return None
    answer, most = counts.most_common(1)[0]
    return answer if 2 * most > counts.total() else None
