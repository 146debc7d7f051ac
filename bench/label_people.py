"""What people answer in one run of `bench.labels`, and the labels that follow.

In: the answers that each of a few people would give to each image. Out: a log, one entry an answer, and the labels that
follow from any beginning of it. Another person is asked where the product asks one: by doubt, where two differ, in
blind re-reviews, and about images of the random stream where a certificate is wanted; those last entries are marked,
because nothing that is asked later depends on them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from labeling.answers import Answer, AnswerSet
from labeling.project import Policy
from labeling.quality.labels.re_review_plan import chance_order, next_plan
from labeling.review.consensus import Vote, consensus
from labeling.review.overlap import BY_DOUBT, Answered, choose, error_rates, second_answers
from labeling.review.re_reviews import ANSWERS, Outcome, outcome_of
from labeling.types import ReviewId, ReviewKind

__all__ = ["PEOPLE", "Given", "Labels", "People", "counted", "labels_of"]

PEOPLE = 4
"""Of one image none is asked twice; each gives all first answers to a quarter of the images."""
RE_REVIEWS_FROM = 100
"""As `service.work.quality.re_reviews.STANDING_FROM`."""
_NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Given:
    """One answer: `kind` of the review that first asked about the image, the class `said`, and who said it.

    `re_review`: given blind about a label that stands. `certifies`: only a certificate needs it.
    """

    row: int
    kind: ReviewKind
    person: int
    said: int
    re_review: bool = False
    certifies: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Rows (n,) with a label, their classes (n,), and which may be learnt from (n,): not those of the stream."""

    rows: Rows
    classes: Rows
    teaches: NDArray[np.bool_]


