"""What a blind re-review of a label came to, from what other people answered and what a lead decided.

In: the label as it was, and the blind answers of people who had not given it. Out: an outcome. Invariant: one answer
that differs decides nothing, so no single re-reviewer makes a label wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

__all__ = ["ANSWERS", "Outcome", "outcome_of"]

ANSWERS = 3
"""So many people are asked in one re-review at most; then a lead decides."""


class Outcome(StrEnum):
    """What the re-review of a label came to."""

    UPHELD = "upheld"
    """The blind answer is the label, or differs and a third answer or a lead upholds the label."""
    WRONG = "wrong"
    """The blind answer differs, and a third answer or a lead does not uphold the label."""
    OPEN = "open"
    """The blind answer differs and no third answer is there yet, or it decides nothing: it counts half."""


def outcome_of(label: str, answers: Iterable[str], decided: str | None = None) -> Outcome:
    """What the re-review of `label` came to.

    Parameters
    ----------
    label : str
        The label as it was when it was chosen for a re-review.
    answers : iterable of str
        The labels that other people gave blind, one a person, in any order; "unsure" and skips are none.
    decided : str or None
        The label that a lead has decided since; None: there is no decision, or one that gives no label.

    Examples
    --------
    >>> [outcome_of("cat", said).value for said in (["dog"], ["dog", "cat"], ["dog", "fox"])]
    ['open', 'upheld', 'wrong']
    >>> outcome_of("cat", ["dog"], decided="cat").value
    'upheld'
    """
    if decided is not None:
        return Outcome.UPHELD if decided == label else Outcome.WRONG
    said = list(answers)
    if label in said:
        return Outcome.UPHELD
    return Outcome.WRONG if len(said) > 1 else Outcome.OPEN
