"""Agreement of annotators on the same images, beyond chance: a table of answers in, estimates with intervals out.

In: `answers` (N, R), the class position that each of R people gave each of N images, `MISSING` where one gave none.
An answer of "none of these" is a class like the others. Intervals are drawn over images, never over answers, as if one
image more had two equal answers and one more two different ones: where all agree, a bootstrap alone has no width. Only
images with two answers or more count; `n` is their number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labeling.answers import MISSING
from labeling.estimates import Estimate
from labeling.quality.metrics import clopper_pearson

__all__ = [
    "Agreement",
    "Disagreement",
    "agreement",
    "alpha",
    "alpha_by_class",
    "cohen",
    "disagreements",
    "fleiss",
    "observed",
]

DRAWS = 400

Answers = npt.NDArray[np.integer]
Counts = npt.NDArray[np.int64]
Times = npt.NDArray[np.integer]
"""How often each kind of image was drawn: (B, U)."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement of a table of answers. `fleiss` and `alpha` are None where every answer is the same class."""

    observed: Estimate
    fleiss: Estimate | None
    alpha: Estimate | None


@dataclass(frozen=True, slots=True, eq=False)
class _Kinds:
    """U kinds of images: the share of equal pairs of answers (U,), and how often each class was said (U, K)."""

    equal: npt.NDArray[np.float64]
    answers: npt.NDArray[np.float64]


