"""Replays of the Team page: one annotator of four whose habits are known, through `describe`.

Pre-labels are shown on seven of ten images, and wrong on three of ten of those; people keep a wrong one more often than
they err by themselves. The truth of a figure is its value over very many answers of the same people, for what is held
true (gold, a lead, most of the others) is part of what it says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import product

import numpy as np

from bench.numbers.replay import Drawn, Replay, width_of
from labeling.estimates import Estimate
from labeling.quality.annotators.performance import AnnotatorFigures, describe
from labeling.quality.annotators.references import Answer

__all__ = ["REPLAYS"]

START = datetime(2026, 11, 2, 9, tzinfo=UTC)
CLASSES, PEOPLE, MANY = 10, 4, 12_000
KEEPS, QUICK, UNSURE, GOLD, TIRED = 0.3, 0.1, 0.03, 0.3, 0.1
SESSION = 30

Of = Callable[[AnnotatorFigures], Estimate]
FIGURES: Mapping[str, Of] = {
    "right on gold": lambda one: one.gold,
    "says what most say": lambda one: one.agreement,
    "cannot tell": lambda one: one.cannot_tell,
    "wrong pre-labels kept": lambda one: one.accepted_wrong,
    "wrong where none was shown": lambda one: one.blind_error,
    "right early in a session": lambda one: one.drift.early,
    "right late in a session": lambda one: one.drift.late,
    "late minus early": lambda one: one.drift.change,
    "quick copies": lambda one: one.quick_copies,
    "right on a class": lambda one: one.classes[0].right,
}
DIFFERENCE = "late minus early"


def team(n: int, wrong: float, rng: np.random.Generator) -> tuple[list[Answer], list[Answer]]:
    """Answers and doubts of four people about n images each; half of the images are answered by two of them."""
    answers, doubts = list[Answer](), list[Answer]()
    truths, shown = rng.integers(CLASSES, size=PEOPLE * n), rng.random(PEOPLE * n) < 0.7
    misled, gold = rng.random(PEOPLE * n) < 0.3, rng.random(PEOPLE * n) < GOLD
    for who in range(PEOPLE):
        mine = np.concatenate([np.arange(n) + who * n, (np.arange(n // 2) + (who + 1) * n) % (PEOPLE * n)])
        for turn, image in enumerate(rng.permutation(mine).tolist()):
            truth = int(truths[image])
            hint = (truth + 1) % CLASSES if misled[image] else truth
            at = START + timedelta(hours=2 * (turn // SESSION), seconds=10 * (turn % SESSION))
            late = TIRED if turn % SESSION >= 2 * SESSION // 3 else 0.0
            slips = rng.random() < wrong + late * (wrong > 0)
            said = int((truth + rng.integers(1, CLASSES)) % CLASSES) if slips else truth
            quick = bool(shown[image]) and rng.random() < QUICK
            if shown[image] and (quick or rng.random() < KEEPS * (wrong > 0)):
                said = hint
            if rng.random() < UNSURE:
                doubts.append(Answer(who, image, "unsure", at))
                continue
            took = 0.5 if quick else float(rng.lognormal(1.6, 0.3))
            known = str(truth) if gold[image] else None
            pre = str(hint) if shown[image] else None
            answers.append(Answer(who, image, str(said), at, pre, took, known, bool(gold[image])))
    return answers, doubts


@lru_cache(maxsize=600)
def figures(n: int, wrong: float, seed: int) -> AnnotatorFigures:
    """Those of the first of the four."""
    return describe(*team(n, wrong, np.random.default_rng(seed)))[0]


def figure(name: str, n: int, wrong: float) -> Replay:
    """One figure of somebody who has answered about 1.5 n images."""
    of = FIGURES[name]

    def replay(rng: np.random.Generator) -> Drawn | None:
        found = of(figures(n, wrong, int(rng.integers(2**62))))
        if not found.known:
            return None
        truth = of(figures(MANY, wrong, 0)).value
        return Drawn(found, truth, None if name == DIFFERENCE else width_of(truth, found.n))

    return replay


def _replays() -> Iterator[tuple[str, Replay]]:
    for (n, wrong), name in product(product((80, 400), (0.0, 0.05, 0.1, 0.2)), FIGURES):
        yield f"{name}, {n} images each, {wrong:.0%} wrong answers", figure(name, n, wrong)


REPLAYS: Mapping[str, Replay] = dict(_replays())
