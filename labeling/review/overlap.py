"""Which reviews get a second person: those where another answer is expected to correct most wrong labels.

In: one person's answer to each image, the prediction for it, and how often that person errs. Out: the reviews that
need another person. An image of the random stream gets none by doubt: if it were corrected only where a classifier
contradicts it, that classifier would seem better than it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from labeling.types import ReviewId, ReviewKind

__all__ = [
    "BY_DOUBT",
    "Answered",
    "choose",
    "error_rates",
    "gain",
    "prior_of",
    "second_answers",
    "second_answers_by_worth",
    "wrong",
]

BY_DOUBT = (ReviewKind.HARD, ReviewKind.RELABEL)
"""Of these kinds the most doubtful are chosen."""
_ALWAYS = frozenset({ReviewKind.AUDIT})
_ERRORS, _ANSWERS = 1.0, 10.0
"""Assumed of an annotator without any comparison: one error in ten answers."""
TRUSTED = 0.9
"""The weight of a prediction; the rest is spread evenly over the classes, as it may be confident and wrong."""
ACCEPTED_ERROR = 0.3
"""How often somebody who accepted a pre-label is assumed to err, before it is measured how it pulls them."""

RARE, SURE = 0.2, 0.9
"""Second answers find little where, so sure, fewer than this differ: from eleven in a row that differ in none."""
FLOOR = 0.2
"""This part of the share is asked even then: somebody may begin to err."""
STARTING_SHARE, TELLING = 0.1, 15
"""Where the number follows from its worth: this share at least, and this alone until so many second answers came."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One image with one person's answer: `said` is a position among the C answers that can be given.

    `predicted` (C,) is the prediction before the answer; empty: there was none. `accepted`: the answer is the
    pre-selected one.
    """

    review_id: ReviewId
    kind: ReviewKind
    annotator: int
    said: int
    accepted: bool
    predicted: tuple[float, ...]


def error_rates(said: Iterable[Mapping[int, str]]) -> dict[int, float]:
    """How often each annotator errs, in (0, 1), from images that several answered: {annotator: answer} each.

    Of two who differ one errs, and either as likely; few comparisons count little against one error in ten answers.

    Examples
    --------
    >>> error_rates([{1: "cat", 2: "cat"}, {1: "cat", 2: "dog"}])
    {1: 0.125, 2: 0.125}
    """
    errors: dict[int, float] = defaultdict(lambda: _ERRORS)
    compared: dict[int, float] = defaultdict(lambda: _ANSWERS)
    for answers in said:
        for one, other in combinations(sorted(answers), 2):
            for who in (one, other):
                compared[who] += 1
                errors[who] += 0.5 * (answers[one] != answers[other])
    return {who: errors[who] / count for who, count in sorted(compared.items())}


def wrong(answered: Answered, error: float, answers: int, pull: float | None = None) -> float:
    """The probability that the answer is wrong, in [0, 1], by Bayes: higher where the prediction contradicts it.

    Parameters
    ----------
    answered : Answered
        The answer and the prediction.
    error : float
        How often this annotator errs; all wrong answers are as likely.
    answers : int
        How many answers can be given (C >= 2).
    pull : float or None
        The share of this annotator's answers that a shown pre-label turns to it (`quality.annotators.anchoring`): so
        often an accepted one says nothing. None: it is not yet known.

    Examples
    --------
    >>> one = Answered(ReviewId(1), ReviewKind.HARD, 1, said=0, accepted=False, predicted=(0.05, 0.95))
    >>> round(wrong(one, 0.1, 2), 2)
    0.51
    """
    prior = prior_of(answered.predicted, answers)
    rate = max(error, ACCEPTED_ERROR) if answered.accepted and pull is None else error
    likelihood = np.full(answers, rate / (answers - 1))
    likelihood[answered.said] = 1 - rate
    if answered.accepted and pull is not None:
        likelihood[:] = pull + (1 - pull) * likelihood
    posterior = prior * likelihood
    return float(1 - posterior[answered.said] / posterior.sum())


def prior_of(predicted: Sequence[float], answers: int) -> NDArray[np.float64]:
    """What is held of an image before anybody answered, (C,): a prediction is trusted in part, the rest is even.

    Parameters
    ----------
    predicted : (C,) sequence
        The prediction; empty: there is none.
    answers : int
        How many answers can be given (C >= 2).

    Examples
    --------
    >>> prior_of((0.0, 1.0), 2).round(2).tolist()
    [0.05, 0.95]
    """
    even = np.full(answers, 1 / answers)
    return TRUSTED * np.array(predicted) + (1 - TRUSTED) * even if len(predicted) else even


def odds(predicted: Sequence[float], said: Sequence[tuple[int, float]], answers: int) -> NDArray[np.float64]:
    """How likely each answer is the true one after several people's, (C,) by Bayes; they err independently.

    Parameters
    ----------
    predicted : (C,) sequence
        The prediction before; empty: there was none.
    said : sequence of (int, float)
        What each person said, as a position, and how often they err.
    answers : int
        How many answers can be given (C >= 2).

    Examples
    --------
    >>> odds((), [(0, 0.1), (1, 0.1)], 3).round(3).tolist()
    [0.486, 0.486, 0.027]
    """
    found = prior_of(predicted, answers)
    for at, error in said:
        likelihood = np.full(answers, error / (answers - 1))
        likelihood[at] = 1 - error
        found = found * likelihood
    return np.asarray(found / found.sum(), np.float64)


def gain(wrong: float, error: float, answers: int) -> float:
    """How much another answer lowers the probability of a wrong label, on average.

    A second answer that differs shows the error (a third person or a lead decides); one that repeats it, with
    probability error / (C - 1), does not.

    Examples
    --------
    >>> round(gain(0.5, 0.1, 3), 3)
    0.475
    """
    return wrong * (1 - error / (answers - 1))


def second_answers(share: float, *, answered: int, several: int, since: int, repeated: int) -> int:
    """How many more of the doubtful may be asked twice now: the share, and a fifth of it while none finds an error.

    When one differs again all that the share allows is asked at once, so what was given meanwhile is compared too.

    Parameters
    ----------
    share : float
        Of the images, in [0, 1]: so many are asked twice in all.
    answered, several : int
        The images that somebody answered, and of how many of them several people are wanted.
    since : int
        Those that somebody answered after several people were wanted for an image last.
    repeated : int
        So many second answers in a row, the newest, repeated the first.

    Examples
    --------
    >>> second_answers(0.1, answered=200, several=12, since=60, repeated=3)
    8
    >>> second_answers(0.1, answered=200, several=12, since=60, repeated=12)
    1
    """
    within = max(0, int(share * answered) - several)
    most_that_differ = 1 - (1 - SURE) ** (1 / max(repeated, 1))  # exact upper bound when none of them did
    return within if most_that_differ >= RARE else min(within, int(FLOOR * share * since))


def second_answers_by_worth(
    worth: int, *, answered: int, several: int, compared: int, since: int, repeated: int
) -> int:
    """How many more of the doubtful may be asked twice now, where the policy leaves it to what that is worth.

    As many as are worth it once 15 second answers tell how often people err, and never fewer than a fixed share of a
    tenth would have: that finds who begins to err.

    Parameters
    ----------
    worth : int
        For how many images a second answer is worth more than a new image (`next_action.seconds_worth_asking`).
    answered, several, since, repeated : int
        As in `second_answers`.
    compared : int
        How many second answers there are.

    Examples
    --------
    >>> second_answers_by_worth(40, answered=200, several=12, compared=10, since=60, repeated=0)
    8
    >>> second_answers_by_worth(40, answered=200, several=30, compared=25, since=60, repeated=0)
    40
    >>> second_answers_by_worth(0, answered=400, several=30, compared=25, since=60, repeated=12)
    1
    """
    least = second_answers(STARTING_SHARE, answered=answered, several=several, since=since, repeated=repeated)
    return least if compared < TELLING else max(least, worth)


def choose(
    answered: Sequence[Answered],
    rates: Mapping[int, float],
    *,
    answers: int,
    budget: int,
    pulls: Mapping[int, float] | None = None,
    certifying: Collection[ReviewId] = (),
) -> list[ReviewId]:
    """The reviews that need another person: those of the audit, all certifying ones, then the most doubtful.

    Parameters
    ----------
    answered : sequence of Answered
        Reviews with one answer that nobody else is asked about yet.
    rates : mapping
        Errors per annotator; one error in ten answers for those who are not in it.
    answers : int
        How many answers can be given.
    budget : int
        How many of the kinds that are chosen by doubt may be asked twice now.
    pulls : mapping, optional
        How far a shown pre-label pulls each annotator of whom that is known, in [0, 1].
    certifying : collection
        Reviews of the random stream that a certificate rests on, where its terms want two people: all of them, so none
        is corrected because a classifier contradicts it.
    """
    known = pulls or {}
    always = [one.review_id for one in answered if one.kind in _ALWAYS or one.review_id in certifying]
    usual = _ERRORS / _ANSWERS
    worth = {
        one.review_id: gain(
            wrong(one, rates.get(one.annotator, usual), answers, known.get(one.annotator)), usual, answers
        )
        for one in answered
        if one.kind in BY_DOUBT
    }
    doubtful = sorted(worth, key=lambda review: (-worth[review], review))[: max(budget, 0)]
    return [*always, *doubtful]
