"""When somebody should stop answering: a sequential test of each annotator's answers, not a threshold on a share.

In: answers with what is known of their images. Out: findings, the clearest first. Three things are looked for: errors
against gold and against people who agree with each other, pre-labels that are accepted without a look, and two people
who make the same mistakes. Each is an e-process, so that looking after every answer costs nothing: whoever errs at no
more than the tolerated rate is found with a probability of at most `ALPHA` over the whole run, however long it is.
Nobody is judged by somebody who was found already.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import permutations, zip_longest
from statistics import median

import numpy as np

from labeling.quality.annotators.references import Answer, Votes, collect_votes, reference_of

__all__ = ["ALPHA", "Finding", "Harm", "find_harm", "log_evidence", "quick_limits"]

ALPHA = 0.05
"""The chance that somebody who errs no more than is tolerated is ever found; shared among the three kinds of harm."""
TOLERATED_ERRORS, TOLERATED_COPIES, TOLERATED_SAME = 0.08, 0.20, 0.30
"""Of answers whose truth is known; of answers to a pre-label; of one's own mistakes, those that another makes too."""
FACTOR = 1.5
"""The team decides what is tolerated: half as many errors again as the median of the others, if that is more."""
PRIOR = 10
"""A rate starts as if it rested on so many answers, half the tolerated rate of them wrong."""
QUICK = 0.25
"""Quick is what takes less than this part of the others' median time."""
FEWEST_TIMES = 10
FEWEST_KNOWN = 10
"""Whoever has met fewer images whose truth is known is not judged by others: two who plot would blame the third.

Simulated without gold: a pair that shares 30 % of wrong answers got 17 % of the honest others found.
"""
STEPS = (0.1, 0.25, 0.5, 0.9)
WEIGHTS = (0.15, 0.5, 0.2, 0.15)
"""The alternatives lie so far from the tolerated rate towards 1; the evidence is their weighted mean."""


class Harm(StrEnum):
    """What somebody was found to do; the share of `ALPHA` that each may spend is in `_SHARE`."""

    ERRORS = "errs more than the team"
    COPIES = "accepts pre-labels without a look"
    SAME = "makes the same mistakes as somebody else"


