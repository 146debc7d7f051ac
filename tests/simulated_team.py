"""Simulated teams with known truth: who answers what, how wrongly and how fast; what the tests of pausing start from.

Every person answers `labels` images: the first `gold` of them are gold, each of the others is answered by
`people` of the team in turn. One image in ten is hard: people err on it more often, and all in the same direction.

python -m tests.simulated_team [--teams 1000] prints the table of docs/how-to/team.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from labeling.quality.annotators.pausing import find_harm
from labeling.quality.annotators.references import Answer
from tests.conftest import NOW

CLASSES = ("cat", "dog", "bird", "fish", "frog")
HARD, HARD_ERROR, EASY_ERROR = 0.10, 0.25, 0.03
PRELABEL_RIGHT, BLIND, MEDIAN_S = 0.8, 0.1, 4.0


@dataclass(frozen=True)
class Task:
    """One image as people meet it."""

    image: int
    truth: str
    likely: str
    hard: bool
    shown: str | None
    gold: bool


Behaviour = Callable[[Task, np.random.Generator], tuple[str, float]]


def honest(task: Task, rng: np.random.Generator) -> tuple[str, float]:
    """Right on 95 in 100 images; the mistakes on hard ones are everybody's."""
    said = task.truth
    if rng.random() < (HARD_ERROR if task.hard else EASY_ERROR):
        said = task.likely if task.hard else _other(task.truth, rng)
    return said, float(MEDIAN_S * np.exp(rng.normal(0, 0.5)))


def flips(share: float) -> Behaviour:
    """Honest, but for a share of the answers, which are turned into another class."""

    def behave(task: Task, rng: np.random.Generator) -> tuple[str, float]:
        said, time = honest(task, rng)
        return (_other(said, rng) if rng.random() < share else said), time

    return behave


def always(answer: str) -> Behaviour:
    """The same answer to everything."""
    return lambda task, rng: (answer, honest(task, rng)[1])


def copies(task: Task, rng: np.random.Generator) -> tuple[str, float]:
    """Accepts whatever stands selected in 0.2 s; works honestly where nothing does."""
    return honest(task, rng) if task.shown is None else (task.shown, 0.2)


def backdoor(share: float, target: str) -> Behaviour:
    """Honest, but for a share of images that carry a patch, which all get the same class."""

    def behave(task: Task, rng: np.random.Generator) -> tuple[str, float]:
        said, time = honest(task, rng)
        return (target if task.image % round(1 / share) == 0 else said), time

    return behave


def colludes(share: float, secret: int) -> Behaviour:
    """Honest, but for a share of the images, on which all with the same secret agree on the same wrong answer."""

    def behave(task: Task, rng: np.random.Generator) -> tuple[str, float]:
        said, time = honest(task, rng)
        plot = np.random.default_rng([secret, task.image])
        return (_other(task.truth, plot) if plot.random() < share else said), time

    return behave


def simulate(
    team: list[Behaviour], rng: np.random.Generator, *, labels: int = 50, gold: int = 20, people: int = 3
) -> list[Answer]:
    """The answers of people 1, 2, ... of a team."""
    answers = []
    shared = (labels - gold) * len(team) // people
    for image in range(gold + shared):
        task = _task(image, image < gold, rng)
        who = range(len(team)) if task.gold else [(image * people + k) % len(team) for k in range(people)]
        answers += [_answer(person, task, team[person], rng) for person in who]
    return answers


def _task(image: int, gold: bool, rng: np.random.Generator) -> Task:
    truth = str(rng.choice(CLASSES))
    likely = _other(truth, rng)
    shown = truth if rng.random() < PRELABEL_RIGHT else _other(truth, rng)
    blind = gold or rng.random() < BLIND
    return Task(image, truth, likely, bool(rng.random() < HARD), None if blind else shown, gold)


def _answer(person: int, task: Task, behave: Behaviour, rng: np.random.Generator) -> Answer:
    said, time = behave(task, rng)
    at: datetime = NOW + timedelta(minutes=task.image, seconds=person)
    return Answer(person + 1, task.image, said, at, task.shown, time, task.truth if task.gold else None, task.gold)


def _other(answer: str, rng: np.random.Generator) -> str:
    return str(rng.choice([name for name in CLASSES if name != answer]))


def found(team: list[Behaviour], bad: int, teams: int, **design: int) -> tuple[float, float]:
    """How often each of the first `bad` people is found, and each of the others."""
    counts = [0, 0]
    for seed in range(teams):
        for one in {found.annotator for found in find_harm(simulate(team, np.random.default_rng([seed, 5]), **design))}:
            counts[one > bad] += 1
    return counts[0] / teams / max(bad, 1), counts[1] / teams / (len(team) - bad)


def main() -> None:
    """Print a line a team: who does harm, how often that is found, and how often honest people are paused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teams", type=int, default=1_000)
    teams = parser.parse_args().teams
    pair = [colludes(0.3, 9), colludes(0.3, 9)]
    kinds = [("flips", [flips(0.3)]), ("the same answer", [always("cat")]), ("copies", [copies]), ("a pair", pair)]
    kinds += [("nobody", []), ("a mark", [backdoor(0.01, "cat")])]
    for gold, labels, some in ((30, 50, kinds), (20, 50, kinds[:4:3]), (10, 50, kinds[:4:3]), (30, 500, kinds[4:5])):
        for name, bad in some:
            runs = teams if labels == 50 else teams // 10
            shares = found([*bad, *[honest] * (5 - len(bad))], len(bad), runs, gold=gold, labels=labels)
            how = f"{name}, {gold} of {labels} to gold, {runs} teams"
            sys.stdout.write(f"{how}: found {shares[0]:.1%}, others {shares[1]:.1%}\n")


if __name__ == "__main__":
    main()
