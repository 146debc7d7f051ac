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

__all__ = ["Vote", "cast", "consensus", "shares", "voters"]


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
    counts = Counter(cast(votes, classes).values())
    if not counts:
        return None
    answer, most = counts.most_common(1)[0]
    return answer if 2 * most > counts.total() else None


def voters(votes: Iterable[Vote], classes: Sequence[str]) -> int:
    """How many people have a vote among these: those who could tell."""
    return len(cast(votes, classes))


def shares(votes: Iterable[Vote], classes: Sequence[str]) -> dict[str, float]:
    """Which share of the people who could tell says what; empty where nobody could.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 11, 21, tzinfo=UTC)
    >>> shares([Vote(1, ("cat",), noon), Vote(2, ("dog",), noon)], ["cat", "dog"])
    {'cat': 0.5, 'dog': 0.5}
    """
    counts = Counter(cast(votes, classes).values())
    return {answer: count / counts.total() for answer, count in sorted(counts.items())}


def cast(votes: Iterable[Vote], classes: Sequence[str]) -> dict[int, str]:
    """Annotator -> their newest answer, where it is a vote."""
    newest: dict[int, Vote] = {}
    for vote in votes:
        held = newest.get(vote.annotator)
        if held is None or (held.updated_at, held.answers) < (vote.updated_at, vote.answers):
            newest[vote.annotator] = vote
    allowed = {*classes, NONE_OF_THESE} - {UNSURE}
    return {
        who: vote.answers[0] for who, vote in newest.items() if len(vote.answers) == 1 and vote.answers[0] in allowed
    }
