"""The reference that a person's answer is compared with: what is known of its image without that person.

In: answers. Out: for each a reference, from gold, from a lead's decision, or from the others' answers; never from the
person's own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime

__all__ = ["Answer", "Reference", "Votes", "collect_votes", "reference_of"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One person's answer. `known` is the label by gold, else by a lead's decision; None where there is neither.

    `shown` is the pre-selected pre-label; None on a blind task. `gold`: the image was shown to measure people.
    `predicted` is the class that was held likeliest before anybody answered; None where that is not known.
    """

    annotator: int
    image: int
    said: str
    at: datetime
    shown: str | None = None
    lead_time_s: float | None = None
    known: str | None = None
    gold: bool = False
    predicted: str | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """What an answer is compared with, and how many people gave it; 0 people: it is known. `at`: since when."""

    value: str
    people: int
    unanimous: bool
    at: datetime


Votes = Mapping[int, Mapping[int, Answer]]
"""Image -> annotator -> that person's newest answer."""


def collect_votes(answers: Iterable[Answer]) -> Votes:
    """The newest answer of each person about each image."""
    votes: dict[int, dict[int, Answer]] = defaultdict(dict)
    for answer in sorted(answers, key=lambda answer: answer.at):
        votes[answer.image][answer.annotator] = answer
    return votes


def reference_of(answer: Answer, votes: Votes, without: Set[int] = frozenset()) -> Reference | None:
    """The known label of the image, else the majority of the others' answers; None where there is neither.

    Parameters
    ----------
    answer : Answer
        The answer to compare; its own annotator does not count.
    votes : Votes
        From `collect_votes`.
    without : set of int
        Annotators who do not count either.

    Examples
    --------
    >>> from datetime import UTC
    >>> noon = datetime(2026, 11, 21, tzinfo=UTC)
    >>> mine, theirs = Answer(1, 7, "cat", noon), Answer(2, 7, "dog", noon)
    >>> reference_of(mine, collect_votes([mine, theirs])).value
    'dog'
    """
    if answer.known is not None:
        return Reference(answer.known, 0, True, answer.at)
    others = [
        vote for who, vote in votes.get(answer.image, {}).items() if who != answer.annotator and who not in without
    ]
    if not others:
        return None
    value, most = Counter(vote.said for vote in others).most_common(1)[0]
    if 2 * most <= len(others):
        return None
    return Reference(value, len(others), most == len(others), max(answer.at, *(vote.at for vote in others)))
