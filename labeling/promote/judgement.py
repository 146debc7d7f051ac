"""Candidate against champion on the same images of the random stream: whether it is promoted.

In: both classifiers' probabilities (N, K) and the truth (N,), one image per group; `MISSING` is "none of these", which
is an error of either. Out: a verdict with its reasons in plain sentences. Judging a classifier against itself is
"no change", always.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from labeling.errors import Invalid
from labeling.project import Gate
from labeling.quality.metrics import bootstrap, macro_f1
from labeling.types import Verdict

__all__ = ["VERDICTS_A_SAMPLE", "Judgement", "Measure", "judge"]

VERDICTS_A_SAMPLE = 20
"""A sample that has given so many verdicts has been used too often: fresh labels are proposed."""


class Measure(StrEnum):
    """What a gate compares."""

    ACCURACY = "accuracy"
    MACRO_F1 = "macro_f1"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict. `gain` is candidate minus champion; `lower` its one-sided bound, `interval` the two-sided one.

    The numbers are None where no gate ran.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    labels: int
    candidate: float | None = None
    champion: float | None = None
    gain: float | None = None
    lower: float | None = None
    interval: tuple[float, float] | None = None

    @property
    def promoted(self) -> bool:
        return self.verdict is Verdict.PROMOTED


def judge(
    candidate: NDArray[np.floating],
    champion: NDArray[np.floating],
    truth: NDArray[np.integer],
    gate: Gate,
    rng: np.random.Generator,
    *,
    earlier_verdicts: int = 0,
    champion_name: str = "the champion",
) -> Judgement:
    """Promote when the gain is at least 0 and its one-sided lower bound lies above minus the margin.

    Parameters
    ----------
    candidate, champion : (N, K) float
        Probabilities for the same images; a NaN row is an absent answer and counts as an error.
    truth : (N,) int
        The true class, `MISSING` for "none of these". One image per group.
    gate : Gate
        The measure, the margin, the confidence and the least number of labels.
    rng : numpy.random.Generator
        For the bootstrap of the paired difference.
    earlier_verdicts : int
        How many verdicts this sample has given before.
    champion_name : str
        The name of the champion in the reasons.

    Examples
    --------
    >>> probs, truth = np.eye(2)[[0, 1] * 20], np.array([0, 1] * 20)
    >>> str(judge(probs, probs, truth, Gate(), np.random.default_rng(0)).verdict)
    'no change'
    """
    n = len(truth)
    if n < gate.min_labels:
        short = f"The random stream has {n} answers; the gate needs {gate.min_labels}, so nothing is decided yet."
        return Judgement(Verdict.NOT_YET_KNOWN, (short,), n)
    if candidate.shape != champion.shape or len(candidate) != n:
        raise Invalid(f"Shapes {candidate.shape} and {champion.shape} for {n} truths cannot be compared.")
    if np.array_equal(candidate, champion, equal_nan=True):
        same = f"It gives the same probabilities as {champion_name} on all {n} images of the random stream."
        return Judgement(Verdict.NO_CHANGE, (same, *_advice(earlier_verdicts)), n, gain=0.0)
    ours, theirs = _answers(candidate), _answers(champion)  # (N,)
    measure = Measure(gate.measure)
    classes = candidate.shape[1]

    def gain_of(at: NDArray[np.int64]) -> float:
        return _score(measure, ours[at], truth[at], classes) - _score(measure, theirs[at], truth[at], classes)

    everything = np.arange(n)
    one_sided = bootstrap(gain_of, everything, rng, confidence=2 * gate.confidence - 1)[0]
    interval = bootstrap(gain_of, everything, rng)
    gain = gain_of(everything)
    passed = gain >= 0 and one_sided > -gate.margin
    return Judgement(
        Verdict.PROMOTED if passed else Verdict.REFUSED,
        (_comparison(gate, gain, one_sided, interval, n, champion_name), *_advice(earlier_verdicts)),
        n,
        candidate=_score(measure, ours, truth, classes),
        champion=_score(measure, theirs, truth, classes),
        gain=gain,
        lower=one_sided,
        interval=interval,
    )


def _answers(probs: NDArray[np.floating]) -> NDArray[np.int64]:
    """The likeliest class (N,); K, which is never true, where there is no answer."""
    absent = ~np.isfinite(probs).all(axis=1)
    return np.where(absent, probs.shape[1], np.where(np.isfinite(probs), probs, 0).argmax(axis=1)).astype(np.int64)


def _score(measure: Measure, answers: NDArray[np.int64], truth: NDArray[np.integer], classes: int) -> float:
    if measure is Measure.ACCURACY:
        return float((answers == truth).mean())
    return macro_f1(answers, truth, classes + 1)  # one column more for "no answer"


def _comparison(
    gate: Gate, gain: float, lower: float, interval: tuple[float, float], n: int, champion_name: str
) -> str:
    points = f"{100 * gain:+.1f} points of {gate.measure.replace('_', ' ')} against {champion_name}"
    range_ = f"(95 % interval {100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}) on {n} images of the random stream"
    bound = f"the {100 * gate.confidence:.0f} % lower bound is {100 * lower:+.1f}"
    least = f"{-100 * gate.margin:+.1f}"
    if gain < 0:
        return f"{points} {range_}: it is not better."
    if lower <= -gate.margin:
        return f"{points} {range_}, but {bound}, not above {least}: it may well be worse."
    return f"{points} {range_}; {bound}, above {least}."


def _advice(earlier_verdicts: int) -> tuple[str, ...]:
    given = earlier_verdicts + 1
    count = f"This sample has now given {given} verdict{'s' if given > 1 else ''}."
    if given < VERDICTS_A_SAMPLE:
        return (count,)
    return (f"{count} Measure on fresh labels: a sample that is used so often gives results that are too good.",)
