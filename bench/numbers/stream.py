"""Replays of what the random stream says of a champion: accuracy on the collection, on what is left, machine labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np
from numpy.typing import NDArray

from bench.numbers.collections import CELLS, Cell, collection
from bench.numbers.replay import Drawn, Replay
from labeling.learn.calibration import fit_calibration
from labeling.learn.heads.logistic import Logistic
from labeling.quality.finite_samples import Stratum, finite_share, share_of_what_is_left
from labeling.quality.machine_labels import CONFIDENCE, precision_at, thresholds
from labeling.quality.metrics import clopper_pearson
from labeling.vectors import softmax

__all__ = ["REPLAYS"]

SMALLEST = 1e-12


def on_collection(size: int, n: int, share: float) -> Replay:
    """The accuracy on a collection of `size` groups, of which `n` were drawn."""
    right = round(share * size)

    def replay(rng: np.random.Generator) -> Drawn:
        return Drawn(finite_share(int(rng.hypergeometric(right, size - right, n)), n, size), right / size)

    return replay


def on_what_is_left(size: int, n: int, shadows: float, of_rest: float, of_shadows: float) -> Replay:
    """The accuracy on what is left of a collection of `size` groups, a quarter of which is the reserve.

    A share `shadows` of the groups is what the strategy asks for: it has asked all of them but those of the reserve,
    which are shadow picks. Of the reserve `n` groups were drawn.
    """

    def replay(rng: np.random.Generator) -> Drawn:
        hard = np.arange(size) < round(shadows * size)
        right = rng.random(size) < np.where(hard, of_shadows, of_rest)
        order = rng.permutation(size)
        reserve = np.zeros(size, bool)
        reserve[order[: size // 4]] = True
        drawn = np.zeros(size, bool)
        drawn[order[:n]] = True
        return _left(right, hard, reserve, drawn, rng)

    return replay


def _left(
    right: NDArray[np.bool_],
    hard: NDArray[np.bool_],
    reserve: NDArray[np.bool_],
    drawn: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Drawn:
    """Of what nobody was asked about: hard images outside the reserve were asked about, drawn ones too."""
    left = ~drawn & (reserve | ~hard)
    strata = [
        Stratum(int((right & drawn & kind).sum()), int((drawn & kind).sum()), int((left & kind).sum()))
        for kind in (~hard, hard)
    ]
    truth, all_left, n = float(right[left].mean()), int(left.sum()), int(drawn.sum())
    uniform = share_of_what_is_left([Stratum(int(rng.binomial(n, truth)), n, all_left)])
    return Drawn(share_of_what_is_left(strata), truth, uniform.upper - uniform.lower)


def collection_of(cell: Cell, n: int) -> Replay:
    """The accuracy of the set's classifier on all images that it has not learnt from."""

    def replay(rng: np.random.Generator) -> Drawn:
        right = collection(cell).right
        hits, size = int(right[rng.permutation(len(right))[:n]].sum()), len(right)
        exact = finite_share(round(right.mean() * n), n, size)
        return Drawn(finite_share(hits, n, size), float(right.mean()), exact.upper - exact.lower)

    return replay


def left_of(cell: Cell, n: int, asked: float) -> Replay:
    """The same on a set: the strategy asks for the share of the images that the set's classifier doubts most."""

    def replay(rng: np.random.Generator) -> Drawn:
        everyone = collection(cell)
        size, right = len(everyone.answers), everyone.right
        hard = everyone.sure <= np.quantile(everyone.sure, asked)
        order = rng.permutation(size)
        reserve, drawn = np.zeros(size, bool), np.zeros(size, bool)
        reserve[order[: size // 4]] = True
        drawn[order[:n]] = True
        return _left(right, hard, reserve, drawn, rng)

    return replay


def machine_label(cell: Cell, n: int, which: int) -> Replay:
    """The share of machine labels that is right above one of the nine thresholds, from a stream of n images.

    As in the product the probabilities are calibrated on the same stream, and the scores are at the fixed temperature.
    """

    def replay(rng: np.random.Generator) -> Drawn | None:
        everyone = collection(cell)
        order = rng.permutation(len(everyone.answers))
        sample, rest = order[:n], order[n:]
        logits, present = np.log(np.maximum(everyone.probs, SMALLEST)), np.asarray(everyone.probs.any(axis=0))
        fitted = fit_calibration(logits[sample], everyone.answers[sample], present, Logistic.temperature, rng)
        temperature = fitted.temperature if fitted else Logistic.temperature
        sure = softmax(logits / Logistic.temperature).max(axis=1)
        said, right = softmax(logits[rest] / temperature).max(axis=1), everyone.right
        offered = thresholds(sure[rest])
        one = offered[min(which, len(offered) - 1)]
        found = precision_at(one, sure[rest], said, sure[sample], right[sample])
        taken = rest[sure[rest] >= one]
        if not found.precision.known:
            return None
        truth, of = float(right[taken].mean()), found.precision.n
        lower, upper = clopper_pearson(round(truth * of), of, CONFIDENCE)
        return Drawn(found.precision, truth, upper - lower)

    return replay


def _replays() -> Iterator[tuple[str, Replay]]:
    for (size, n), share in product(((60, 30), (528, 40), (528, 100), (5_000, 300)), (0.8, 0.95, 1.0)):
        yield f"accuracy on the collection, {n} of {size}, {share:g} right", on_collection(size, n, share)
    kinds = ((0.1, 0.95, 0.6), (0.3, 0.99, 0.7), (0.3, 0.85, 0.85), (0.05, 1.0, 0.5), (0.0, 0.9, 0.9))
    for (size, n), (hard, rest, worse) in product(((400, 40), (1_200, 100), (5_000, 300)), kinds):
        name = f"accuracy on what is left, {n} of {size}, {hard:g} hard, {rest:g} and {worse:g} right"
        yield name, on_what_is_left(size, n, hard, rest, worse)
    for cell, n in product(CELLS, (30, 80)):
        yield f"accuracy on the collection, n {n}, {cell}", collection_of(cell, n)
        yield f"accuracy on what is left, n {n}, {cell}", left_of(cell, n, 0.2)
    for cell, which in product(CELLS, (2, 5, 8)):
        yield f"machine labels right, n 80, threshold {which + 1}, {cell}", machine_label(cell, 80, which)


REPLAYS: Mapping[str, Replay] = dict(_replays())
