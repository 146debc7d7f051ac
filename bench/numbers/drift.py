"""Replays of drift: how often a change is found where there is none, and how well new images are told from old ones.

A p-value counts as covering where it is above .05: that must be so in 95 of 100 projects in which nothing changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from bench.numbers.collections import image_set
from bench.numbers.replay import Drawn, Replay
from labeling.estimates import Estimate
from labeling.quality.drift import class_shift, fewer_right, input_shift, separability

__all__ = ["REPLAYS"]

LEVEL, MANY = 0.05, 20


def above_level(p_value: Callable[[np.random.Generator], float]) -> Replay:
    """Whether a test leaves a project alone in which nothing changed."""

    def replay(rng: np.random.Generator) -> Drawn:
        return Drawn(Estimate(0.0, 0.0 if p_value(rng) > LEVEL else 1.0, 1.0, 1), 0.0, bound=True)

    return replay


def new_images(name: str, vectors: str, n: int) -> Replay:
    """Old and new images that come from the same set."""

    def p_value(rng: np.random.Generator) -> float:
        before, after = _split(name, vectors, n, 0.0, rng)
        return input_shift(before, after, rng).p_value

    return above_level(p_value)


def classes(n: int) -> Replay:
    """Classes of old and new images, spread alike."""
    spread = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
    return above_level(lambda rng: class_shift(rng.multinomial(300, spread), rng.multinomial(n, spread)).p_value)


def habit(right: float) -> Replay:
    """Somebody who is right as often as before."""

    def p_value(rng: np.random.Generator) -> float:
        return fewer_right((int(rng.binomial(100, right)), 100), (int(rng.binomial(40, right)), 40)).p_value

    return above_level(p_value)


def apart(name: str, n: int, shift: float) -> Replay:
    """How often new images are told from old ones; `shift` in deviations of the first direction of the vectors."""

    @lru_cache(maxsize=1)
    def truth() -> float:
        found = (_told(name, n, shift, np.random.default_rng(1_000 + seed)).value for seed in range(MANY))
        return float(np.mean(list(found)))

    return lambda rng: Drawn(_told(name, n, shift, rng), truth())


def _told(name: str, n: int, shift: float, rng: np.random.Generator) -> Estimate:
    return separability(*_split(name, "good", n, shift, rng), rng)


def _split(
    name: str, vectors: str, n: int, shift: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    found = image_set(name, vectors).vectors.astype(np.float64)
    some = found[rng.permutation(len(found))[: 2 * n]]
    before, after = some[: len(some) // 2], some[len(some) // 2 :].copy()
    after[:, 0] += shift * found[:, 0].std()
    return before, after


def _replays() -> Iterator[tuple[str, Replay]]:
    for name, vectors in product(("digits", "stamps", "mnist"), ("good", "few dimensions")):
        yield f"p-value of new images, {name}, {vectors} vectors", new_images(name, vectors, 100)
    for n in (100, 300):
        yield f"p-value of the classes, {n} new", classes(n)
    for right in (0.95, 0.8):
        yield f"p-value of an annotator's habit, {right:g} right", habit(right)
    for name, shift in product(("digits", "mnist"), (0.0, 1.0, 3.0)):
        yield f"separability of new images, {name}, shifted by {shift:g}", apart(name, 150, shift)


REPLAYS: Mapping[str, Replay] = dict(_replays())
