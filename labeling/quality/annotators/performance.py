"""Figures of each annotator: answers in, shares and times with their intervals out, person by person.

The truth of an image is gold, else a lead's decision, else the majority of the others' answers; never the person's own.
Under `MIN_LABELS` answers a figure is not yet known.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from labeling.estimates import MIN_LABELS, Estimate
from labeling.quality.annotators.pausing import quick_limits
from labeling.quality.annotators.references import Answer, Votes, collect_votes, reference_of
from labeling.quality.comparison import kappa
from labeling.quality.metrics import share

__all__ = ["AnnotatorFigures", "Drift", "OneClass", "Times", "describe", "difference", "sessions"]

BREAK = timedelta(minutes=30)
"""A longer pause between two answers begins a new session."""
SHORTEST = 9
"""Drift is measured in sessions of at least so many answers."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds an answer: the median, and the quarter points around it; `n` answers have a time."""

    median_s: float
    lower_s: float
    upper_s: float
    n: int

    @property
    def known(self) -> bool:
        """Whether it rests on enough answers to be shown as a number."""
        return self.n >= MIN_LABELS


@dataclass(frozen=True, slots=True)
class Drift:
    """The first third of every session against the last: the share of right answers, and the time."""

    early: Estimate
    late: Estimate
    change: Estimate
    early_s: float | None
    late_s: float | None


@dataclass(frozen=True, slots=True)
class OneClass:
    """How often an annotator is right on images that are truly of one class."""

    label: str
    right: Estimate


@dataclass(frozen=True, slots=True)
class AnnotatorFigures:
    """One person's figures; `answers` counts those that give a label, blind re-reviews among them.

    `cannot_tell` is the share of images of which they could not tell what they are. `agreement` and `kappa` compare
    with the majority of the others. `accepted_wrong` is the share of wrong pre-labels that were kept, `blind_error`
    the share of wrong answers where none was shown. `quick_copies` is the share of pre-labels kept in a fraction of the
    team's time. `commonest` is the answer given most often, `usual` how often the others give it.
    """

    annotator: int
    answers: int
    cannot_tell: Estimate
    gold: Estimate
    agreement: Estimate
    kappa: float | None
    accepted_wrong: Estimate
    blind_error: Estimate
    times: Times
    per_hour: float | None
    per_day: float | None
    drift: Drift
    quick_copies: Estimate
    commonest: str
    commonest_share: Estimate
    usual: Estimate
    classes: tuple[OneClass, ...]


def describe(
    answers: Sequence[Answer], doubts: Sequence[Answer] = (), beside: Sequence[Answer] = ()
) -> list[AnnotatorFigures]:
    """The figures of all who answered, in the order of their numbers.

    Parameters
    ----------
    answers : sequence of Answer
        Those that give a label and by which people are judged.
    doubts : sequence of Answer
        Those that tell nothing ("unsure", skips); what they say is not read.
    beside : sequence of Answer
        Answers to blind re-reviews: work that was done, so they count in `answers`, `times` and the pace. Many of these
        images were chosen for a suspicious label, so nobody is judged by them, neither who answered nor who is
        compared with that.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> noon = datetime(2026, 11, 21, tzinfo=UTC)
    >>> [one] = describe([Answer(1, 7, "cat", noon, known="cat", gold=True), Answer(1, 8, "cat", noon)])
    >>> one.answers, one.gold.value, one.gold.n, one.agreement.n
    (2, 1.0, 1, 0)
    """
    votes, limits = collect_votes(answers), quick_limits(answers)
    everything = Counter(answer.said for answer in answers)
    theirs: dict[int, list[Answer]] = defaultdict(list)
    for answer in sorted(answers, key=lambda answer: (answer.at, answer.image)):
        theirs[answer.annotator].append(answer)
    more: dict[int, list[Answer]] = defaultdict(list)
    for answer in beside:
        more[answer.annotator].append(answer)
    unsure = Counter(one.annotator for one in doubts)
    return [
        _figures(who, theirs[who], more[who], unsure[who], votes, limits.get(who), everything)
        for who in sorted(theirs.keys() | more.keys() | unsure.keys())
    ]


def difference(first: Estimate, second: Estimate) -> Estimate:
    """The first share minus the second, with an interval made from those of the two; it rests on the fewer answers.

    Notes
    -----
    Source: Newcombe (1998), "Interval estimation for the difference between independent proportions", method 10.

    Examples
    --------
    >>> found = difference(share(56, 70), share(48, 80))
    >>> [round(number, 4) for number in (found.value, found.lower, found.upper)]
    [0.2, 0.0439, 0.3442]
    """
    value = first.value - second.value
    down = math.hypot(first.value - first.lower, second.upper - second.value)
    up = math.hypot(first.upper - first.value, second.value - second.lower)
    return Estimate(value, max(-1.0, value - down), min(1.0, value + up), min(first.n, second.n))


