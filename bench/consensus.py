"""Which consensus is the better default: the majority, or one that weighs people by how well they agree?

Simulated projects of 300 images, six classes and three people, an engine and a classifier that are right in 70 and 75
of 100. Either all three people answer every image; or they are asked as by default: one person an image, who is shown
what the classifier says on nine of ten, a second on one image in ten by doubt, a third where two differ. An image gets
its label as the product gives it: by majority, and where enough answered and a method that weighs is more than half
sure of a class that one of them gave, by that. `together` of the wrong answers repeat what the classifier says wrongly,
as people err where an image really looks like something else; the others are any class. In an uneven team one of three
errs twice as often as all do on average, the two others half as often.

The rule, written down before the run: `crowdlab` is the default if in every cell at least as many labels are right as
by majority, and the 95 % upper bound of how many more are wrong is at most .1 points.

`--two` asks teams of two as by default, and lets CROWDLAB decide what the two disagree about, which the product does
not do. `--careless` has two of the three click at random, and says what every method makes of that; it has no target.

python -m bench.consensus [--quick] [--two | --careless]
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.report import Target, at_least, at_most, emit
from labeling.answers import AnswerSet
from labeling.project import Overlap
from labeling.quality.annotators.aggregation import aggregate
from labeling.quality.annotators.soft_labels import RaterAnswer
from labeling.review.overlap import Answered, choose
from labeling.types import ReviewId, ReviewKind
from service.labels.resolution import CROWDLAB, ENOUGH, MAJORITY, may_weigh

IMAGES, CLASSES, PEOPLE = 300, 6, 3
ENGINE_RIGHT, CLASSIFIER_RIGHT = 0.70, 0.75
METHODS = (MAJORITY, CROWDLAB)
RUNS = {0.02: 200, 0.05: 200, 0.10: 40, 0.20: 40}
"""Share of wrong answers -> projects a cell: the fewer wrong labels there are, the more projects tell a difference."""
CARELESS_RUNS = 10
SHOWN, MORE_WRONG = 0.9, 0.001
KNOWN = AnswerSet(tuple(f"class {k}" for k in range(CLASSES)))

NOBODY = -1
ALL_THREE, BY_DEFAULT = "all three", "by default"

Classes = NDArray[np.int64]
Probs = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cell:
    """The share of wrong answers, how many people are asked about every image, and how the wrong ones are spread.

    `people` are in the team; so many of them, `careless`, click at random.
    """

    wrong: float
    asked: str
    uneven: bool
    together: float
    people: int = PEOPLE
    careless: int = 0

    @property
    def rates(self) -> list[float]:
        """The share of wrong answers of each person. In an uneven team one errs four times as often as the others."""
        uneven = [2.0, 0.5, 0.5] if self.people == PEOPLE else [1.6, 0.4]
        rates = [self.wrong * one for one in (uneven if self.uneven else [1.0] * self.people)]
        return [1 - 1 / CLASSES] * self.careless + rates[self.careless :]


@dataclass(frozen=True, slots=True, eq=False)
class Project:
    """The truth (N,), what each of the people would answer (N, P), the engine's (N,), the classifier's (N, K)."""

    truth: Classes
    would: Classes
    engine: Classes
    probs: Probs


def project(rng: np.random.Generator, cell: Cell) -> Project:
    """One project in which so many answers are wrong."""
    truth = rng.integers(CLASSES, size=IMAGES)
    probs = _probabilities(rng, truth)
    engine = np.where(rng.random(IMAGES) < ENGINE_RIGHT, truth, _another(rng, truth))
    errs = rng.random((IMAGES, cell.people)) < np.array(cell.rates)
    looks_like = np.where(probs.argmax(axis=1) == truth, _another(rng, truth), probs.argmax(axis=1))
    alike = rng.random((IMAGES, cell.people)) < cell.together
    others = np.stack([_another(rng, truth) for _ in range(cell.people)], axis=1)
    mistaken = np.where(alike, looks_like[:, None], others)
    return Project(truth, np.where(errs, mistaken, truth[:, None]), engine, probs)


def _another(rng: np.random.Generator, truth: Classes) -> Classes:
    return np.asarray((truth + rng.integers(1, CLASSES, size=len(truth))) % CLASSES, np.int64)


def _probabilities(rng: np.random.Generator, truth: Classes) -> Probs:
    """Sure where right, less so where wrong."""
    right = rng.random(len(truth)) < CLASSIFIER_RIGHT
    named = np.where(right, truth, _another(rng, truth))
    top = np.where(right, rng.uniform(0.5, 0.99, len(truth)), rng.uniform(0.35, 0.8, len(truth)))
    probs = np.repeat(((1 - top) / (CLASSES - 1))[:, None], CLASSES, axis=1)
    probs[np.arange(len(truth)), named] = top
    return probs


def as_by_default(rng: np.random.Generator, made: Project) -> tuple[Classes, NDArray[np.bool_]]:
    """Who is asked by default: the answers (N, P), NOBODY where none was; and where one kept what was shown (N,)."""
    people = made.would.shape[1]
    order = rng.permuted(np.tile(np.arange(people), (IMAGES, 1)), axis=1)  # (N, P): the first, second, third asked
    said = np.full((IMAGES, people), NOBODY)
    every = np.arange(IMAGES)
    said[every, order[:, 0]] = made.would[every, order[:, 0]]
    kept = (rng.random(IMAGES) < SHOWN) & (made.would[every, order[:, 0]] == made.probs.argmax(axis=1))
    alone = [
        Answered(ReviewId(i), ReviewKind.HARD, who, int(said[i, who]), bool(kept[i]), (*made.probs[i].tolist(), 0.0))
        for i, who in enumerate(order[:, 0].tolist())
    ]
    for i in map(int, choose(alone, {}, answers=CLASSES + 1, budget=int(float(Overlap().share) * IMAGES))):
        for who in order[i, 1:]:
            if _most(said[i]) is None or who == order[i, 1]:
                said[i, who] = made.would[i, who]
    return said, kept


def labels(method: str, made: Project, said: Classes, closed: NDArray[np.bool_]) -> list[int | None]:
    """What each image's label is by this method, as the product applies it; None: a lead decides.

    `said` (N, P) with NOBODY; `closed` (N,): where neither engine nor classifier may count. In a team of two CROWDLAB
    decides between two.
    """
    people = [_most(row) for row in said]
    if method == MAJORITY:
        return people
    table = [
        RaterAnswer(i, f"person {k}", KNOWN.classes[c])
        for i, row in enumerate(said)
        for k, c in enumerate(row)
        if c != NOBODY
    ]
    table += [RaterAnswer(i, "engine", KNOWN.classes[c]) for i, c in enumerate(made.engine) if not closed[i]]
    predicted = {i: probs for i, probs in enumerate(made.probs.tolist()) if not closed[i]}
    answers = Counter(one.image for one in table if method != CROWDLAB or one.image in predicted)
    table = [one for one in table if answers[one.image] > 1]
    found = aggregate(method, table, KNOWN, predicted).labels
    chosen: list[int | None] = []
    for i, row in enumerate(said):
        code = KNOWN.code(found[i].value or "") if i in found else NOBODY
        several = may_weigh(method, given := int((row != NOBODY).sum())) or given == len(row) == 2
        weighed = several and code in row and found[i].confidence > ENOUGH
        chosen.append(code if weighed else people[i])
    return chosen


def _most(row: Classes) -> int | None:
    given = row[row != NOBODY]
    counts = np.bincount(given)
    return int(counts.argmax()) if 2 * counts.max() > len(given) else None


def methods(cell: Cell) -> tuple[str, ...]:
    """Dawid-Skene is measured where everybody answers: by default it has too little data, and takes half a second."""
    if cell.careless:
        return (*METHODS, "dawid-skene", "glad")
    return (*METHODS, "dawid-skene") if cell.asked == ALL_THREE else METHODS


def outcomes(seed: int, cell: Cell) -> Mapping[str, tuple[float, float]]:
    """Method -> the shares of images with the right label, and with a wrong one; the rest is a lead's."""
    rng = np.random.default_rng(seed)
    made = project(rng, cell)
    said, closed = (made.would, np.zeros(IMAGES, bool)) if cell.asked == ALL_THREE else as_by_default(rng, made)
    found = {}
    for method in methods(cell):
        given = labels(method, made, said, closed)
        right = np.mean([one == true for one, true in zip(given, made.truth, strict=True)])
        found[method] = float(right), float(1 - right - np.mean([one is None for one in given]))
    return found


