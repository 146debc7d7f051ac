"""One run of an arm of `bench.labels`: from no answer to the last budget, with its accuracy at every budget.

Ours uses the product's own functions: strategies, hedging, out-of-fold evidence, `fit_classifier`. What the random
stream takes of each query is drawn here: a reserve that no strategy picks from, and of every query a fixed share from
it in a random order. Every version is promoted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.label_data import ImageSet
from bench.peers.active_learning import PEERS, script
from labeling.learn.classifier import Inputs
from labeling.learn.training import FusedClassifier, fit_classifier, predict_logits
from labeling.project import Policy
from labeling.quality.labels.label_errors import cross_validated
from labeling.select.query.shares import rounded
from labeling.select.strategies.hedged import Evidence, evidence_of, hedged, sampled_groups
from labeling.select.strategies.registry import STRATEGIES
from labeling.select.strategies.strategy import Labelled, Predicted, View
from labeling.vectors import softmax

__all__ = ["BUDGETS", "Curve", "full_accuracy", "run", "split"]

BUDGETS = (50, 100, 150, 200, 300, 400, 500, 600)
STREAM_UNTIL, STREAM_SHARES = 100, (0.2, 0.1)
"""Shares of the answers that measure: the first until so many stream images are answered, then the second."""
LEAST_TO_PROMOTE = 40
Rows = NDArray[np.int64]
Curve = dict[int, float]


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """An image set, the answers (N,) that people would give, the rows that may be asked and those that judge."""

    of: ImageSet
    answers: Rows
    pool: Rows
    test: Rows

    def right(self, predicted: Rows) -> float:
        return float((predicted == self.of.truth[self.test]).mean())

    def inputs(self, rows: Rows) -> Inputs:
        n = len(rows)
        return Inputs(self.of.vectors[rows], np.empty((n, 0), np.float32), np.full((n, self.of.n_classes), np.nan))

    def fit(self, rows: Rows) -> FusedClassifier | None:
        """None: of one class, nothing can be learnt."""
        if len(np.unique(self.answers[rows])) < 2:
            return None
        reference = self.inputs(self.pool)
        return fit_classifier(self.inputs(rows), self.answers[rows], self.of.n_classes, reference=reference)

    def accuracy(self, rows: Rows) -> float:
        """Of a version that is fitted on these rows."""
        fitted = self.fit(rows)
        if fitted is None:
            return self.right(np.full(len(self.test), self.answers[rows[0]]))
        return self.right(predict_logits(fitted, self.inputs(self.test)).argmax(axis=1))


def split(of: ImageSet, wrong: float, seed: int) -> Trial:
    """A third of the images judges; of the answers the share `wrong` is of another class, drawn uniformly."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(of.truth))
    other = (of.truth + rng.integers(1, of.n_classes, len(of.truth))) % of.n_classes
    answers = np.where(rng.random(len(of.truth)) < wrong, other, of.truth)
    return Trial(of, answers, order[len(order) // 3 :], order[: len(order) // 3])


def full_accuracy(trial: Trial) -> float:
    """Of the head when every image that may be asked has its answer."""
    return trial.accuracy(trial.pool)


def run(arm: str, trial: Trial, seed: int, budgets: tuple[int, ...]) -> dict[str, Curve]:
    """Accuracy by answers of an arm; ours gives two curves, that of the delivered version and the champion's."""
    within = tuple(budget for budget in budgets if budget <= 0.9 * len(trial.pool))
    if arm == "ours":
        return _ours(trial, seed, within)
    asked = _random(trial, seed, within) if arm == "random" else _peer(arm, trial, seed, within)
    v, answers, test = trial.of.vectors, trial.answers, trial.of.vectors[trial.test]
    return {arm: {len(rows): trial.right(script(v[rows], answers[rows], test)) for rows in asked}}


def _random(trial: Trial, seed: int, budgets: tuple[int, ...]) -> Iterator[Rows]:
    order = np.random.default_rng([seed, 1]).permutation(trial.pool)
    yield from (order[:budget] for budget in budgets)


def _peer(arm: str, trial: Trial, seed: int, budgets: tuple[int, ...]) -> Iterator[Rows]:
    vectors, answers = trial.of.vectors[trial.pool], np.full(len(trial.pool), np.nan)
    size = Policy().query_size
    for number in range(budgets[-1] // size):
        picked = PEERS[arm](vectors, answers, size, trial.of.n_classes, seed + number)
        answers[picked] = trial.answers[trial.pool[picked]]
        asked = np.flatnonzero(np.isfinite(answers))
        if len(asked) in budgets:
            yield trial.pool[asked]


def _ours(trial: Trial, seed: int, budgets: tuple[int, ...]) -> dict[str, Curve]:
    rng, size = np.random.default_rng([seed, 2]), Policy().query_size
    reserve, chosen = np.split(rng.permutation(trial.pool), [round(_reserved(len(trial.pool)) * len(trial.pool))])
    drawn = 0  # of the reserve
    asked: Rows = np.empty(0, np.int64)  # of the others
    delivered, champion = Curve(), Curve()
    while drawn + len(asked) < budgets[-1]:
        share = STREAM_SHARES[int(drawn >= STREAM_UNTIL)]
        stream = min(rounded(share * size, rng), len(reserve) - drawn)
        free = np.setdiff1d(chosen, asked)
        asked = np.concatenate([asked, _picked(trial, asked, free, size - stream, rng)])
        drawn += stream
        if drawn + len(asked) in budgets:
            champion[drawn + len(asked)] = trial.accuracy(asked)
            delivered[drawn + len(asked)] = trial.accuracy(np.concatenate([asked, reserve[:drawn]]))
    return {"ours": delivered, "champion": champion}


def _reserved(groups: int) -> float:
    return 0.25 if groups <= 1_200 else 300 / groups


def _picked(trial: Trial, asked: Rows, free: Rows, n: int, rng: np.random.Generator) -> Rows:
    """What the default policy asks of the rows that are not asked yet."""
    version = trial.fit(asked) if len(asked) >= LEAST_TO_PROMOTE else None
    predicted = None
    if version is not None:
        predicted = Predicted(softmax(predict_logits(version, trial.inputs(free)) / version.head.kind.temperature))
    labelled = Labelled(tuple(map(str, trial.answers[asked])), lambda some: trial.of.vectors[asked[some]])
    view = View(np.arange(len(free)), lambda some: trial.of.vectors[free[some]], lambda: labelled, predicted)
    evidence = _evidence(trial, asked, rng) if version is not None else None
    strategy = hedged(STRATEGIES[Policy().strategy], evidence, promoted=version is not None)
    return free[strategy.choose(view, n, rng).positions]


def _evidence(trial: Trial, asked: Rows, rng: np.random.Generator) -> Evidence | None:
    rows = asked[sampled_groups(np.arange(len(asked)), rng)]

    def fit(inputs: Inputs, labels: Rows) -> Callable[[Inputs], NDArray[np.floating]]:
        fitted = fit_classifier(inputs, labels, trial.of.n_classes, reference=trial.inputs(trial.pool))
        return lambda others: softmax(predict_logits(fitted, others) / fitted.head.kind.temperature)

    answers, groups = trial.answers[rows], np.arange(len(rows))
    every = np.ones(len(rows), bool)
    probs = cross_validated(trial.inputs(rows), answers, groups, every, fit, trial.of.n_classes, rng)
    return evidence_of(answers, probs)
