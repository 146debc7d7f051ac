"""When an annotator should be paused: a sequential test of each annotator's answers, not a threshold on a share.

In: answers with what is known of their images. Out: findings, the clearest first. There are four tests: errors against
gold and against people who agree with each other, pre-labels that are accepted unread, two people who make the same
mistakes, and one who can tell hardly any image. Each is an e-process, so it may be repeated after every answer: an
annotator who errs at no more than the tolerated rate is found with a probability of at most `ALPHA` over the whole run,
however long it is. No annotator is compared with one who was found already.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import permutations
from statistics import median

import numpy as np

from labeling.quality.annotators.evidence import log_evidence
from labeling.quality.annotators.references import Answer, Reference, Votes, collect_votes, compared, reference_of

__all__ = ["ALPHA", "SHARE_OF_ALPHA", "TOLERATED_ERRORS", "Finding", "Harm", "find_harm", "quick_limits"]

ALPHA = 0.05
"""The chance that an annotator within the tolerated rates is ever found; shared among the four kinds of harm."""
TOLERATED_ERRORS, TOLERATED_COPIES, TOLERATED_SAME, TOLERATED_DOUBTS = 0.08, 0.20, 0.30, 0.50
"""Errors among answers with known truth; quick copies of pre-labels; own mistakes that another person makes too; images
that they could not tell."""
TOLERATED_CONTRADICTIONS = 0.35
"""Of compared answers that are not judged like gold: those that a lead contradicts, or prediction and others together.

Far more than of errors: another person is asked where an answer is likely to be wrong.
"""
MOST_TOLERATED, MOST_CONTRADICTIONS, MOST_DOUBTS = 0.5, 0.9, 0.9
"""However bad the others are, no more than this is tolerated."""
FACTOR = 1.5
"""The tolerated rate is this times the median of the others, if that is more."""
PRIOR = 10
"""Each rate starts with so many imagined answers, of which half the tolerated rate are wrong."""
QUICK = 0.25
"""An answer is quick if it takes less than this part of the others' median time."""
FEWEST_TIMES = 10
FEWEST_KNOWN = 10
"""With fewer images of known truth the others alone do not blame an annotator: the prediction must contradict them too.

Two who collude could blame a third. Simulated without gold and predictions: a pair that shares 30 % of wrong answers
got 17 % of the honest others found.
"""


class Harm(StrEnum):
    """What an annotator was found to do; `SHARE_OF_ALPHA` has the share of `ALPHA` of each."""

    ERRORS = "errs more than the team"
    COPIES = "accepts pre-labels without a look"
    SAME = "makes the same mistakes as somebody else"
    DOUBTS = "cannot tell most of the images"


_LARGEST = 600.0
"""Evidence is reported up to so many nats: beyond them the number would overflow."""
SHARE_OF_ALPHA = {Harm.ERRORS: 0.65, Harm.COPIES: 0.1, Harm.SAME: 0.2, Harm.DOUBTS: 0.05}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one annotator: `count` of `n` answers, where `tolerated` was the allowed rate.

    `evidence` is how many times likelier the answers are with harm than without it; it had to reach `needed`.
    `partner` is the other annotator of a pair.
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
    """One answer that can be checked, since when, whether it counts against the person, and the rate tolerated then.

    `assured`: the reference may be relied on; otherwise prediction and others stand against the person together.
    """

    at: datetime
    answer: Answer
    bad: bool
    tolerated: float = 0.0
    assured: bool = True


@dataclass(frozen=True, slots=True)
class _Rates:
    """What is tolerated at least, and at most."""

    floor: float
    most: float = MOST_TOLERATED


def _same(floor: float, most: float = MOST_TOLERATED) -> dict[bool, _Rates]:
    """The same rates for all events."""
    return dict.fromkeys((True, False), _Rates(floor, most))


_ERRORS = {True: _Rates(TOLERATED_ERRORS), False: _Rates(TOLERATED_CONTRADICTIONS, MOST_CONTRADICTIONS)}


def find_harm(
    answers: Sequence[Answer], excused: Set[int] = frozenset(), doubts: Sequence[Answer] = ()
) -> list[Finding]:
    """The annotators to pause, the clearest first; each once, both of a pair.

    Parameters
    ----------
    answers : sequence of Answer
        All that count, in any order. Of an annotator who takes part again, only those since then.
    excused : set of int
        Annotators who are paused already: they are not tested, and nobody is compared with them.
    doubts : sequence of Answer
        Those that tell nothing ("unsure", skips), of the same people; what they say is not read.

    Returns
    -------
    list of Finding

    Notes
    -----
    Source: Shafer et al. (2011), "Test martingales, Bayes factors and p-values"; Ville's inequality.
    """
    votes, found = collect_votes(answers), list[Finding]()
    judged = {answer.annotator for answer in (*answers, *doubts)} - excused
    out = set(excused)
    while judged:
        candidates = list(_candidates(answers, doubts, votes, judged, out))
        clearest = max(candidates, key=lambda finding: finding.excess, default=None)
        if clearest is None:
            break
        pair = {clearest.annotator, clearest.partner}
        found += [one for one in candidates if one.harm is clearest.harm and {one.annotator, one.partner} == pair]
        out |= {one.annotator for one in found}
        judged -= out
    return found


