"""People's answers as they are judged: each with what is known of its image without that person.

In: answers. Out: for each a reference, from gold, from a lead's decision, or from what the others say; never from the
person who is judged.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime

__all__ = ["Answer", "Reference", "Votes", "collect_votes", "reference_of"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One person's answer. `known` is what gold, or else a lead, says of the image; None where neither does.

    `shown` is the pre-label that stood selected; None on a blind task. `gold`: the image was shown to measure people.
    """

    annotator: int
    image: int
    said: str
    at: datetime
    shown: str | None = None
    lead_time_s: float | None = None
    known: str | None = None
    gold: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """What an answer is compared with, and by how many people it is held; 0 people: it is known. `at`: since when."""

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
    """What is known of the image, else what most of the others say; None where nobody does or they are split.

    Parameters
    ----------
    answer : Answer
        The answer that is judged; its annotator has no voice in it.
    votes : Votes
        From `collect_votes`.
    without : set of int
        Annotators who have no voice either.

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
