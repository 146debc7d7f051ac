"""One run of an arm of `bench.labels`: from no answer to the last budget, with its accuracy at every budget.

Ours uses the product's own functions: the reserve and the order of the random stream, the draw of a query with its
shares, strategies, hedging, out-of-fold evidence, overlap, re-reviews, `fit_classifier`. What differs:
a query begins when the one before is answered, every version is promoted, no engine pre-labels, and no shadow picks are
counted (they change nothing that is asked).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bench.label_data import ImageSet
from bench.label_people import PEOPLE, Labels, People, counted, labels_of
from bench.label_targets import CERTIFIED, COSTS, Curve
from bench.peers.active_learning import PEERS, script
from labeling.learn.classifier import Inputs
from labeling.learn.heads.logistic import Logistic
from labeling.learn.training import fit_classifier, predict_logits
from labeling.project import Policy
from labeling.quality.labels.label_errors import cross_validated
from labeling.select.query.draw import Candidates, Drawn, draw_query
from labeling.select.query.stream import Order, next_groups, position_of, reserved_share
from labeling.select.strategies.hedged import Evidence, evidence_of, hedged, sampled_groups
from labeling.select.strategies.registry import STRATEGIES
from labeling.select.strategies.strategy import Labelled, Picks, Positions, Predicted, Strategy, View, Would
from labeling.types import ReviewKind
from labeling.vectors import softmax

__all__ = ["BUDGETS", "full_accuracy", "run", "split"]

BUDGETS = (50, 100, 150, 200, 300, 400, 500, 600)


Rows = NDArray[np.int64]
Probs = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Trial:
    """An image set, the class (PEOPLE, N) that each person says, the rows that may be asked and those that judge."""

    of: ImageSet
    would: Rows
    pool: Rows
    test: Rows

    @cached_property
    def known(self) -> Inputs:
        """The images that may be asked, from which scaling constants come."""
        return self.inputs(self.pool)

    def inputs(self, rows: Rows) -> Inputs:
        n = len(rows)
        return Inputs(self.of.vectors[rows], np.empty((n, 0), np.float32), np.full((n, self.of.n_classes), np.nan))

    def right(self, predicted: Rows) -> float:
        return float((predicted == self.of.truth[self.test]).mean())

    def fit(self, inputs: Inputs, labels: Rows) -> Callable[[Inputs], Probs]:
        """What a version predicts that is fitted on these, at the temperature that images are ranked by."""
        fitted = fit_classifier(inputs, labels, self.of.n_classes, reference=self.known)
        return lambda others: softmax(predict_logits(fitted, others) / Logistic.temperature)

    def accuracy(self, rows: Rows, labels: Rows) -> float:
        """Of a version that is fitted on these rows; of one class nothing can be learnt."""
        if len(np.unique(labels)) < 2:
            return self.right(np.full(len(self.test), labels[0] if len(labels) else 0))
        return self.right(self.fit(self.inputs(rows), labels)(self.inputs(self.test)).argmax(axis=1))


def split(of: ImageSet, wrong: float, seed: int) -> Trial:
    """A third of the images judges; each person errs in the share `wrong`, towards another class drawn uniformly."""
    rng = np.random.default_rng(seed)
    order, shape = rng.permutation(len(of.truth)), (PEOPLE, len(of.truth))
    other = (of.truth + rng.integers(1, of.n_classes, shape)) % of.n_classes
    would = np.where(rng.random(shape) < wrong, other, of.truth)
    return Trial(of, would, order[len(order) // 3 :], order[: len(order) // 3])


def full_accuracy(trial: Trial) -> float:
    """Of the head when every image that may be asked has its answer."""
    return trial.accuracy(trial.pool, _first(trial, trial.pool))


def run(arm: str, trial: Trial, seed: int, budgets: tuple[int, ...]) -> dict[str, Curve]:
    """Accuracy by answers of an arm; ours gives several curves: the delivered version, the champion, with a target."""
    within = tuple(budget for budget in budgets if budget <= 0.9 * len(trial.pool))
    if arm == "ours":
        return _curves(trial, _ours(trial, seed, within[-1]), within)
    asked = _random(trial, seed, within) if arm == "random" else _peer(arm, trial, seed, within)
    v, test = trial.of.vectors, trial.of.vectors[trial.test]
    return {arm: {len(rows): trial.right(script(v[rows], _first(trial, rows), test)) for rows in asked}}


def _first(trial: Trial, rows: Rows) -> Rows:
    """The first answers about these rows: the same as in our arm."""
    return trial.would[rows % PEOPLE, rows]


def _random(trial: Trial, seed: int, budgets: tuple[int, ...]) -> Iterator[Rows]:
    order = np.random.default_rng([seed, 1]).permutation(trial.pool)
    yield from (order[:budget] for budget in budgets)


def _peer(arm: str, trial: Trial, seed: int, budgets: tuple[int, ...]) -> Iterator[Rows]:
    vectors, answers = trial.of.vectors[trial.pool], np.full(len(trial.pool), np.nan)
    size = Policy().query_size
    for number in range(budgets[-1] // size):
        picked = PEERS[arm](vectors, answers, size, trial.of.n_classes, seed + number)
        answers[picked] = _first(trial, trial.pool[picked])
        asked = np.flatnonzero(np.isfinite(answers))
        if len(asked) in budgets:
            yield trial.pool[asked]


def _curves(trial: Trial, people: People, budgets: tuple[int, ...]) -> dict[str, Curve]:
    delivered, champion, certified, costs = Curve(), Curve(), Curve(), Curve()
    for budget in budgets:
        labels = labels_of(counted(people.log, budget, certified=False))
        delivered[budget] = trial.accuracy(labels.rows, labels.classes)
        champion[budget] = trial.accuracy(labels.rows[labels.teaches], labels.classes[labels.teaches])
        log = counted(people.log, budget, certified=True)
        labels = labels_of(log)
        certified[budget] = trial.accuracy(labels.rows, labels.classes)
        costs[budget] = sum(one.certifies for one in log) / len(log)
    return {"ours": delivered, "champion": champion, CERTIFIED: certified, COSTS: costs}


def _ours(trial: Trial, seed: int, budget: int) -> People:
    """All that people answer until so many answers count."""
    policy, people = replace(Policy(), seed=seed), People(trial.would, trial.of.n_classes, seed)
    number, before = 0, -1
    while before < people.answers < budget:
        number, before = number + 1, people.answers
        labels = labels_of(one for one in people.log if not one.certifies)
        version = _version(trial, labels, policy)
        if version is not None:
            asked = np.array(sorted({one.row for one in people.log}), np.int64)
            people.certify(dict(zip(asked.tolist(), version(trial.inputs(asked)).argmax(axis=1).tolist(), strict=True)))
        drawn, predicted = _draw(trial, people, labels, version, policy, number)
        for pick in sorted(drawn.picks, key=lambda one: one.place):
            row = int(trial.pool[pick.position])
            if pick.kind is ReviewKind.RANDOM:
                people.ask(row, pick.kind)
            else:
                people.show(row, () if predicted is None else predicted[pick.position].tolist(), blind=pick.blind)
        people.ask_others(policy)
        _re_review(trial, people, policy)
    return people


def _version(trial: Trial, labels: Labels, policy: Policy) -> Callable[[Inputs], Probs] | None:
    """What a version predicts, once there is one; the temperature is the head's own."""
    rows, classes = labels.rows[labels.teaches], labels.classes[labels.teaches]
    if len(rows) < policy.learn_after_labels or len(np.unique(classes)) < 2:
        return None
    return trial.fit(trial.inputs(rows), classes)


