"""Where a certificate is wanted a query picks from all: what it did not read of the reserve is like what is left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from labeling.project import CertificateTerms, Policy, Shares
from labeling.select.query.draw import Candidates, Drawn, draw_query
from labeling.select.strategies.hedged import Hedged
from labeling.select.strategies.registry import STRATEGIES
from labeling.select.strategies.strategy import Labelled, Predicted, Strategy, View
from labeling.types import ReviewKind

POLICY = Policy(query_size=8, shares=Shares(0.0, 0.0), certificate=CertificateTerms(precision=0.9))
GROUPS, REPLAYS = 80, 100


def _view(doubt: npt.NDArray[np.float64], at: npt.NDArray[np.int64], labelled: npt.NDArray[np.int64]) -> View:
    """Doubtful images stand close together, so that strategies that cover and those that doubt disagree."""
    vectors = np.stack([doubt, np.sin(37.0 * np.arange(len(doubt)))], axis=1).astype(np.float32)
    probs = np.stack([1 - doubt / 2, doubt / 2], axis=1)
    known = Labelled(("a",) * len(labelled), lambda some: vectors[labelled[some]])
    return View(at, lambda some: vectors[at[some]], lambda: known, Predicted(probs[at]))


def _query(
    doubt: npt.NDArray[np.float64],
    open_: npt.NDArray[np.bool_],
    reserved: npt.NDArray[np.bool_],
    strategy: Strategy,
    seed: int,
    policy: Policy = POLICY,
) -> Drawn:
    labelled = np.flatnonzero(~open_ & ~reserved)
    candidates = Candidates(
        np.arange(GROUPS), open_, reserved, np.empty(0, np.int64), lambda at: _view(doubt, at, labelled)
    )
    return draw_query(candidates, strategy, policy, decided=0, rng=np.random.default_rng(seed))


@pytest.mark.parametrize(
    "strategy",
    [
        STRATEGIES["margin"],
        STRATEGIES["k_center"],
        STRATEGIES["typical"],
        Hedged(STRATEGIES["margin"], 0.5),
    ],
    ids=["margin", "k_center", "typical", "hedged"],
)
def test_after_two_queries_the_reserve_is_as_doubtful_as_what_is_left(strategy: Strategy) -> None:
    doubt = np.linspace(0.05, 0.95, GROUPS)
    bias, taken = np.empty(REPLAYS), np.empty(REPLAYS)

    for replay in range(REPLAYS):
        reserved = np.zeros(GROUPS, bool)
        reserved[np.random.default_rng(replay).permutation(GROUPS)[: GROUPS // 4]] = True
        open_, shadow = ~reserved, np.zeros(GROUPS, bool)
        for query in range(2):
            drawn = _query(doubt, open_, reserved, strategy, query)
            open_ = open_.copy()
            open_[[pick.position for pick in drawn.picks]] = False
            shadow[drawn.shadows] = True
        left = reserved & ~shadow
        bias[replay] = doubt[left].mean() - doubt[open_].mean()
        taken[replay] = doubt[open_].mean() - doubt[~reserved].mean()

    assert abs(bias.mean()) < 4 * bias.std() / np.sqrt(REPLAYS)
    assert strategy is not STRATEGIES["margin"] or abs(taken.mean()) > 0.05  # what it takes is not like the rest


def test_as_many_are_asked_as_the_query_holds_and_what_was_read_before_them_is_a_shadow_pick() -> None:
    doubt, reserved = np.linspace(0.05, 0.95, GROUPS), np.arange(GROUPS) % 4 == 0

    drawn = _query(doubt, ~reserved, reserved, STRATEGIES["margin"], 0)

    asked = {pick.position for pick in drawn.picks}
    assert len(asked) == POLICY.query_size and not asked & set(np.flatnonzero(reserved))
    assert len(drawn.shadows) and reserved[drawn.shadows].all()


def test_fewer_that_may_be_asked_than_the_query_holds_are_asked_all() -> None:
    doubt, reserved = np.linspace(0.05, 0.95, GROUPS), np.ones(GROUPS, bool)
    reserved[:3] = False

    drawn = _query(doubt, ~reserved, reserved, STRATEGIES["margin"], 0)

    assert {pick.position for pick in drawn.picks} == {0, 1, 2}


def test_the_rest_of_the_reserve_is_asked_as_hard_and_makes_no_shadow_pick() -> None:
    doubt, none = np.linspace(0.05, 0.95, GROUPS), np.zeros(GROUPS, bool)
    stream = np.array([5, 9, 2])
    candidates = Candidates(np.arange(GROUPS), none, ~none, stream, lambda at: _view(doubt, at, stream), rest=True)

    drawn = draw_query(candidates, STRATEGIES["margin"], POLICY, decided=0, rng=np.random.default_rng(0))

    assert {pick.position for pick in drawn.picks} == {2, 5, 9}
    assert {pick.kind for pick in drawn.picks} == {ReviewKind.HARD} and not len(drawn.shadows)


def test_without_a_target_the_strategy_sees_no_reserved_image() -> None:
    doubt, reserved = np.linspace(0.05, 0.95, GROUPS), np.arange(GROUPS) % 4 == 0
    policy = replace(POLICY, certificate=None)

    drawn = _query(doubt, ~reserved, reserved, STRATEGIES["margin"], 0, policy)

    alone = STRATEGIES["margin"].choose(
        _view(doubt, np.flatnonzero(~reserved), np.empty(0, np.int64)), 8, np.random.default_rng(0)
    )
    assert [pick.position for pick in drawn.picks] == np.flatnonzero(~reserved)[alone.positions].tolist()
