"""With people who err, which share of the answers should be second ones, and does the ranking find it?

Handwritten digits (scikit-learn, 1,797 images). Four people err in 2, 5, 10 or 20 of 100 answers, towards another class
drawn uniformly. After 40 random images the most doubtful by margin are asked about, 40 answers a round, and the head is
fitted anew. Second answers go to the most doubtful answers (`labeling.review.overlap.choose`); where two people differ
a third decides, where three do a lead who errs as often: each answer counts. Arms: fixed shares of the answered
images, today's rule (a tenth, a fifth of that while none differs), and the ranking, which asks a second answer where it
is expected to correct more labels for each answer than a new image, and never fewer than today's rule
(`overlap.second_answers_by_worth`). What counts is the share of right labels of *all* images, people's and, of the
rest, the machine's, at equal answers.

The best fixed share of a cell is chosen by the same runs, so it is lucky; the interval is of the paired difference.
The stated chances are held against the truth as well: the rate at which people err, and the expected wrong labels.

python -m bench.next_action [--quick] [--runs 12] [--first 1000]
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from bench.report import Target, at_least, emit
from labeling.estimates import Estimate
from labeling.learn.heads.logistic import Logistic
from labeling.review.answer_errors import Pair, usual_error
from labeling.review.next_action import correction_teaches, label_teaches, second_answer, seconds_worth_asking
from labeling.review.overlap import Answered, choose, second_answers, second_answers_by_worth, wrong
from labeling.types import ReviewId, ReviewKind
from labeling.vectors import softmax

SHARES = ("0", "0.1", "0.2", "0.3", "0.5")
TODAY, RANKING = "today", "ranking"
ARMS = (*SHARES, TODAY, RANKING)
ERRORS, BUDGETS, STEP, PEOPLE, CLASSES = (0.02, 0.05, 0.1, 0.2), (300, 600, 900), 40, 4, 10
Probs = NDArray[np.float64]
Rows = NDArray[np.int64]


@cache
def digits() -> tuple[NDArray[np.float64], Rows]:
    """Unit vectors (N, 64) and the truth (N,)."""
    pixels, truth = load_digits(return_X_y=True)
    return pixels / np.linalg.norm(pixels, axis=1, keepdims=True), truth.astype(np.int64)


@dataclass(slots=True, eq=False)
class Run:
    """One project: `would` (5, N) is what the first, second, third, ... who is asked of an image says."""

    would: Rows
    said: dict[int, list[int]] = field(default_factory=dict)
    predicted: dict[int, tuple[float, ...]] = field(default_factory=dict)
    answers: int = 0
    compared: int = 0
    repeated: int = 0
    at_last: int = 0
    believed: Estimate | None = None
    expected: float = 0.0
    corrected: int = 0
    """How many wrong labels its second answers were expected to correct, and how many they did."""

    def ask(self, row: int, predicted: Probs | None) -> None:
        """A first answer."""
        self.predicted[row] = () if predicted is None else tuple(predicted.tolist())
        self._answer(row)

    def ask_again(self, row: int) -> None:
        """A second answer, and a third and a lead's where they differ."""
        self._answer(row)
        self.compared += 1
        self.repeated = self.repeated + 1 if len(set(self.said[row])) == 1 else 0
        while not _decided(self.said[row]):
            self._answer(row)

    def _answer(self, row: int) -> None:
        said = self.said.setdefault(row, [])
        said.append(int(self.would[len(said), row]))
        self.answers += 1

    @property
    def labels(self) -> dict[int, int]:
        return {row: _label(said) for row, said in self.said.items()}

    @property
    def alone(self) -> list[Answered]:
        """The images with one answer."""
        return [
            Answered(ReviewId(row), ReviewKind.HARD, 0, said[0], False, self.predicted[row])
            for row, said in self.said.items()
            if len(said) == 1
        ]

    @property
    def pairs(self) -> list[Pair]:
        return [Pair(said[0], said[1], self.predicted[row]) for row, said in self.said.items() if len(said) > 1]