@dataclass(slots=True, eq=False)
class People:
    """A team and all its answers in order; `would` (PEOPLE, N) is the class that each says of each image when asked."""

    would: Rows
    n_classes: int
    seed: int
    log: list[Given] = field(default_factory=list)
    _asked: dict[int, list[Given]] = field(default_factory=lambda: defaultdict(list))
    _predicted: dict[int, tuple[float, ...]] = field(default_factory=dict)
    _accepted: set[int] = field(default_factory=set)
    _plan: tuple[Rows, NDArray[np.float64]] | None = None
    _at_last: int = 0
    """How many images the strategy had asked about when one of them was asked twice last."""

    @property
    def answers(self) -> int:
        """All answers but those that only a certificate needs."""
        return sum(not one.certifies for one in self.log)

    def ask(self, row: int, kind: ReviewKind, *, re_review: bool = False, certifies: bool = False) -> Given:
        """The next person's answer about an image."""
        nth = sum(certifies or not one.certifies for one in self._asked[row])
        person = (row + nth) % PEOPLE
        found = Given(row, kind, person, int(self.would[person, row]), re_review, certifies)
        self.log.append(found)
        self._asked[row].append(found)
        return found

    def show(self, row: int, predicted: Sequence[float], *, blind: bool) -> None:
        """Ask a first person about an image that the strategy picked; `predicted` (K,) of it before, or nothing."""
        said = self.ask(row, ReviewKind.HARD).said
        self._predicted[row] = tuple(predicted)
        if len(predicted) and not blind and said == int(np.argmax(predicted)):
            self._accepted.add(row)

    def ask_others(self, policy: Policy) -> None:
        """Second answers by doubt, as many as the policy allows, then third ones where two differ."""
        of_strategy = {row: those for row, those in self._own().items() if those[0].kind in BY_DOUBT}
        several = sum(len(those) > 1 for those in of_strategy.values())
        alone = [self._answered(those[0]) for those in of_strategy.values() if len(those) == 1]
        rates = error_rates(_said(those) for those in of_strategy.values())
        budget = second_answers(
            float(policy.overlap.share),
            answered=len(of_strategy),
            several=several,
            since=len(of_strategy) - self._at_last,
            repeated=self._repeated(),
        )
        self._at_last = len(of_strategy) if budget > 0 else self._at_last
        for row in choose(alone, rates, answers=self.n_classes + 1, budget=budget):
            if self.ask(int(row), ReviewKind.HARD).said != of_strategy[int(row)][0].said and policy.overlap.people > 2:
                self.ask(int(row), ReviewKind.HARD)

    def re_reviews_due(self, policy: Policy) -> int:
        """How many labels are to be re-reviewed blind now."""
        if len(labels_of(self._counting()).rows) < RE_REVIEWS_FROM:
            return 0
        return int(policy.shares.re_review * self.answers) - len(self._re_reviewed())

    def lacks_plan(self) -> bool:
        """Whether labels have doubled since re-reviews were planned, so that a new `plan` is due."""
        return self._plan is None or len(labels_of(self._counting()).rows) >= 2 * len(self._plan[0])

    def plan(self, rows: Rows, suspicion: NDArray[np.float64]) -> None:
        """Draw re-reviews from these labels (n,) from here on, an eighth of them the most suspicious (n,)."""
        self._plan = rows, suspicion

    def re_review(self, n: int) -> None:
        """Have n labels of the plan re-reviewed blind, by one person, or two where that one differs."""
        if self._plan is None or n < 1:
            return
        rows, suspicion = self._plan
        before = np.isin(rows, list(self._re_reviewed()))
        found = next_plan(suspicion, chance_order(rows.tolist(), self.seed, ""), before, n)
        stands = labels_of(self._counting())
        label = dict(zip(stands.rows.tolist(), stands.classes.tolist(), strict=True))
        own = self._own()
        for row in rows[found.all][~before[found.all]].tolist():
            said: list[str] = []
            while row in label and len(said) < min(ANSWERS, PEOPLE - len(own[row])):
                said.append(str(self.ask(row, self._asked[row][0].kind, re_review=True).said))
                if outcome_of(str(label[row]), said) is not Outcome.OPEN:
                    break

    def certify(self, says: Mapping[int, int]) -> None:
        """Second answers about images of the stream whose answer is not what the version `says`; a third decides."""
        for row, those in list(self._asked.items()):
            if those[0].kind is not ReviewKind.RANDOM or any(one.certifies for one in those):
                continue
            if says[row] != those[0].said and self.ask(row, ReviewKind.RANDOM, certifies=True).said != those[0].said:
                self.ask(row, ReviewKind.RANDOM, certifies=True)

    def _repeated(self) -> int:
        """How many of the newest second answers by doubt in a row said what the first had said."""
        firsts, run = dict[int, list[int]](), 0
        for one in self.log:
            if one.kind not in BY_DOUBT or one.re_review or one.certifies:
                continue
            said = firsts.setdefault(one.row, [])
            said.append(one.said)
            if len(said) == 2:
                run = run + 1 if said[0] == said[1] else 0
        return run

    def _own(self) -> dict[int, list[Given]]:
        """The answers to each image's own review."""
        return {
            row: [one for one in those if not one.re_review and not one.certifies] for row, those in self._asked.items()
        }

    def _re_reviewed(self) -> set[int]:
        return {one.row for one in self.log if one.re_review}

    def _counting(self) -> list[Given]:
        return [one for one in self.log if not one.certifies]

    def _answered(self, one: Given) -> Answered:
        predicted = self._predicted[one.row]
        return Answered(
            ReviewId(one.row),
            one.kind,
            one.person,
            one.said,
            one.row in self._accepted,
            (*predicted, 0.0) if predicted else (),
        )


def counted(log: Sequence[Given], answers: int, *, certified: bool) -> list[Given]:
    """The beginning of a log that holds so many answers, with or without those that only a certificate needs."""
    return [one for one in log if certified or not one.certifies][:answers]


def labels_of(log: Iterable[Given]) -> Labels:
    """The labels that follow from these answers: one person's, or what more than half of several say.

    A re-review changes no label before two people contradict it. An image on which people differ has no label.
    """
    by_row: dict[int, list[Given]] = defaultdict(list)
    for one in log:
        by_row[one.row].append(one)
    labels = {row: label for row, those in by_row.items() if (label := _label(those)) is not None}
    teaches = [by_row[row][0].kind is not ReviewKind.RANDOM for row in labels]
    return Labels(np.array(list(labels), np.int64), np.array(list(labels.values()), np.int64), np.array(teaches, bool))


def _label(those: Sequence[Given]) -> int | None:
    own, others = [one for one in those if not one.re_review], [one for one in those if one.re_review]
    label = _majority(own)
    if label is None or len(others) < 2 or outcome_of(str(label), [str(one.said) for one in others]) is Outcome.UPHELD:
        return label
    return _majority([*own, *others])


def _majority(those: Sequence[Given]) -> int | None:
    if len(those) == 1:
        return those[0].said
    names = AnswerSet(tuple(dict.fromkeys(str(one.said) for one in those)))
    found = consensus((Vote(one.person, Answer((str(one.said),)), _NOON) for one in those), names)
    return None if found is None else int(found)


def _said(those: Iterable[Given]) -> dict[int, str]:
    return {one.person: str(one.said) for one in those}
