"""Who is found without given gold: one of a team errs in half of the answers; and how often others are paused.

Somebody errs from the beginning, or after 100 good answers of each: then second answers have become few.

A simulated team answers images one each; second answers go where the product's own rule sends them (`labeling.review.
overlap`), a third where two disagree, and the product's own rule that pauses judges after every 10 answers each. The
classifier's predictions are right on 75 of 100 images. Honest people err on 5 of 100.

python -m bench.annotators [--quick]
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from bench.report import at_least, at_most, emit
from labeling.quality.annotators.pausing import find_harm
from labeling.quality.annotators.references import Answer
from labeling.review.overlap import Answered, choose, error_rates, second_answers
from labeling.types import ReviewId, ReviewKind

CLASSES, MODEL_RIGHT, HONEST_ERROR, BAD_ERROR = 6, 0.75, 0.05, 0.5
SHARE, ROUND = 0.1, 10
START = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass
class Project:
    """Who said what of which image, with its truth and what was predicted."""

    rng: np.random.Generator
    errors: list[float]
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
            repeated=self.repeated,
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
        self.answers.append(Answer(person, image, str(label), at, predicted=str(likeliest)))

    def _other(self, truth: int) -> int:
        return int((truth + self.rng.integers(1, CLASSES)) % CLASSES)


def found_after(seed: int, errors: list[float], rounds: int, good: int = 0) -> dict[int, int]:
    """Annotator -> after how many answers of each the rule finds them; the first errs as others in `good` rounds."""
    project, found = Project(np.random.default_rng(seed), list(errors)), dict[int, int]()
    for k in range(1, rounds + 1):
        project.errors[0] = errors[0] if k > good else errors[1]
        project.play_round()
        for finding in find_harm(project.answers, set(found)):
            found.setdefault(finding.annotator, k * ROUND)
    return found


def main() -> None:
    """Teams of three and of five, with and without one who errs in half."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 teams an arm in place of 100")
    runs = 20 if parser.parse_args().quick else 100
    lines, measured = [], defaultdict[str, list[float]](list)
    for people in (3, 5):
        honest = [HONEST_ERROR] * people
        with_one = [found_after(seed, [BAD_ERROR, *honest[1:]], 10) for seed in range(runs)]
        without = [found_after(seed, honest, 10) for seed in range(runs)]
        caught = sum(0 in found for found in with_one) / runs
        beside = sum(bool(found.keys() - {0}) for found in with_one) / runs
        alone = sum(bool(found) for found in without) / runs
        later = [found_after(seed, [BAD_ERROR, *honest[1:]], 30, good=10) for seed in range(runs)]
        turned = sum(found.get(0, 0) > 10 * ROUND for found in later) / runs
        lines.append({"people": people, "found": caught, "honest_paused": beside, "honest_team": alone})
        lines[-1] |= {"found_within_200_once_they_err": turned}
        measured["found"].append(caught)
        measured["paused"] += [beside, alone]
    targets = {
        "found_within_100": at_least(min(measured["found"]), 0.95),
        "false_pauses": at_most(max(measured["paused"]), 0.02),
    }
    emit("annotators", targets, lines)


if __name__ == "__main__":
    main()