def _draw(
    trial: Trial,
    people: People,
    labels: Labels,
    version: Callable[[Inputs], Probs] | None,
    policy: Policy,
    number: int,
) -> tuple[Drawn, Probs | None]:
    """The next query, drawn as `service.work.select` draws it, and what was predicted of the pool (n, K)."""
    pool, vectors = trial.pool, trial.of.vectors
    predicted = None if version is None else version(trial.known)
    rows, classes = labels.rows[labels.teaches], labels.classes[labels.teaches]
    labelled = Labelled(tuple(map(str, classes)), lambda some: vectors[rows[some]])

    def view(at: Rows) -> View:
        known = None if predicted is None else Predicted(predicted[at])
        return View(pool[at], lambda some: vectors[pool[at[some]]], lambda: labelled, known)

    share = reserved_share(len(pool))
    positions = np.array([position_of(str(row), str(policy.seed)) for row in pool.tolist()])
    asked = np.isin(pool, list({one.row for one in people.log}))
    reserved = positions < share
    order = Order(pool, positions, asked, asked & np.isin(pool, labels.rows), np.zeros(len(pool), bool))
    candidates = Candidates(pool, ~reserved & ~asked, reserved, next_groups(order, share, len(pool)), view)
    evidence = None if version is None else _evidence(trial, labels, policy)
    strategy = hedged(STRATEGIES[policy.strategy], evidence, promoted=version is not None)
    decided = int((order.decided & reserved).sum())
    rng = np.random.default_rng([policy.seed, number])
    return draw_query(candidates, _WithoutShadows(strategy), policy, decided=decided, rng=rng), predicted


@dataclass(frozen=True, slots=True)
class _WithoutShadows(Strategy):
    """The strategy, but it does not say what it would have picked of the reserve: that takes as long as its picks do,
    and changes none of them."""

    strategy: Strategy

    def choose(self, view: View, n: int, rng: np.random.Generator) -> Picks:
        return self.strategy.choose(view, n, rng)

    def would_pick(self, view: View, picks: Picks, reserve: Positions, rng: np.random.Generator) -> Would:
        return np.zeros(len(reserve), bool)


def _evidence(trial: Trial, labels: Labels, policy: Policy) -> Evidence | None:
    rng = np.random.default_rng(policy.seed)
    rows, classes = labels.rows[labels.teaches], labels.classes[labels.teaches]
    some = sampled_groups(rows, rng)
    return evidence_of(classes[some], _out_of_fold(trial, rows[some], classes[some], np.ones(len(some), bool), rng))


def _re_review(trial: Trial, people: People, policy: Policy) -> None:
    due = people.re_reviews_due(policy)
    if due > 0 and people.lacks_plan():
        labels = labels_of(one for one in people.log if not one.certifies)
        rng = np.random.default_rng(policy.seed)
        probs = _out_of_fold(trial, labels.rows, labels.classes, labels.teaches, rng)
        people.plan(labels.rows, 1 - probs[np.arange(len(labels.rows)), labels.classes])
    people.re_review(due)


def _out_of_fold(
    trial: Trial, rows: Rows, classes: Rows, teaches: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float64]:
    return cross_validated(trial.inputs(rows), classes, rows, teaches, trial.fit, trial.of.n_classes, rng)