def _decided(said: list[int]) -> bool:
    """Two say the same, or a lead, the fourth, has decided."""
    return max(np.bincount(said)) > 1 or len(said) > 3


def _label(said: list[int]) -> int:
    return said[-1] if max(np.bincount(said)) == 1 else int(np.bincount(said).argmax())


def predictions(run: Run) -> Probs:
    """What a head that is fitted on the labels says of all images (N, K)."""
    vectors, truth = digits()
    labels = run.labels
    rows = np.array(sorted(labels))
    classes = np.array([labels[row] for row in rows])
    logits = np.full((len(truth), CLASSES), -30.0)
    head = LogisticRegression(C=30.0, max_iter=300, tol=1e-3).fit(vectors[rows], classes)
    logits[:, head.classes_] = head.decision_function(vectors)
    return np.asarray(softmax(logits / Logistic.temperature), np.float64)


def second_due(arm: str, run: Run, probs: Probs, queue: Rows) -> int:
    """How many second answers this arm asks for now."""
    answered, alone = len(run.said), run.alone
    several = answered - len(alone)
    if arm in SHARES:
        return int(float(arm) * answered) - several
    due = second_answers(0.1, answered=answered, several=several, since=answered - run.at_last, repeated=run.repeated)
    if arm == RANKING:
        run.believed = usual_error(run.pairs, CLASSES)
        due = second_answers_by_worth(
            seconds_worth_asking(*gains(run, alone, run.believed.value, probs, queue)),
            answered=answered,
            several=several,
            compared=run.compared,
            since=answered - run.at_last,
            repeated=run.repeated,
        )
    run.at_last = answered if due > 0 else run.at_last
    return due


def gains(run: Run, alone: list[Answered], error: float, probs: Probs, queue: Rows) -> tuple[Probs, Probs]:
    """Wrong labels corrected for each answer: of second answers, and of first ones about the next in the queue."""
    left = np.setdiff1d(np.arange(len(probs)), list(run.said))
    teaches = label_teaches(float((1 - probs[left].max(axis=1)).sum()), len(run.said))
    also = 1 + correction_teaches(teaches, error, CLASSES)
    second = []
    for one in alone:
        now = wrong(one, error, CLASSES)
        found = second_answer(now, error, CLASSES)
        second.append((now - found.wrong_after) * also / found.answers)
    new = np.maximum(1 - probs[queue[:STEP]].max(axis=1) - error, 0) + teaches
    return np.array(second), new


def played(arm: str, error: float, seed: int, budgets: tuple[int, ...]) -> tuple[list[float], Run]:
    """The share of right labels at each budget, and the run as it stood at the last."""
    rng = np.random.default_rng([seed, round(1000 * error)])
    truth = digits()[1]
    shape = (PEOPLE + 1, len(truth))
    other = (truth + rng.integers(1, CLASSES, shape)) % CLASSES
    run = Run(np.where(rng.random(shape) < error, other, truth))
    for row in rng.permutation(len(truth))[:STEP].tolist():
        run.ask(row, None)
    right = []
    for budget in budgets:
        while run.answers < budget:
            _round(arm, run, min(run.answers + STEP, budget))
        labels, said = predictions(run).argmax(axis=1), run.labels
        labels[list(said)] = list(said.values())
        right.append(float((labels == truth).mean()))
    return right, run


def _round(arm: str, run: Run, until: int) -> None:
    probs = predictions(run)
    left = np.setdiff1d(np.arange(len(probs)), list(run.said))
    ordered = np.sort(probs[left], axis=1)
    queue = left[np.argsort(ordered[:, -1] - ordered[:, -2], kind="stable")]
    due = second_due(arm, run, probs, queue)
    rates = {0: run.believed.value if run.believed else 0.1}
    alone = {one.review_id: one for one in run.alone}
    for row in choose(list(alone.values()), rates, answers=CLASSES, budget=due):
        if run.answers < until:
            now, truth = wrong(alone[row], rates[0], CLASSES), int(digits()[1][row])
            run.expected += now - second_answer(now, rates[0], CLASSES).wrong_after
            run.ask_again(int(row))
            run.corrected += int(_label(run.said[row]) == truth) - int(alone[row].said == truth)
    for row in queue.tolist():
        if run.answers < until:
            run.ask(row, probs[row])


