"""The next best action: what could be done about each image, ranked by how many wrong labels it corrects for its price.

In: candidates, one row for each image and action, with the probability that the image's label is wrong now and after
the action, what the action takes in seconds of people and in money, and how many images the label stands for. Out: the
order in which the actions are worth doing, at most one an image. Expected by a model, not measured: every number here
follows from probabilities that were predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from labeling.errors import Invalid
from labeling.review.overlap import gain

__all__ = [
    "ACTIONS",
    "HOUR_S",
    "Action",
    "Candidates",
    "Second",
    "after_engine",
    "correction_teaches",
    "label_teaches",
    "rank",
    "second_answer",
    "seconds_worth_asking",
]

FALLS_LIKE = 0.5
"""The error of a classifier is taken to fall like the number of its labels to the power of minus this."""
HOUR_S = 3600.0
"""Seconds an hour."""

Numbers = NDArray[np.float64]
Positions = NDArray[np.int64]


class Action(StrEnum):
    """What can be done about an image; of equal worth the first in this order goes first."""

    ENGINE = "engine"
    """Ask another engine of the escalation."""
    PERSON = "person"
    """Ask a first person."""
    SECOND = "second answer"
    """Ask a second person about an image with one answer; where the two differ a third person or a lead decides."""
    RE_REVIEW = "re-review"
    """Have a label that stands re-reviewed blind."""
    ADJUDICATE = "adjudicate"
    """Have a lead decide where people disagree or nobody could tell."""
    ACCEPT = "accept"
    """Leave the label as it is."""


ACTIONS = tuple(Action)
"""By position, as `Candidates.actions` names them."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Rows (N,), one for each image and action.

    `image_ids` names the image, `actions` is a position in `ACTIONS`. `wrong_now` and `wrong_after` in [0, 1] are how
    likely the image's label is wrong before and after. `seconds` of people and `money` are what the action takes,
    `sizes` (>= 1) is how many near-duplicates the label stands for, and `teaches` (>= 0) how many wrong labels of
    *other* images it is expected to correct, because a classifier learns from it.
    """

    image_ids: Positions
    actions: Positions
    wrong_now: Numbers
    wrong_after: Numbers
    seconds: Numbers
    money: Numbers
    sizes: Numbers
    teaches: Numbers

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def gain(self) -> Numbers:
        """Wrong labels that each is expected to correct, (N,); below 0 it makes more wrong than it corrects."""
        return (self.wrong_now - self.wrong_after) * self.sizes + self.teaches

    def price(self, wage: float) -> Numbers:
        """What each costs, (N,): money at this wage an hour; without a wage (0) the seconds of people alone."""
        return self.seconds / HOUR_S * wage + self.money if wage > 0 else self.seconds

    def take(self, positions: Positions) -> Candidates:
        """Some of the rows."""
        return Candidates(
            self.image_ids[positions],
            self.actions[positions],
            self.wrong_now[positions],
            self.wrong_after[positions],
            self.seconds[positions],
            self.money[positions],
            self.sizes[positions],
            self.teaches[positions],
        )


def rank(candidates: Candidates, wage: float = 0.0, worth: float | None = None) -> Positions:
    """The rows that are worth doing, best first, at most one for each image.

    Parameters
    ----------
    candidates : Candidates
        What could be done.
    wage : float
        Money an hour of people; 0: the ranking is by seconds, and money is not counted.
    worth : float, optional
        What one right label is worth, in money (without a wage: in seconds). None: whatever it takes.

    Returns
    -------
    (M,) int positions, M <= number of images
        By gain for each unit of price; what is free comes first. Of equal ones the larger gain, then the order of
        `Action`, then the smaller image id. An image without a row here is one to accept: nothing that could be done
        corrects anything, or a right label is not worth its price.

    Raises
    ------
    Invalid
        Where wage, worth or a price is negative, or a gain is no number.

    Examples
    --------
    >>> two = np.ones(2)
    >>> rows = Candidates(np.array([7, 8]), np.array([1, 1]), np.array([0.3, 0.6]), 0.1 * two, 8 * two, 0 * two, two,
    ...     0 * two)
    >>> rank(rows).tolist(), rank(rows, worth=20.0).tolist()
    ([1, 0], [1])
    """
    gains, prices = candidates.gain, candidates.price(wage)
    if wage < 0 or (worth is not None and worth < 0) or (prices < 0).any() or not np.isfinite(gains).all():
        raise Invalid("A wage, a worth and a price are at least 0, and every gain is a number.")
    kept = np.flatnonzero((gains > 0) & (True if worth is None else gains * worth >= prices))
    free = prices[kept] == 0
    with np.errstate(over="ignore"):  # what costs hardly anything is as good as free
        ratios = np.where(free, np.inf, gains[kept] / np.where(free, 1, prices[kept]))
    keys = candidates.image_ids[kept], candidates.actions[kept], -gains[kept], -ratios
    order = kept[np.lexsort(keys)]
    _, first = np.unique(candidates.image_ids[order], return_index=True)
    return np.asarray(order[np.sort(first)], np.int64)


@dataclass(frozen=True, slots=True)
class Second:
    """What a second answer is expected to do: how likely the label is wrong after it, and how many answers it takes."""

    wrong_after: float
    answers: float


def second_answer(wrong: float, error: float, answers: int) -> Second:
    """What comes of a second answer about a label that is wrong with this probability.

    It corrects what `overlap.gain` says, and takes 1 answer, and another one where it differs from the first: with
    probability w (1 - e / (C - 1)) + (1 - w) e.

    Parameters
    ----------
    wrong : float
        How likely the label is wrong, in [0, 1] (`overlap.wrong`).
    error : float
        How often who is asked errs.
    answers : int
        How many answers can be given (C >= 2).

    Examples
    --------
    >>> found = second_answer(0.5, 0.1, 3)
    >>> round(found.wrong_after, 3), round(found.answers, 3)
    (0.025, 1.525)
    """
    corrected = gain(wrong, error, answers)
    return Second(wrong - corrected, 1 + corrected + (1 - wrong) * error)


def after_engine(probs: NDArray[np.floating], right: float) -> Numbers:
    """How likely the likeliest class is wrong once an engine has named one, on average over what it may name: (N,).

    Never more than now, 1 minus the largest probability: an engine that is wrong too often changes nothing.

    Parameters
    ----------
    probs : (N, K) array
        The prediction now, K >= 2; each row sums to 1.
    right : float
        How often the engine is right on such images, in [0, 1]; its wrong answers are held as likely.

    Examples
    --------
    >>> after_engine(np.array([[0.6, 0.4], [0.9, 0.1]]), 0.8).round(2).tolist()
    [0.2, 0.1]
    """
    held = np.asarray(probs, np.float64)
    ordered = np.sort(held, axis=1)
    best, second = ordered[:, -1:], ordered[:, -2:-1]  # (N, 1)
    wrong = (1 - right) / (held.shape[1] - 1)
    is_best = np.arange(held.shape[1]) == held.argmax(axis=1)[:, None]
    other = np.where(is_best, second, best)  # the likeliest class beside the one that is named
    return np.asarray(1 - np.maximum(held * right, other * wrong).sum(axis=1), np.float64).clip(0, 1 - best[:, 0])


def label_teaches(expected_wrong: float, labels: int) -> float:
    """How many wrong labels among the images that nobody labelled one more label is expected to correct.

    The classifier's error is taken to fall like labels ** -1/2, so the next label lowers it by 1 / (2 labels) of it.

    Parameters
    ----------
    expected_wrong : float
        How many of those images the classifier has wrong: the sum of 1 minus its largest probabilities.
    labels : int
        How many labels it learnt from; 0: nothing is known, and 0 is returned.

    Examples
    --------
    >>> label_teaches(80.0, 200)
    0.2
    """
    return FALLS_LIKE * expected_wrong / labels if labels > 0 else 0.0


def correction_teaches(label: float, error: float, answers: int) -> float:
    """The same of a wrong label that is corrected: `label` (of one more label) times 2 a / (1 - a e), a = C / (C - 1).

    n labels of which a share e is wrong teach like n (1 - a e)^2 right ones. One more adds 1 / n of that, one corrected
    2 a / ((1 - a e) n) of it. At a e of .9 and more (answers by chance) the factor of .9 is used.

    Source: Angluin and Laird, Learning from noisy examples, 1988, whose bound has 1 / (1 - 2 e)^2 for two classes.

    Examples
    --------
    >>> correction_teaches(0.1, 0.25, 2)
    0.8
    """
    a = answers / (answers - 1)
    return label * 2 * a / (1 - min(a * error, 0.9))


def seconds_worth_asking(second: Sequence[float] | Numbers, new: Sequence[float] | Numbers) -> int:
    """For how many images a second answer is worth more than the answer about a new image.

    Parameters
    ----------
    second : (M,) floats
        Wrong labels that a second answer about each is expected to correct, for each answer that it takes.
    new : (Q,) floats
        The same of the images that stand next in the queue. The median of them counts; none left: everything that
        corrects anything is worth it.

    Examples
    --------
    >>> seconds_worth_asking([0.4, 0.05, 0.2], [0.3, 0.1, 0.1]), seconds_worth_asking([0.4, 0.0], [])
    (2, 1)
    """
    limit = float(np.median(new)) if len(new) else 0.0
    return int((np.asarray(second, np.float64) > limit).sum())