Statistic = Callable[[_Kinds, Times], npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """The images (rows of the table) to which one person answered `first` and the other `second`."""

    first: int
    second: int
    rows: tuple[int, ...]


def agreement(answers: Answers, classes: int, rng: np.random.Generator) -> Agreement:
    """Observed agreement, Fleiss' kappa and Krippendorff's alpha of one table."""
    return Agreement(observed(answers, classes), fleiss(answers, classes, rng), alpha(answers, classes, rng))


def observed(answers: Answers, classes: int) -> Estimate:
    """The share of pairs of answers to one image that are equal, averaged over images; in [0, 1].

    The interval is the exact one with one trial an image, which is conservative: an image's share varies no more than
    that of one trial.

    Examples
    --------
    >>> observed(np.array([[0, 0], [1, 1], [0, 1], [2, MISSING]]), 3).value
    0.6666666666666666
    """
    counts = _counts(answers, classes)
    equal = _equal_pairs(counts)
    total = float(equal.sum())
    return Estimate(total / len(equal) if len(equal) else 0.0, *clopper_pearson(total, len(equal)), len(equal))


def cohen(first: Answers, second: Answers, rng: np.random.Generator) -> Estimate | None:
    """Cohen's kappa of two people over the images that both answered; None where chance alone would agree always.

    Notes
    -----
    A resample of images is a draw from the cells of their table. A test compares the value with scikit-learn's.

    Source: Cohen (1960), "A coefficient of agreement for nominal scales".

    Examples
    --------
    >>> both = cohen(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0]), np.random.default_rng(0))
    >>> round(both.value, 3), both.n
    (0.5, 4)
    """
    both = (first != MISSING) & (second != MISSING)
    if not both.any():
        return None
    (one, other), times = np.unique([first[both], second[both]], axis=1, return_counts=True)
    classes = np.unique([one, other])
    said = np.stack([one[:, None] == classes, other[:, None] == classes], axis=1).astype(np.float64)  # (U, 2, K)
    return _resampled(_Kinds((one == other).astype(np.float64), said.reshape(len(one), -1)), times, _kappas, rng)


def fleiss(answers: Answers, classes: int, rng: np.random.Generator) -> Estimate | None:
    """Fleiss' kappa, also where images have different numbers of answers; None where all answers are one class.

    Notes
    -----
    Source: Fleiss (1971), "Measuring nominal scale agreement among many raters". With a number of answers that varies
    each image's share of equal pairs weighs the same, and chance is taken from all answers.

    Examples
    --------
    >>> fleiss(np.array([[0, 0], [1, 1], [0, 1], [1, 1]]), 2, np.random.default_rng(0)).value.__round__(3)
    0.467
    """
    return _of_counts(_counts(answers, classes), _fleiss, rng)


def alpha(answers: Answers, classes: int, rng: np.random.Generator) -> Estimate | None:
    """Krippendorff's alpha for nominal data: 1 is perfect, 0 is chance; None where all answers are one class.

    Notes
    -----
    Source: Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability". A test compares it with two libraries.

    Examples
    --------
    >>> alpha(np.array([[0, 0], [1, 1], [0, 1]]), 2, np.random.default_rng(0)).value.__round__(3)
    0.444
    """
    return _of_counts(_counts(answers, classes), _alphas, rng)


def alpha_by_class(answers: Answers, classes: int, rng: np.random.Generator) -> list[Estimate | None]:
    """Alpha of each class against all others; `n` counts the images with an answer of it; None: there is none.

    Examples
    --------
    >>> [round(one.value, 2) for one in alpha_by_class(np.array([[0, 0], [1, 2], [2, 1]]), 3, np.random.default_rng(0))]
    [1.0, -0.25, -0.25]
    """
    counts = _counts(answers, classes)
    found = []
    for one in range(classes):
        said = counts[:, one]
        of_class = _of_counts(np.stack([said, counts.sum(axis=1) - said], axis=1), _alphas, rng)
        n = int((said > 0).sum())
        found.append(Estimate(of_class.value, of_class.lower, of_class.upper, n) if of_class and n else None)
    return found


def disagreements(first: Answers, second: Answers) -> list[Disagreement]:
    """Which classes two people confuse with each other, the most images first.

    Examples
    --------
    >>> disagreements(np.array([0, 0, 1, 1]), np.array([1, 1, 1, 0]))
    [Disagreement(first=0, second=1, rows=(0, 1)), Disagreement(first=1, second=0, rows=(3,))]
    """
    rows: dict[tuple[int, int], list[int]] = {}
    differ = (first != MISSING) & (second != MISSING) & (first != second)
    for row in np.flatnonzero(differ):
        rows.setdefault((int(first[row]), int(second[row])), []).append(int(row))
    found = [Disagreement(one, other, tuple(at)) for (one, other), at in rows.items()]
    return sorted(found, key=lambda cell: (-len(cell.rows), cell.first, cell.second))


def _counts(answers: Answers, classes: int) -> Counts:
    """How often each image was given each class, of images with at least two answers: (n, K)."""
    counts = np.zeros((len(answers), classes), np.int64)
    image, person = np.nonzero(answers != MISSING)
    np.add.at(counts, (image, answers[image, person]), 1)
    return np.asarray(counts[counts.sum(axis=1) >= 2])


def _equal_pairs(counts: Counts) -> npt.NDArray[np.float64]:
    """Each image's share of pairs of answers that are equal: (n,)."""
    answers = counts.sum(axis=1)
    return np.asarray((counts * (counts - 1)).sum(axis=1) / (answers * (answers - 1)), np.float64)


def _kappas(kinds: _Kinds, times: Times) -> npt.NDArray[np.float64]:
    """Cohen's kappa of B resamples; the answers of a kind are the first person's and then the second's, (U, 2 K)."""
    n = times.sum(axis=1)
    first, second = np.split(times @ kinds.answers, 2, axis=1)  # (B, K)
    return _beyond(times @ kinds.equal / n, (first * second).sum(axis=1) / n**2)


def _fleiss(kinds: _Kinds, times: Times) -> npt.NDArray[np.float64]:
    """Fleiss' kappa of B resamples."""
    agreed = times @ kinds.equal / times.sum(axis=1)
    answers = times @ kinds.answers  # (B, K)
    shares = answers / answers.sum(axis=1, keepdims=True)
    return _beyond(agreed, (shares**2).sum(axis=1))


def _alphas(kinds: _Kinds, times: Times) -> npt.NDArray[np.float64]:
    """Krippendorff's nominal alpha of B resamples, from their coincidences."""
    answers = times @ kinds.answers  # (B, K)
    n = answers.sum(axis=1)
    agreed = times @ (kinds.equal * kinds.answers.sum(axis=1)) / n
    return _beyond(agreed, (answers * (answers - 1)).sum(axis=1) / (n * (n - 1)))


def _beyond(agreed: npt.NDArray[np.float64], by_chance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(by_chance < 1, (agreed - by_chance) / (1 - by_chance), np.nan)


def _of_counts(counts: Counts, statistic: Statistic, rng: np.random.Generator) -> Estimate | None:
    """A statistic over images with these answers (n, K); images with equal counts are one kind, drawn together."""
    if not len(counts):
        return None
    kinds, times = np.unique(counts, axis=0, return_counts=True)
    return _resampled(_Kinds(_equal_pairs(kinds), kinds.astype(np.float64)), times, statistic, rng)


def _resampled(
    kinds: _Kinds, times: npt.NDArray[np.integer], statistic: Statistic, rng: np.random.Generator
) -> Estimate | None:
    """A statistic of images, which occur so many `times` (U,), with its interval over images and the two pads."""
    n = int(times.sum())
    value = float(statistic(kinds, times[None])[0])
    if np.isnan(value):
        return None
    usual = np.tile(times @ kinds.answers / n, (2, 1))  # what people answer on average, also of an imagined image
    padded = _Kinds(np.append(kinds.equal, [1.0, 0.0]), np.vstack([kinds.answers, usual]))
    draws = statistic(padded, rng.multinomial(n + 2, np.append(times, [1, 1]) / (n + 2), size=DRAWS))  # (B,)
    lower, upper = np.quantile(draws[np.isfinite(draws)], [0.025, 0.975])
    return Estimate(value, min(float(lower), value), max(float(upper), value), n)
