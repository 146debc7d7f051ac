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

from labeling.estimates import Estimate
from labeling.project import Gate
from labeling.promote.class_guard import ClassGuard, groups_needed, guard_classes
from labeling.promote.pair import Measure, Pair, pair_of
from labeling.promote.power import LOSS, OFTEN, Power, power
from labeling.types import Verdict

__all__ = [
    "STREAM_CARRIES",
    "VERDICTS_A_SAMPLE",
    "Judgement",
    "Sample",
    "difference",
    "judge",
    "sample_for",
]

STREAM_CARRIES = 100
"""From so many images of the random stream they carry the verdict; before, training labels alone do."""
VERDICTS_A_SAMPLE = 20
"""From so many verdicts on a sample it has been used too often: fresh labels are proposed."""
FLIPS_TO_BOUND = 5
"""In so many groups exactly one of the two must be right, or the one-sided bound is not yet known: with fewer,
resamples hardly vary, and what is called 90 % has held in 17 of 100. The gate decides by them all the same."""


NAMED = 10
"""So many classes are named at most."""


class Sample(StrEnum):
    """What carries a verdict."""

    STREAM = "images of the random stream"
    TRAINING = "training images, each predicted without its fold"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict. `gain` is candidate minus champion; `lower` its one-sided bound, `interval` the two-sided one.

    `carried_by` is the sample of `labels` images, `verdicts` how many it has given with this one, `power` what it could
    have detected (of accuracy only); `worse_on` names the classes that refused it, `unguarded` those with too few
    images for that. `stream` is the difference on the random stream where that was shown and not used.
    The numbers are None where no gate ran; `lower` also where fewer than `FLIPS_TO_BOUND` groups differ: not yet known.
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
    worse_on: tuple[str, ...] = ()
    unguarded: tuple[str, ...] = ()

    @property
    def promoted(self) -> bool:
        return self.verdict is Verdict.PROMOTED


def sample_for(stream_images: int, *, certifies: bool = False) -> Sample:
    """What carries a verdict while the random stream has so many decided images.

    `certifies`: a certificate is still to be tried with that stream. Training images carry it then, however many there
    are: each verdict that rests on the stream takes its share of delta, training images take none.

    >>> sample_for(99).name, sample_for(100).name, sample_for(100, certifies=True).name
    ('TRAINING', 'STREAM', 'TRAINING')
    """
    return Sample.STREAM if stream_images >= STREAM_CARRIES and not certifies else Sample.TRAINING


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
    classes: tuple[str, ...] = (),
) -> Judgement:
    """Promote when the gain is at least 0 and, in the gate's share of resamples, above minus the margin.

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
    classes : tuple of str
        The names of the K classes, each of which is tested where the gate says so; without them none is.

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
    pair = pair_of(candidate, champion, truth, gate, groups)
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
    gain, interval = pair.gain, pair.interval(rng)
    least = pair.resampled(rng, 2 * gate.confidence - 1)[0]
    guard = guard_classes(pair, len(classes), gate.class_refusals) if classes and gate.class_refusals else None
    worse_on = tuple(classes[one.position] for one in guard.worse) if guard else ()
    passed, lower = (
        gain >= 0 and least > -gate.margin and not worse_on,
        least if pair.groups_that_differ >= FLIPS_TO_BOUND else None,
    )
    detects = power(*pair.independent, gate) if pair.measure is Measure.ACCURACY else None
    compared = f"{_gain(pair, interval, f'{n} {sample}', champion_name)}{_why(gate, gain, least, pair)}"
    return Judgement(
        Verdict.PROMOTED if passed else Verdict.REFUSED,
        (compared, *_by_class(guard, gate, classes), *_detects(detects), *advice),
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
        worse_on=worse_on,
        unguarded=tuple(classes[at] for at in guard.unguarded) if guard else (),
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
    pair = pair_of(candidate, champion, truth, gate)
    return Estimate(pair.gain, *pair.interval(rng), len(truth))


def _gain(pair: Pair, interval: tuple[float, float], images: str, champion_name: str) -> str:
    points = f"{100 * pair.gain:+.1f} points of {pair.measure.replace('_', ' ')} against {champion_name}"
    return f"{points} (95 % interval {100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}) on {images}"


def _why(gate: Gate, gain: float, least: float, pair: Pair) -> str:
    """Why a gain passes or not, as the end of a sentence; `least` is the lower end of the resamples."""
    share, margin = f"{100 * gate.confidence:.0f} %", f"{0 - 100 * gate.margin:+.1f}"
    if gain < 0:
        return ": it is not better."
    if (differ := pair.groups_that_differ) < FLIPS_TO_BOUND:
        needed = f"it needs {FLIPS_TO_BOUND} groups in which exactly one is right, and there are {differ}"
        resamples = f"In {share} of resamples it is above {margin}."
        if least <= -gate.margin:
            resamples = f"In under {share} of resamples it is above {margin}: it may well be worse."
        return f"; the {share} lower bound is not yet known: {needed}. {resamples}"
    bound = f"the {share} lower bound is {100 * least:+.1f}"
    if least <= -gate.margin:
        return f", but {bound}, not above {margin}: it may well be worse."
    return f"; {bound}, above {margin}."


def _by_class(guard: ClassGuard | None, gate: Gate, classes: tuple[str, ...]) -> tuple[str, ...]:
    """What the test of the classes says, and which could not be tested; nothing where none is to be."""
    if guard is None:
        return ()
    said = [
        f"It is worse on {classes[one.position]}: worse in {one.worse} groups, better in {one.better}: "
        f"p = {one.p_value:.2g}, one-sided."
        for one in guard.worse
    ]
    rate = f"{100 * gate.class_refusals:.3g} % of candidates that are worse on no class are refused by this"
    tested = f"Of {len(classes)} classes {len(guard.guarded)} were tested for being worse; at most {rate}."
    if guard.unguarded:
        named = ", ".join(classes[at] for at in guard.unguarded[:NAMED])
        more = f" and {len(guard.unguarded) - NAMED} more" if len(guard.unguarded) > NAMED else ""
        needed = groups_needed(gate.class_refusals, len(guard.guarded) + 1)
        tested += f" Not guarded yet, for that needs {needed} groups of the class: {named}{more}."
    return (*said, tested)


def _detects(found: Power | None) -> tuple[str, ...]:
    """What the sample could have detected, as a sentence; nothing where that is not known."""
    if found is None:
        return ()
    often = f"in {100 * OFTEN:.0f} of 100 samples of this size"
    better, worse = (None if one is None else f"{100 * one:.1f} points" for one in (found.passes, found.fails))
    passes = f"one that is {better} better passes {often}" if better else "no candidate passes that often"
    fails = f"one that is {worse} worse is refused" if worse else "none is refused that often"
    if found.fails == 0:
        fails = "one that is as good is refused as often"
    slips = f"one that is {100 * LOSS:.0f} points worse passes in {100 * found.slips:.0f} of 100"
    return (f"What this could have detected: {passes}, {fails}; {slips}.",)


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
