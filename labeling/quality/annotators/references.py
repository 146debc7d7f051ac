"""The reference that a person's answer is compared with: what is known of its image without that person.

In: answers. Out: for each a reference, from gold, from a lead's decision, or from the others' answers; never from the
person's own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime

__all__ = ["Answer", "Reference", "Votes", "collect_votes", "compared", "reference_of"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One person's answer. `known` is the label by gold, `decided` a lead's decision; None where there is none.

    `doubted`: this answer may be why others were asked, or a lead; of such images more are wrong than of others.
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
    decided: str | None = None
    doubted: bool = False


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
    """The known label of the image, else a lead's decision, else the majority of the others; None where there is none.

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
    sure = answer.decided if answer.known is None else answer.known
    if sure is not None:
        return Reference(sure, 0, True, answer.at)
    others = [
        vote for who, vote in votes.get(answer.image, {}).items() if who != answer.annotator and who not in without
    ]
    if not others:
        return None
    value, most = Counter(vote.said for vote in others).most_common(1)[0]
    if 2 * most <= len(others):
        return None
    return Reference(value, len(others), most == len(others), max(answer.at, *(vote.at for vote in others)))


def compared(answer: Answer, votes: Votes, without: Set[int] = frozenset()) -> tuple[datetime, bool] | None:
    """Since when others tell whether an answer is right, and whether it is wrong.

    It is wrong by a lead, else where two others at least all say the same and something else; right where one other
    repeats it. None where nobody else answered, or where others say different things. A label that a lead corrected and
    nobody else answered was chosen for being wrong, and says nothing of how often somebody errs.

    Examples
    --------
    >>> from datetime import UTC
    >>> noon = datetime(2026, 11, 21, tzinfo=UTC)
    >>> mine, theirs = Answer(1, 7, "cat", noon), [Answer(2, 7, "dog", noon), Answer(3, 7, "dog", noon)]
    >>> votes = collect_votes([mine, *theirs])
    >>> compared(mine, votes)[1], compared(theirs[0], votes)[1], compared(mine, votes, without={3})
    (True, False, None)
    """
    others = [vote for who, vote in votes[answer.image].items() if who != answer.annotator and who not in without]
    if not others:
        return None
    at, said = max(answer.at, *(vote.at for vote in others)), {vote.said for vote in others}
    if answer.decided is not None:
        return at, answer.said != answer.decided
    if answer.said in said:
        return at, False
    return (at, True) if len(others) > 1 and len(said) == 1 else None
