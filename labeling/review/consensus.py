"""From annotators' answers to one value: the answer of one person, or the majority of several.

In: votes about one review. Out: the class (or "none of these"), or None where there is no label; and the share of each
answer, doubt among them. The result depends on the votes alone, not on the order in which they came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from labeling.answers import Answer, AnswerSet

__all__ = ["Vote", "cast", "consensus", "shares"]


@dataclass(frozen=True, slots=True)
class Vote:
    """One current annotation that answers a review, or skips it: then its answer is empty."""

    annotator: int
    answer: Answer
    updated_at: datetime


def consensus(votes: Iterable[Vote], answers: AnswerSet) -> str | None:
    """The answer of more than half of the annotators who gave a label; one vote a person, the newest.

    "Unsure" and a skip are no votes, nor is an answer outside the label set, or of several classes.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 11, 21, tzinfo=UTC)
    >>> cat, dog = Answer(("cat",)), Answer(("dog",))
    >>> consensus([Vote(1, cat, noon), Vote(2, cat, noon), Vote(3, dog, noon)], AnswerSet(("cat", "dog")))
    'cat'
    """
    counts = Counter(cast(votes, answers).values())
    if not counts:
        return None
    answer, most = counts.most_common(1)[0]
    return answer if 2 * most > counts.total() else None


def shares(votes: Iterable[Vote], answers: AnswerSet) -> dict[str, float]:
    """The share of each answer among all who answered, "unsure" for those who could not tell (skips); the sum is 1.

    Empty where nobody answered. Who answers what is no label of the set, or several classes, could not tell either.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 11, 21, tzinfo=UTC)
    >>> cat, dog = Answer(("cat",)), Answer(("dog",))
    >>> shares([Vote(1, cat, noon), Vote(2, dog, noon)], AnswerSet(("cat", "dog")))
    {'cat': 0.5, 'dog': 0.5}
    >>> shares([Vote(1, cat, noon), Vote(2, Answer(("unsure",)), noon)], AnswerSet(("cat", "dog")))
    {'cat': 0.5, 'unsure': 0.5}
    """
    said = (answer.single for answer in _newest(votes).values())
    counts = Counter(label if label is not None and answers.is_label(label) else answers.unsure for label in said)
    return {answer: count / counts.total() for answer, count in sorted(counts.items())}


def cast(votes: Iterable[Vote], answers: AnswerSet) -> dict[int, str]:
    """Annotator -> their newest answer, where it is a vote."""
    labels = ((who, answer.single) for who, answer in _newest(votes).items())
    return {who: label for who, label in labels if label is not None and answers.is_label(label)}


def _newest(votes: Iterable[Vote]) -> dict[int, Answer]:
    """Annotator -> their newest answer."""
    newest: dict[int, Vote] = {}
    for vote in votes:
        held = newest.get(vote.annotator)
        if held is None or (held.updated_at, held.answer) < (vote.updated_at, vote.answer):
            newest[vote.annotator] = vote
    return {who: vote.answer for who, vote in newest.items()}