_LARGEST = 600.0
"""Evidence is told up to so many nats: beyond, it is no number for a computer, nor for a person."""
_SHARE = {Harm.ERRORS: 0.7, Harm.COPIES: 0.1, Harm.SAME: 0.2}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one annotator: `count` of `n` answers, where `tolerated` was the rate allowed for.

    `evidence` is how many times likelier the answers are if there is harm than if there is none; it had to reach
    `needed`. `partner` is the other one of a pair.
    """

    annotator: int
    harm: Harm
    count: int
    n: int
    tolerated: float
    evidence: float
    needed: float
    partner: int | None = None

    @property
    def excess(self) -> float:
        """How far the evidence is over what was needed, as a logarithm."""
        return math.log(self.evidence / self.needed)


@dataclass(frozen=True, slots=True)
class _Event:
    """One answer as the test sees it: whether it counts against the person, and the rate tolerated then."""

    answer: Answer
    bad: bool
    tolerated: float


@dataclass(frozen=True, slots=True)
class _Trial:
    """One answer that can be checked, since when, and whether it counts against the person."""

    at: datetime
    answer: Answer
    bad: bool


def find_harm(answers: Sequence[Answer], excused: Set[int] = frozenset()) -> list[Finding]:
    """Whom the evidence tells to pause, the clearest first; each once, both of a pair.

    Parameters
    ----------
    answers : sequence of Answer
        All that count, in any order. Of somebody who takes part again, only those since then.
    excused : set of int
        Annotators who are paused already: they are not judged, nor is anybody by them.

    Returns
    -------
    list of Finding

    Notes
    -----
    Source: Shafer et al. (2011), "Test martingales, Bayes factors and p-values"; Ville's inequality.
    """
    votes, found = collect_votes(answers), list[Finding]()
    judged = {answer.annotator for answer in answers} - excused
    out = set(excused)
    while judged:
        candidates = list(_candidates(answers, votes, judged, out))
        clearest = max(candidates, key=lambda finding: finding.excess, default=None)
        if clearest is None:
            break
        pair = {clearest.annotator, clearest.partner}
        found += [one for one in candidates if one.harm is clearest.harm and {one.annotator, one.partner} == pair]
        out |= {one.annotator for one in found}
        judged -= out
    return found


def log_evidence(events: Iterable[tuple[bool, float]], shared: Iterable[tuple[bool, float] | None] = ()) -> float:
    """The highest that the logarithm of the e-process ever was.

    Parameters
    ----------
    events : iterable of (bad, tolerated rate)
        In the order in which they became known. Under the hypothesis each is bad with at most its tolerated rate,
        whatever came before.
    shared : iterable of (bad, tolerated rate) or None
        What is asked further of each event, given how it went; None: nothing. The two are multiplied.

    Examples
    --------
    >>> log_evidence([(True, 0.1)] * 3) > math.log(60) > log_evidence([(False, 0.1)] * 99)
    True
    """
    steps, highest = np.array(STEPS), 0.0
    sums = np.tile(np.log(WEIGHTS), (2, 1))  # (questions, alternatives)
    for together in zip_longest(events, shared):
        for question, event in enumerate(together):
            if event is not None:
                bad, tolerated = event
                sums[question] += np.log1p(steps * (1 - tolerated) / tolerated) if bad else np.log1p(-steps)
        highest = max(highest, float(np.logaddexp.reduce(sums, axis=1).sum()))
    return highest


def quick_limits(answers: Iterable[Answer]) -> dict[int, float]:
    """Under how many seconds an answer of each person is quick; nobody whose team has shown too few times."""
    times: dict[int, list[float]] = defaultdict(list)
    for answer in answers:
        if answer.lead_time_s is not None:
            times[answer.annotator].append(answer.lead_time_s)
    limits = {}
    for who in times:
        others = [time for other, theirs in times.items() if other != who for time in theirs]
        if len(others) >= FEWEST_TIMES:
            limits[who] = QUICK * float(np.median(others))
    return limits


def _candidates(answers: Sequence[Answer], votes: Votes, judged: Set[int], out: Set[int]) -> Iterator[Finding]:
    errors = _by_person(_errors(answers, votes, judged, out), TOLERATED_ERRORS)
    copies = _by_person(_copies(answers, judged), TOLERATED_COPIES)
    for harm, by_person in ((Harm.ERRORS, errors), (Harm.COPIES, copies)):
        for who, events in by_person.items():
            yield from _judge(who, harm, events, 1 / (ALPHA * _SHARE[harm]))
    for first, second in permutations(sorted(errors), 2):
        yield from _same_mistakes(first, second, errors[first], votes, len(errors) - 1)


def _errors(answers: Sequence[Answer], votes: Votes, judged: Set[int], out: Set[int]) -> Iterator[_Trial]:
    """Answers whose truth is known, and those about which at least two others agree."""
    known = Counter(answer.annotator for answer in answers if answer.known is not None)
    for answer in answers:
        if answer.annotator in judged:
            reference = reference_of(answer, votes, out)
            if reference is None or (reference.people and known[answer.annotator] < FEWEST_KNOWN):
                continue
            if reference.unanimous and reference.people != 1:
                yield _Trial(reference.at, answer, answer.said != reference.value)


def _copies(answers: Sequence[Answer], judged: Set[int]) -> Iterator[_Trial]:
    """Answers to tasks that showed a pre-label."""
    limits = quick_limits(answers)
    for answer in answers:
        who, time = answer.annotator, answer.lead_time_s
        if who in judged and who in limits and answer.shown is not None and time is not None:
            yield _Trial(answer.at, answer, answer.said == answer.shown and time < limits[who])


def _by_person(trials: Iterable[_Trial], floor: float) -> dict[int, list[_Event]]:
    """Each person's events in their order; what is tolerated follows from what the others had done by then."""
    in_order = sorted(trials, key=lambda trial: (trial.at, trial.answer.annotator, trial.answer.image))
    people = sorted({trial.answer.annotator for trial in in_order})
    bad, n = dict.fromkeys(people, PRIOR * floor / 2), dict.fromkeys(people, float(PRIOR))
    events: dict[int, list[_Event]] = defaultdict(list)
    for trial in in_order:
        who = trial.answer.annotator
        usual = median(bad[other] / n[other] for other in people if other != who) if len(people) > 1 else 0.0
        events[who].append(_Event(trial.answer, trial.bad, min(0.5, max(floor, FACTOR * usual))))
        bad[who] += trial.bad
        n[who] += 1
    return events


def _same_mistakes(who: int, partner: int, errors: Sequence[_Event], votes: Votes, partners: int) -> Iterator[Finding]:
    """Mistakes against gold that a partner makes in the same way, more often than mistakes are shared by chance."""
    both = [e for e in errors if e.answer.known is not None and partner in votes[e.answer.image]]
    shared = [(votes[e.answer.image][partner].said == e.answer.said, TOLERATED_SAME) if e.bad else None for e in both]
    yield from _judge(who, Harm.SAME, both, partners / (ALPHA * _SHARE[Harm.SAME]), partner, shared)


def _judge(
    who: int,
    harm: Harm,
    events: Sequence[_Event],
    needed: float,
    partner: int | None = None,
    shared: Sequence[tuple[bool, float] | None] = (),
) -> Iterator[Finding]:
    log_e = log_evidence(((event.bad, event.tolerated) for event in events), shared)
    if log_e >= math.log(needed):
        count = sum(bool(one and one[0]) for one in shared) if partner else sum(event.bad for event in events)
        evidence = math.exp(min(log_e, _LARGEST))
        yield Finding(who, harm, count, len(events), events[-1].tolerated, evidence, needed, partner)
