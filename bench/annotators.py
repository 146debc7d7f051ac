"""Who is found without given gold: one of a team errs in half of the answers; and how often others are paused.

Somebody errs from the beginning, or after 100 good answers of each: then second answers have become few.

A simulated team answers images one each; second answers go where the product's own rule sends them (`labeling.review.
overlap`), a third where two disagree, and the product's own rule that pauses judges after every 10 answers each. The
classifier's predictions are right on 75 of 100 images. Honest people err on 5 of 100. Also: how many images get a
second answer in teams of honest people who err on 1 and on 5 of 100; and how often somebody of an honest team is
paused over a whole project: 30 answers to gold and 600 others of each, judged once over all of it, for the evidence is
the highest that there ever was. In an arm of its own a lead decides what people disagree about, and corrects a tenth of
the wrong labels that one person gave. What gold alone gives is exact, however many answers there are.

`--honest` is another rate of their errors. `--whole-share` always asks the whole share twice, also while it finds
nothing, which the product does not do.

python -m bench.annotators [--quick] [--honest 0.05] [--whole-share]
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from bench.report import at_least, at_most, emit
from labeling.quality.annotators.evidence import STEPS, WEIGHTS
from labeling.quality.annotators.pausing import ALPHA, SHARE_OF_ALPHA, TOLERATED_ERRORS, Harm, find_harm
from labeling.quality.annotators.references import Answer
from labeling.review.overlap import Answered, choose, error_rates, second_answers
from labeling.types import ReviewId, ReviewKind

CLASSES, MODEL_RIGHT, HONEST_ERROR, BAD_ERROR = 6, 0.75, 0.05, 0.5
SHARE, ROUND = 0.1, 10
RATES, TEAMS = (0.01, 0.05), 20
"""The rates of honest people whose second answers are counted, in so many teams each."""
EVER: tuple[tuple[str, int, dict[str, bool]], ...] = (
    ("honest_ever_paused", 20, {}),
    ("honest_ever_paused_where_leads_decide", 20, {"leads": True}),
    ("honest_ever_paused_if_unmarked", 10, {"marked": False}),
)
"""Arms over a whole project, of so many teams. The last is what would happen if a first answer counted like others."""
ON_GOLD = (0.01, 0.05, 0.08)
GOLD, WHOLE, CORRECTED = 30, 60, 0.1
"""Of a whole project: answers to gold of each, rounds, and the share of wrong labels that a lead corrects."""
START = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass
class Project:
    """Who said what of which image, with its truth and what was predicted."""

    rng: np.random.Generator
    errors: list[float]
    whole_share: bool = False
    truth: list[int] = field(default_factory=list)
    predicted: list[tuple[float, ...]] = field(default_factory=list)
    said: list[dict[int, int]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    asked_twice: int = 0
    repeated: int = 0
    at_last: int = 0

    def play_round(self) -> None:
        """Everybody answers new images; then second and third answers come."""
        for person in range(len(self.errors)):
            for _ in range(ROUND):
                self._ask_new(person)
        for image in self._second():
            self.asked_twice += 1
            self.at_last = len(self.said)
            self._ask_another(image)
            self.repeated = self.repeated + 1 if len(set(self.said[image].values())) == 1 else 0
        for image, said in enumerate(self.said):
            if len(said) == 2 and len(set(said.values())) == 2 and len(self.errors) > 2:
                self._ask_another(image)

    def decided(self, rng: np.random.Generator) -> list[int]:
        """The images that a lead decides: those without a majority, and some of those whose label is wrong."""
        disputed, wrong = [], []
        for image, said in enumerate(self.said):
            label, often = Counter(said.values()).most_common(1)[0]
            if 2 * often <= len(said):
                disputed.append(image)
            elif label != self.truth[image]:
                wrong.append(image)
        return [*disputed, *(image for image in wrong if rng.random() < CORRECTED)]

    def _ask_new(self, person: int) -> None:
        truth = int(self.rng.integers(CLASSES))
        seen = truth if self.rng.random() < MODEL_RIGHT else self._other(truth)
        probs = np.full(CLASSES, 0.4 / (CLASSES - 1))
        probs[seen] = 0.6
        self.truth.append(truth)
        self.predicted.append(tuple(probs.tolist()))
        self.said.append({})
        self._answer(len(self.truth) - 1, person)

    def _second(self) -> list[int]:
        alone = [
            Answered(ReviewId(image), ReviewKind.HARD, *next(iter(said.items())), False, self.predicted[image])
            for image, said in enumerate(self.said)
            if len(said) == 1
        ]
        rates = error_rates({who: str(label) for who, label in said.items()} for said in self.said)
        budget = second_answers(
            SHARE,
            answered=len(self.said),
            several=self.asked_twice,
            since=len(self.said) - self.at_last,
            repeated=0 if self.whole_share else self.repeated,
        )
        return [int(one) for one in choose(alone, rates, answers=CLASSES, budget=budget)]

    def _ask_another(self, image: int) -> None:
        left = [who for who in range(len(self.errors)) if who not in self.said[image]]
        self._answer(image, int(self.rng.choice(left)))

    def _answer(self, image: int, person: int) -> None:
        truth = self.truth[image]
        label = self._other(truth) if self.rng.random() < self.errors[person] else truth
        self.said[image][person] = label
        at = START + timedelta(seconds=len(self.answers))
        likeliest = int(np.argmax(self.predicted[image]))
        first = len(self.said[image]) == 1
        self.answers.append(Answer(person, image, str(label), at, predicted=str(likeliest), doubted=first))

    def _other(self, truth: int) -> int:
        return int((truth + self.rng.integers(1, CLASSES)) % CLASSES)


def found_after(
    seed: int, errors: list[float], rounds: int, good: int = 0, *, whole_share: bool = False
) -> dict[int, int]:
    """Annotator -> after how many answers of each the rule finds them; the first errs as others in `good` rounds."""
    project, found = Project(np.random.default_rng(seed), list(errors), whole_share), dict[int, int]()
    for k in range(1, rounds + 1):
        project.errors[0] = errors[0] if k > good else errors[1]
        project.play_round()
        for finding in find_harm(project.answers, set(found)):
            found.setdefault(finding.annotator, k * ROUND)
    return found


def asked_twice(seed: int, errors: list[float], rounds: int, *, whole_share: bool = False) -> float:
    """The share of the images that have got a second answer by doubt after so many rounds."""
    project = Project(np.random.default_rng(seed), list(errors), whole_share)
    for _ in range(rounds):
        project.play_round()
    return project.asked_twice / len(project.said)


def paused_ever(
    seed: int, errors: list[float], rounds: int, gold: int, *, leads: bool = False, marked: bool = True
) -> set[int]:
    """Whom the rule finds in so many rounds after so many answers to gold; `leads`: somebody decides and corrects.

    Not `marked`: it is not said which answers others were asked about.
    """
    project, rng = Project(np.random.default_rng(seed), list(errors)), np.random.default_rng([seed, 1])
    before = START - timedelta(days=1)
    given = [
        Answer(who, -1 - image, str(int(rng.random() < errs)), before + timedelta(seconds=image), known="0", gold=True)
        for who, errs in enumerate(errors)
        for image in range(gold)
    ]
    for _ in range(rounds):
        project.play_round()
    decided = {image: str(project.truth[image]) for image in project.decided(rng)} if leads else {}
    answers = [replace(one, decided=decided.get(one.image), doubted=one.doubted and marked) for one in project.answers]
    return {one.annotator for one in find_harm([*given, *answers])}


def chance_on_gold(rate: float, most: int = 300) -> float:
    """The chance that somebody who errs at this rate is ever paused by gold alone, within so many answers."""
    steps, needed = np.array(STEPS), -math.log(ALPHA * SHARE_OF_ALPHA[Harm.ERRORS])
    bad, good = np.log1p(steps * (1 - TOLERATED_ERRORS) / TOLERATED_ERRORS), np.log1p(-steps)
    wrong = np.arange(most + 1)
    alive, paused = (wrong == 0).astype(np.float64), 0.0  # the chance of so many wrong answers, and no pause yet
    for n in range(1, most + 1):
        alive = alive * (1 - rate) + np.append(0.0, alive[:-1]) * rate
        each = np.log(WEIGHTS) + np.outer(wrong, bad) + np.outer(n - wrong, good)  # (wrong answers, alternatives)
        reached = (np.logaddexp.reduce(each, axis=1) >= needed) & (wrong <= n)
        paused += float(alive[reached].sum())
        alive[reached] = 0.0
    return paused


def of_size(people: int, runs: int, honest_errors: float, *, whole_share: bool) -> dict[str, float]:
    """What becomes of so many teams of this size; shares of the teams, but `honest_ever_paused` of the people."""
    honest, how = [honest_errors] * people, {"whole_share": whole_share}
    one_errs = [BAD_ERROR, *honest[1:]]
    with_one = [found_after(seed, one_errs, 10, **how) for seed in range(runs)]
    later = [found_after(seed, one_errs, 30, good=10, **how) for seed in range(runs)]
    line = {
        "people": people,
        "found": sum(0 in found for found in with_one) / runs,
        "honest_paused": sum(bool(found.keys() - {0}) for found in with_one) / runs,
        "honest_team": sum(bool(found_after(seed, honest, 10, **how)) for seed in range(runs)) / runs,
        "found_within_200_once_they_err": sum(found.get(0, 0) > 10 * ROUND for found in later) / runs,
    }
    for errs in RATES:
        twice = [asked_twice(seed, [errs] * people, 10, **how) for seed in range(TEAMS)]
        line[f"asked_twice_where_{errs:g}_err"] = round(float(np.mean(twice)), 4)
    for name, teams, how_ever in EVER:
        ever = [len(paused_ever(seed, honest, WHOLE, GOLD, **how_ever)) for seed in range(teams * runs // 100)]
        line[name] = round(float(np.mean(ever)) / people, 4)
    return line


def main() -> None:
    """Teams of three and of five, with and without one who errs in half."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the teams: 20 an arm in place of 100")
    parser.add_argument(
        "--honest", type=float, default=HONEST_ERROR, help="the share of wrong answers of honest people"
    )
    parser.add_argument("--whole-share", action="store_true", help="always ask the whole share twice")
    options = parser.parse_args()
    runs = 20 if options.quick else 100
    lines = [of_size(people, runs, options.honest, whole_share=options.whole_share) for people in (3, 5)]
    paused = [line[name] for line in lines for name in ("honest_paused", "honest_team")]
    ever = [line[name] for line in lines for name, _, _ in EVER[:2]]
    on_gold = {f"paused_on_gold_where_{errs:g}_err": round(chance_on_gold(errs), 4) for errs in ON_GOLD}
    targets = {
        "found_within_100": at_least(min(line["found"] for line in lines), 0.95),
        "false_pauses": at_most(max(paused), 0.02),
        "honest_ever_paused": at_most(max(ever), 0.02),
    }
    emit("annotators", targets, [*lines, on_gold])


if __name__ == "__main__":
    main()
