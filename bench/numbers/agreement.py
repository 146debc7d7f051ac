"""Replays of how far people agree: observed agreement, kappas and alpha, of simulated people about real images.

The truth of an index is its value over very many images with the same classes and the same people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from bench.numbers.collections import image_set, wrong_answers
from bench.numbers.replay import Drawn, Replay, width_of
from labeling.answers import MISSING
from labeling.estimates import MIN_LABELS, Estimate
from labeling.quality.annotators.interrater import alpha, alpha_by_class, cohen, fleiss, observed

__all__ = ["REPLAYS"]

MANY = 30_000
CLASSES = {"digits": 10, "rare": 5}
RARE = (0.8, 0.1, 0.05, 0.03, 0.02)
"""The classes of a project in which one class is most of the images."""

Answers = NDArray[np.int64]
Index = Callable[[Answers, int, np.random.Generator], Estimate | None]


def _observed(answers: Answers, classes: int, rng: np.random.Generator) -> Estimate | None:
    return observed(answers, classes)


def _cohen(answers: Answers, classes: int, rng: np.random.Generator) -> Estimate | None:
    return cohen(answers[:, 0], answers[:, 1], rng)


def _alpha_of_class(answers: Answers, classes: int, rng: np.random.Generator) -> Estimate | None:
    return alpha_by_class(np.minimum(answers, 2), min(classes, 3), rng)[1]  # the others as one


INDICES: Mapping[str, tuple[Index, bool]] = {
    "observed agreement": (_observed, False),
    "Fleiss' kappa": (fleiss, False),
    "Krippendorff's alpha": (alpha, False),
    "Cohen's kappa": (_cohen, True),
    "alpha of a class": (_alpha_of_class, False),
}
"""Each with whether it speaks of two people."""


def _truth(images: str, n: int, rng: np.random.Generator) -> Answers:
    if images == "rare":
        return rng.choice(len(RARE), size=n, p=RARE).astype(np.int64)
    return rng.choice(image_set(images, "good").truth, size=n)


def said(images: str, n: int, wrong: float, pair: bool, rng: np.random.Generator) -> Answers:
    """Answers (n, 2 or 4) of people who err in this share; of four people two answer each image, three every fifth."""
    truth, classes = _truth(images, n, rng), CLASSES[images]
    table = np.stack([wrong_answers(truth, wrong, classes, rng) for _ in range(2 if pair else 4)], axis=1)
    if not pair:
        order, many = rng.permuted(np.tile(np.arange(4), (n, 1)), axis=1), np.where(rng.random(n) < 0.2, 3, 2)
        table[order >= many[:, None]] = MISSING
    return table


def index(name: str, images: str, n: int, wrong: float) -> Replay:
    """An index of agreement over n images with two answers or more."""
    of, pair = INDICES[name]

    @lru_cache(maxsize=1)
    def truth() -> float:
        rng = np.random.default_rng(0)
        found = of(said(images, MANY, wrong, pair, rng), CLASSES[images], rng)
        return 1.0 if found is None else found.value

    def replay(rng: np.random.Generator) -> Drawn | None:
        found = of(said(images, n, wrong, pair, rng), CLASSES[images], rng)
        if found is None or found.n < MIN_LABELS:
            return None
        return Drawn(found, truth(), width_of(truth(), n) if name == "observed agreement" else None)

    return replay


def _replays() -> Iterator[tuple[str, Replay]]:
    for name, images, n, wrong in product(INDICES, CLASSES, (30, 100, 400), (0.0, 0.05, 0.1, 0.2)):
        if name != "alpha of a class" or n == 400:
            yield f"{name}, n {n}, {images}, {wrong:.0%} wrong answers", index(name, images, n, wrong)


REPLAYS: Mapping[str, Replay] = dict(_replays())