def main() -> None:
    """A line for each cell and arm, then how far each arm is from the best fixed share of a cell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2 runs, one rate of errors")
    parser.add_argument("--runs", type=int, default=12, help="seeds")
    parser.add_argument("--first", type=int, default=1000, help="the first seed")
    chosen = parser.parse_args()
    errors, runs, budgets = ((0.1,), 2, BUDGETS[:1]) if chosen.quick else (ERRORS, chosen.runs, BUDGETS)
    right, rankings = defaultdict[tuple[float, str], list[list[float]]](list), defaultdict[float, list[Run]](list)
    for error, arm, seed in product(errors, ARMS, range(chosen.first, chosen.first + runs)):
        found, run = played(arm, error, seed, budgets)
        right[error, arm].append(found)
        if arm == RANKING:
            rankings[error].append(run)
    cells = {
        (error, budget): Cell({arm: np.array(right[error, arm])[:, at] for arm in ARMS})
        for error, (at, budget) in product(errors, enumerate(budgets))
    }
    lines = [line for key, cell in cells.items() for line in cell.lines(*key)]
    lines += [_model(error, those) for error, those in rankings.items()]
    emit("next_action", _judged(_targets(cells, rankings), runs), lines)


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """The share of right labels by arm, (R,) over seeds."""

    right: dict[str, Probs]

    @property
    def best(self) -> str:
        """The fixed share that is best here."""
        return max(SHARES, key=lambda arm: float(self.right[arm].mean()))

    def against_best(self, arm: str) -> tuple[float, float, float]:
        """The mean over seeds of this arm minus the best fixed share, and its 95 % interval."""
        paired = self.right[arm] - self.right[self.best]
        half = float(student.ppf(0.975, len(paired) - 1) * paired.std(ddof=1) / len(paired) ** 0.5)
        mean = float(paired.mean())
        return mean, mean - half, mean + half

    def lines(self, error: float, answers: int) -> list[dict[str, Any]]:
        return [
            {
                "wrong_answers": error,
                "answers": answers,
                "arm": arm,
                "right": round(float(values.mean()), 4),
                "against_best": [round(number, 4) for number in self.against_best(arm)],
                "best": arm == self.best,
            }
            for arm, values in self.right.items()
        ]


def _model(error: float, runs: list[Run]) -> dict[str, Any]:
    """What the ranking held to be true beside what was."""
    rates = [run.believed for run in runs if run.believed is not None]
    return {
        "wrong_answers": error,
        "held": round(float(np.mean([one.value for one in rates])), 4),
        "interval_holds_it": round(float(np.mean([one.lower <= error <= one.upper for one in rates])), 3),
        "second_answers": round(float(np.mean([run.compared for run in runs])), 1),
        "expected_to_correct": round(float(np.mean([run.expected for run in runs])), 1),
        "corrected": round(float(np.mean([run.corrected for run in runs])), 1),
    }


def _targets(cells: dict[tuple[float, int], Cell], rankings: dict[float, list[Run]]) -> dict[str, Target]:
    within = {
        f"{error:g} wrong, {answers} answers, upper bound": at_least(cell.against_best(RANKING)[2], 0)
        for (error, answers), cell in cells.items()
    }
    worst = {arm: min(cell.against_best(arm)[0] for cell in cells.values()) for arm in ARMS}
    held = [_model(error, runs)["interval_holds_it"] for error, runs in rankings.items()]
    return within | {
        "worst cell of the ranking": at_least(worst[RANKING], max(worst[arm] for arm in (*SHARES, TODAY))),
        "the interval holds the rate of errors": at_least(float(np.mean(held)), 0.93),
    }


def _judged(targets: dict[str, Target], runs: int) -> dict[str, Target]:
    """Of few runs no interval says anything."""
    return targets if runs >= 10 else {name: Target(one.value, one.goal, None) for name, one in targets.items()}


if __name__ == "__main__":
    main()