def sessions(mine: Iterable[Answer]) -> list[list[Answer]]:
    """One person's answers, in the order of time, cut where there was a long pause."""
    found: list[list[Answer]] = []
    for answer in mine:
        if not found or answer.at - found[-1][-1].at > BREAK:
            found.append([])
        found[-1].append(answer)
    return found


def _figures(
    who: int,
    mine: list[Answer],
    beside: list[Answer],
    unsure: int,
    votes: Votes,
    quick_limit: float | None,
    everything: Counter[str],
) -> AnnotatorFigures:
    work = sorted((*mine, *beside), key=lambda answer: (answer.at, answer.image))
    truth = {id(answer): found.value for answer in mine if (found := reference_of(answer, votes)) is not None}
    checked = [(answer, truth[id(answer)]) for answer in mine if id(answer) in truth]
    alone = [(a, reference_of(replace(a, known=None, decided=None), votes)) for a in mine]
    peers = [(a, found.value) for a, found in alone if found is not None]
    said = Counter(answer.said for answer in mine)
    commonest, often = min(said.items(), key=lambda one: (-one[1], one[0]), default=("", 0))
    rest = everything.total() - len(mine)
    per_hour, per_day = _pace(work)
    return AnnotatorFigures(
        annotator=who,
        answers=len(work),
        cannot_tell=share(unsure, unsure + len(mine)),
        gold=_right([(answer, answer.known) for answer in mine if answer.gold and answer.known is not None]),
        agreement=_right(peers),
        kappa=_kappa(peers),
        accepted_wrong=_accepted_wrong(checked),
        blind_error=_blind_error(checked),
        times=_times(work),
        per_hour=per_hour,
        per_day=per_day,
        drift=_drift(mine, truth),
        quick_copies=_quick_copies(mine, quick_limit),
        commonest=commonest,
        commonest_share=share(often, len(mine)),
        usual=share(everything[commonest] - often, rest),
        classes=_classes(checked),
    )


Checked = Sequence[tuple[Answer, str]]


def _right(checked: Checked) -> Estimate:
    return share(sum(answer.said == true for answer, true in checked), len(checked))


def _accepted_wrong(checked: Checked) -> Estimate:
    """How often a wrong label that was shown was accepted."""
    misled = [answer for answer, true in checked if answer.shown not in (None, true)]
    return share(sum(answer.said == answer.shown for answer in misled), len(misled))


def _blind_error(checked: Checked) -> Estimate:
    """How often an answer was wrong where nothing was shown."""
    blind = [(answer, true) for answer, true in checked if answer.shown is None]
    return share(sum(answer.said != true for answer, true in blind), len(blind))


def _classes(checked: Checked) -> tuple[OneClass, ...]:
    """Of each true class, how often the answer was right."""
    labels = sorted({true for _, true in checked})
    return tuple(OneClass(label, _right([pair for pair in checked if pair[1] == label])) for label in labels)


def _kappa(checked: Checked) -> float | None:
    """Agreement beyond chance; None while there are too few answers."""
    if len(checked) < MIN_LABELS:
        return None
    names = {name: k for k, name in enumerate(sorted({n for answer, true in checked for n in (answer.said, true)}))}
    said = np.array([names[answer.said] for answer, _ in checked])
    return kappa(said, np.array([names[true] for _, true in checked]))


def _times(mine: Iterable[Answer]) -> Times:
    times = [answer.lead_time_s for answer in mine if answer.lead_time_s is not None]
    lower, median, upper = np.quantile(times, [0.25, 0.5, 0.75]) if times else (0.0, 0.0, 0.0)
    return Times(float(median), float(lower), float(upper), len(times))


def _pace(mine: list[Answer]) -> tuple[float | None, float | None]:
    """Answers an hour at work, and a day on which there was any; None while there are too few."""
    if len(mine) < MIN_LABELS:
        return None, None
    worked_s = sum((one[-1].at - one[0].at).total_seconds() + (one[0].lead_time_s or 0.0) for one in sessions(mine))
    days = len({answer.at.date() for answer in mine})
    return (3_600 * len(mine) / worked_s if worked_s > 0 else None), len(mine) / days


def _drift(mine: list[Answer], truth: dict[int, str]) -> Drift:
    long = [one for one in sessions(mine) if len(one) >= SHORTEST]
    early = [answer for one in long for answer in one[: len(one) // 3]]
    late = [answer for one in long for answer in one[-(len(one) // 3) :]]
    first, last = (_right([(a, truth[id(a)]) for a in part if id(a) in truth]) for part in (early, late))
    early_s, late_s = (times.median_s if times.known else None for times in (_times(early), _times(late)))
    return Drift(first, last, difference(last, first), early_s, late_s)


def _quick_copies(mine: Iterable[Answer], limit: float | None) -> Estimate:
    if limit is None:
        return share(0, 0)
    timed = [(a.said == a.shown, a.lead_time_s) for a in mine if a.shown is not None and a.lead_time_s is not None]
    return share(sum(copied and time < limit for copied, time in timed), len(timed))
