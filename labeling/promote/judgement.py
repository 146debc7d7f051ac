"""Candidate against champion on the same images: whether it is promoted.

In: both classifiers' probabilities (N, K) and the truth (N,); `MISSING` is "none of these" or undecided, which is an
error of both. Out: a verdict with its reasons in plain sentences, and what it could have detected. Judging a classifier
against itself is "no change", always.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from labeling.errors import Invalid
from labeling.estimates import Estimate
from labeling.project import Gate
from labeling.promote.power import OFTEN, Power, power
from labeling.quality.metrics import bootstrap, macro_f1, padded_interval
from labeling.types import Verdict

__all__ = ["STREAM_CARRIES", "VERDICTS_A_SAMPLE", "Judgement", "Measure", "Sample", "difference", "judge", "sample_for"]

STREAM_CARRIES = 100
"""From so many images of the random stream they carry the verdict; before, training labels alone do."""
VERDICTS_A_SAMPLE = 20
"""From so many verdicts on a sample it has been used too often: fresh labels are proposed."""


class Measure(StrEnum):
    """What a gate compares."""

    ACCURACY = "accuracy"
    MACRO_F1 = "macro_f1"


class Sample(StrEnum):
    """What carries a verdict."""

    STREAM = "images of the random stream"
    TRAINING = "training images, each predicted without its fold"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict. `gain` is candidate minus champion; `lower` its one-sided bound, `interval` the two-sided one.

    `carried_by` is the sample of `labels` images, `verdicts` how many it has given with this one, `power` what it could
    have detected (of accuracy only). `stream` is the difference on the random stream where that was shown and not used.
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
    carried_by: Sample = Sample.STREAM
    verdicts: int = 0
    power: Power | None = None
    stream: Estimate | None = None

    @property
    def promoted(self) -> bool:
        return self.verdict is Verdict.PROMOTED


def sample_for(stream_images: int) -> Sample:
    """What carries a verdict while the random stream has so many decided images.

    >>> sample_for(99).name, sample_for(100).name
    ('TRAINING', 'STREAM')
    """
    return Sample.STREAM if stream_images >= STREAM_CARRIES else Sample.TRAINING


def judge(
    candidate: NDArray[np.floating],
    champion: NDArray[np.floating],
    truth: NDArray[np.integer],
    gate: Gate,
    rng: np.random.Generator,
    *,
    groups: NDArray[np.integer] | None = None,
    sample: Sample = Sample.STREAM,
    stream: Estimate | None = None,
    earlier_verdicts: int = 0,
    champion_name: str = "the champion",
) -> Judgement:
    """Promote when the gain is at least 0 and its one-sided lower bound lies above minus the margin.

    Parameters
    ----------
    candidate, champion : (N, K) float
        Probabilities for the same images; a NaN row is an absent answer and counts as an error. For training images
        they are those of `out_of_fold`.
    truth : (N,) int
        The true class, `MISSING` for "none of these" and for what nobody could decide.
    gate : Gate
        The measure, the margin, the confidence and the least number of labels.
    rng : numpy.random.Generator
        For the bootstrap of the paired difference.
    groups : (N,) int, optional
        Near-duplicates share a group and are drawn together; without it every image is its own.
    sample : Sample
        What the images are; `sample_for` decides it.
    stream : Estimate, optional
        The `difference` on the random stream, to be shown where training images carry the verdict.
    earlier_verdicts : int
        How many verdicts this sample has given before.
    champion_name : str
        The name of the champion in the reasons; it may be the engine's pre-labels.

    Examples
    --------
    >>> probs, truth = np.eye(2)[[0, 1] * 20], np.array([0, 1] * 20)
    >>> str(judge(probs, probs, truth, Gate(), np.random.default_rng(0)).verdict)
    'no change'
    """
    n = len(truth)
    if n < gate.min_labels:
        short = f"There are {n} {sample}; the gate needs {gate.min_labels}, so nothing is decided yet."
        return Judgement(Verdict.NOT_YET_KNOWN, (short,), n, carried_by=sample, stream=stream)
    _check(candidate, champion, n)
    verdicts, advice = earlier_verdicts + 1, (*_beside(stream), _advice(earlier_verdicts + 1, sample))
    if np.array_equal(candidate, champion, equal_nan=True):
        same = f"It gives the same probabilities as {champion_name} on all {n} {sample}."
        return Judgement(
            Verdict.NO_CHANGE,
            (same, *advice),
            n,
            gain=0.0,
            carried_by=sample,
            verdicts=verdicts,
            stream=stream,
        )
    pair = _Pair(_answers(candidate), _answers(champion), truth, Measure(gate.measure), candidate.shape[1])
    of = np.arange(n) if groups is None else groups
    gain, interval = pair.gain(np.arange(n)), _interval(pair, of, rng)
    lower = bootstrap(pair.gain, of, rng, confidence=2 * gate.confidence - 1)[0]
    detects = power(n, pair.flips, gate) if pair.measure is Measure.ACCURACY else None
    passed = gain >= 0 and lower > -gate.margin
    reasons = (_comparison(gate, gain, lower, interval, f"{n} {sample}", champion_name), *_detects(detects), *advice)
    return Judgement(
        Verdict.PROMOTED if passed else Verdict.REFUSED,
        reasons,
        n,
        candidate=pair.score(pair.ours),
        champion=pair.score(pair.theirs),
        gain=gain,
        lower=lower,
        interval=interval,
        carried_by=sample,
        verdicts=verdicts,
        power=detects,
        stream=stream,
    )


def difference(
    candidate: NDArray[np.floating],
    champion: NDArray[np.floating],
    truth: NDArray[np.integer],
    gate: Gate,
    rng: np.random.Generator,
) -> Estimate:
    """Candidate minus champion on N >= 1 images, one a group, with its 95 % interval: to be shown, not to decide.

    Examples
    --------
    >>> right, wrong = np.tile([0.9, 0.1], (2, 40, 1)) * [[[1.0, 1.0]], [[0.0, 1.0]]]
    >>> difference(right, wrong, np.zeros(40, int), Gate(), np.random.default_rng(0)).value
    1.0
    """
    n = len(truth)
    _check(candidate, champion, n)
    pair = _Pair(_answers(candidate), _answers(champion), truth, Measure(gate.measure), candidate.shape[1])
    return Estimate(pair.gain(np.arange(n)), *_interval(pair, np.arange(n), rng), n)


@dataclass(frozen=True, slots=True)
class _Pair:
    """The answers of both for the same images, (N,) each, beside the truth."""

    ours: NDArray[np.int64]
    theirs: NDArray[np.int64]
    truth: NDArray[np.integer]
    measure: Measure
    classes: int

    @property
    def flips(self) -> int:
        """On how many images exactly one is right."""
        return int(((self.ours == self.truth) != (self.theirs == self.truth)).sum())

    def score(self, answers: NDArray[np.int64]) -> float:
        return _score(self.measure, answers, self.truth, self.classes)

    def gain(self, at: NDArray[np.int64]) -> float:
        scores = (_score(self.measure, some[at], self.truth[at], self.classes) for some in (self.ours, self.theirs))
        return next(scores) - next(scores)


def _check(candidate: NDArray[np.floating], champion: NDArray[np.floating], n: int) -> None:
    if candidate.shape != champion.shape or len(candidate) != n:
        raise Invalid(f"Shapes {candidate.shape} and {champion.shape} for {n} truths cannot be compared.")


def _interval(pair: _Pair, groups: NDArray[np.integer], rng: np.random.Generator) -> tuple[float, float]:
    """The two-sided 95 % interval of the gain; of accuracy as if one group more were better and one more worse."""
    if pair.measure is not Measure.ACCURACY:
        return bootstrap(pair.gain, groups, rng)
    gained = (pair.ours == pair.truth).astype(float) - (pair.theirs == pair.truth)
    return padded_interval(gained, groups, (1, -1))


def _answers(probs: NDArray[np.floating]) -> NDArray[np.int64]:
    """The likeliest class (N,); K, which is never true, where there is no answer."""
    absent = ~np.isfinite(probs).all(axis=1)
    return np.where(absent, probs.shape[1], np.where(np.isfinite(probs), probs, 0).argmax(axis=1)).astype(np.int64)


def _score(measure: Measure, answers: NDArray[np.int64], truth: NDArray[np.integer], classes: int) -> float:
    if measure is Measure.ACCURACY:
        return float((answers == truth).mean())
    return macro_f1(answers, truth, classes + 1)  # one column more for "no answer"


def _comparison(
    gate: Gate, gain: float, lower: float, interval: tuple[float, float], images: str, champion_name: str
) -> str:
    points = f"{100 * gain:+.1f} points of {gate.measure.replace('_', ' ')} against {champion_name}"
    range_ = f"(95 % interval {100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}) on {images}"
    bound = f"the {100 * gate.confidence:.0f} % lower bound is {100 * lower:+.1f}"
    least = f"{-100 * gate.margin:+.1f}"
    if gain < 0:
        return f"{points} {range_}: it is not better."
    if lower <= -gate.margin:
        return f"{points} {range_}, but {bound}, not above {least}: it may well be worse."
    return f"{points} {range_}; {bound}, above {least}."


def _detects(found: Power | None) -> tuple[str, ...]:
    """What the sample could have detected, as a sentence; nothing where that is not known."""
    if found is None:
        return ()
    often = f"in {100 * OFTEN:.0f} of 100 samples of this size"
    better, worse = (None if one is None else f"{100 * one:.1f} points" for one in (found.passes, found.fails))
    passes = f"one that is {better} better passes {often}" if better else "no candidate passes that often"
    fails = f"one that is {worse} worse is refused" if worse else "none is refused that often"
    return (f"What this could have detected: {passes}, {fails}.",)


def _beside(stream: Estimate | None) -> tuple[str, ...]:
    """The difference on the stream, as a sentence."""
    if stream is None:
        return ()
    value, lower, upper = (f"{100 * one:+.1f}" for one in (stream.value, stream.lower, stream.upper))
    return (
        f"On {stream.n} images of the random stream the difference is {value} points ({lower} to {upper}); "
        f"under {STREAM_CARRIES} it is shown and not used.",
    )


def _advice(given: int, sample: Sample) -> str:
    count = f"This sample has now given {given} verdict{'s' if given > 1 else ''}."
    if given < VERDICTS_A_SAMPLE:
        return count
    fresh = "Ask about more of the random stream" if sample is Sample.STREAM else "Label more images"
    return f"{count} {fresh}: a sample that is used so often gives results that are too good."