def quick_limits(answers: Iterable[Answer]) -> dict[int, float]:
    """The seconds below which an answer is quick, by person; left out where the others have too few times."""
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


def _candidates(
    answers: Sequence[Answer], doubts: Sequence[Answer], votes: Votes, judged: Set[int], out: Set[int]
) -> Iterator[Finding]:
    errors = _by_person(_errors(answers, votes, judged, out), _ERRORS)
    copies = _by_person(_copies(answers, judged), _same(TOLERATED_COPIES))
    asked = [_Event(one.at, one, bad) for bad, some in ((False, answers), (True, doubts)) for one in some]
    cannot_tell = _by_person((e for e in asked if e.answer.annotator in judged), _same(TOLERATED_DOUBTS, MOST_DOUBTS))
    for harm, by_person in ((Harm.ERRORS, errors), (Harm.COPIES, copies), (Harm.DOUBTS, cannot_tell)):
        for who, events in by_person.items():
            yield from _judge(who, harm, events, 1 / (ALPHA * SHARE_OF_ALPHA[harm]))
    for first, second in permutations(sorted(errors), 2):
        yield from _same_mistakes(first, second, errors[first], votes, len(errors) - 1)


def _errors(answers: Sequence[Answer], votes: Votes, judged: Set[int], out: Set[int]) -> Iterator[_Event]:
    """Answers whose truth is known, and those about which somebody else answered too.

    Gold is chosen whatever people say, so it alone is assured; of somebody with enough of it also what others say of an
    image about which they were not asked first. Else wrong is what the prediction contradicts too, or a lead, and right
    what one other repeats.
    """
    known = Counter(answer.annotator for answer in answers if answer.known is not None)
    for answer in answers:
        if answer.annotator not in judged:
            continue
        chosen = answer.doubted or answer.decided is not None
        enough = known[answer.annotator] >= FEWEST_KNOWN and not chosen
        if answer.known is not None:
            yield _Event(answer.at, answer, answer.said != answer.known)
        elif enough or answer.decided is not None:
            found = compared(answer, votes, out)
            if found is not None:
                at, wrong = found
                yield _Event(at, answer, wrong, assured=enough)
        elif answer.predicted is not None:
            yield from _contradicted(answer, reference_of(answer, votes, out))


def _contradicted(answer: Answer, reference: Reference | None) -> Iterator[_Event]:
    if reference is not None and reference.unanimous:
        differs = answer.said != reference.value
        if not differs or reference.people > 1:
            yield _Event(reference.at, answer, differs and answer.said != answer.predicted, assured=False)


def _copies(answers: Sequence[Answer], judged: Set[int]) -> Iterator[_Event]:
    """Answers to tasks that showed a pre-label."""
    limits = quick_limits(answers)
    for answer in answers:
        who, time = answer.annotator, answer.lead_time_s
        if who in judged and who in limits and answer.shown is not None and time is not None:
            yield _Event(answer.at, answer, answer.said == answer.shown and time < limits[who])


def _by_person(events: Iterable[_Event], rates: Mapping[bool, _Rates]) -> dict[int, list[_Event]]:
    """Each person's events in their order; the tolerated rate follows from the others' answers up to then.

    `rates` are by whether an event is assured; the two are counted apart.
    """
    in_order = sorted(events, key=lambda event: (event.at, event.answer.annotator, event.answer.image))
    people = sorted({event.answer.annotator for event in in_order})
    bad = {(who, assured): PRIOR * one.floor / 2 for who in people for assured, one in rates.items()}
    n = dict.fromkeys(bad, float(PRIOR))
    found: dict[int, list[_Event]] = defaultdict(list)
    for event in in_order:
        who, assured = event.answer.annotator, event.assured
        others = [bad[other, assured] / n[other, assured] for other in people if other != who]
        one, usual = rates[assured], median(others) if others else 0.0
        found[who].append(replace(event, tolerated=min(one.most, max(one.floor, FACTOR * usual))))
        bad[who, assured] += event.bad
        n[who, assured] += 1
    return found


def _same_mistakes(who: int, partner: int, errors: Sequence[_Event], votes: Votes, partners: int) -> Iterator[Finding]:
    """Mistakes against gold that a partner makes in the same way, more often than mistakes are shared by chance."""
    both = [e for e in errors if e.answer.known is not None and partner in votes[e.answer.image]]
    shared = [(votes[e.answer.image][partner].said == e.answer.said, TOLERATED_SAME) if e.bad else None for e in both]
    yield from _judge(who, Harm.SAME, both, partners / (ALPHA * SHARE_OF_ALPHA[Harm.SAME]), partner, shared)


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