def measure(cell: Cell, runs: int) -> dict[str, Any]:
    """A line of the table: shares of right and of wrong labels by method, and CROWDLAB less the majority, paired."""
    found = [outcomes(seed, cell) for seed in range(runs)]
    line: dict[str, Any] = {"projects": runs, **asdict(cell)}
    for at, name in enumerate(("right", "wrong_labels")):
        line[name] = {method: round(float(np.mean([one[method][at] for one in found])), 5) for method in methods(cell)}
        paired = np.array([one[CROWDLAB][at] - one[MAJORITY][at] for one in found])
        line[f"more_{name}"] = round(float(paired.mean()), 6)
        line[f"error_of_more_{name}"] = round(float(paired.std(ddof=1) / np.sqrt(runs)), 6)
    return line


def cells(*, two: bool, careless: bool) -> Iterator[Cell]:
    """Those of the rule; or of teams of two; or the one of people who click at random."""
    spread = list(product((False, True), (0.0, 0.5)))
    if careless:
        yield Cell(0.1, ALL_THREE, False, 0.0, careless=2)
    elif two:
        yield from (Cell(share, BY_DEFAULT, *one, people=2) for share, one in product((0.02, 0.05, 0.1), spread))
    else:
        asked = (ALL_THREE, BY_DEFAULT)
        yield from (Cell(share, how, *one) for share, how, one in product(RUNS, asked, spread))


def targets_of(found: Sequence[tuple[Cell, Mapping[str, Any]]]) -> dict[str, Target]:
    """The rule, by the share of wrong answers and who is asked."""
    right, wrong = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    for cell, line in found:
        name = f"{cell.wrong:g} wrong, {cell.asked}{' of two' if cell.people == 2 else ''}"
        right[name].append(line["more_right"])
        wrong[name].append(line["more_wrong_labels"] + 1.96 * line["error_of_more_wrong_labels"])
    targets = {f"more right, {name}": at_least(min(more), 0.0) for name, more in right.items()}
    return targets | {f"more wrong at most, {name}": at_most(max(more), MORE_WRONG) for name, more in wrong.items()}


def main() -> None:
    """Every cell, and whether CROWDLAB may be the default by the rule."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5 projects a cell")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--two", action="store_true", help="teams of two")
    which.add_argument("--careless", action="store_true", help="two of three click at random")
    options = parser.parse_args()
    found = []
    for cell in cells(two=options.two, careless=options.careless):
        runs = CARELESS_RUNS if cell.careless else RUNS[cell.wrong]
        found.append((cell, measure(cell, 5 if options.quick else runs)))
    emit("consensus", {} if options.careless else targets_of(found), [line for _, line in found])


if __name__ == "__main__":
    main()
