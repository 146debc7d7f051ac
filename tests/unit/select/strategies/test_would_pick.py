"""Which images of the reserve a strategy would have picked: exact for a score and for chance, close for centres."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.errors import Invalid
from labeling.select.strategies.registry import STRATEGIES
from labeling.select.strategies.strategy import Labelled, Picks, Predicted, Strategy, View

BY_SCORE = ["bald", "disagreement", "entropy", "least_confidence", "margin", "rare_class", "weighted"]
"""Their score of an image does not rest on which others there are: what they would have picked is exact."""


def _view(groups: npt.NDArray[np.int64], seed: int, *, known: bool = True) -> View:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(len(groups), 4)).astype(np.float32)
    members = rng.dirichlet(np.ones(3), size=(5, len(groups))).astype(np.float32)
    predicted = Predicted(members.mean(axis=0), members=members, classes=("cat", "dog", "owl")) if known else None
    labelled = Labelled(("cat", "cat", "dog"), lambda at: vectors[at])
    return View(groups, lambda at: vectors[at], lambda: labelled, predicted)


def _of(view: View, at: npt.NDArray[np.int64]) -> View:
    """What a strategy gets of these images alone."""
    assert view.predicted is not None
    return View(view.groups[at], lambda some: view.gather(at[some]), view.labelled, view.predicted.take(at))


def _moved(picks: Picks, at: npt.NDArray[np.int64]) -> Picks:
    return Picks(at[picks.positions], picks.scores, picks.reasons, picks.by_doubt)


@pytest.mark.parametrize("name", BY_SCORE)
@settings(max_examples=15, deadline=None)
@given(pool=st.integers(2, 60), reserve=st.integers(1, 30), n=st.integers(1, 20), seed=st.integers(0, 999))
def test_by_a_score_it_is_what_would_have_been_picked_if_its_group_alone_had_been_among_the_others(
    name: str, pool: int, reserve: int, n: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    mine, theirs = rng.integers(0, pool, pool), 100 + rng.integers(0, reserve, reserve)
    view, strategy = _view(np.concatenate([mine, theirs]), seed), STRATEGIES[name]
    n = min(n, len(np.unique(mine)) - 1)
    picks = strategy.choose(_of(view, np.arange(pool)), n, rng)

    would = strategy.would_pick(view, picks, np.arange(pool, pool + reserve), rng)

    assert would.dtype == bool
    for group in np.unique(theirs):
        with_it = np.flatnonzero((np.arange(len(view.groups)) < pool) | (view.groups == group))
        picked = strategy.choose(_of(view, with_it), n, rng).positions
        assert set(would[theirs == group].tolist()) == {bool((picked >= pool).any())}


@pytest.mark.parametrize("name", BY_SCORE)
def test_by_a_score_as_large_a_part_of_the_reserve_as_was_picked_of_the_others(name: str) -> None:
    parts = []
    for seed in range(20):
        view, reserve = _view(np.arange(400), seed), np.arange(300, 400)
        picks = STRATEGIES[name].choose(_of(view, np.arange(300)), 60, np.random.default_rng(seed))
        parts.append(STRATEGIES[name].would_pick(view, picks, reserve, np.random.default_rng(seed)).mean())

    assert 0.18 < np.mean(parts) < 0.22  # 60 of 300 were picked


@pytest.mark.parametrize("name", BY_SCORE)
def test_where_all_of_the_others_were_picked_by_a_score_all_of_the_reserve_would_have_been(name: str) -> None:
    view, reserve = _view(np.arange(12), 0), np.arange(8, 12)
    picks = STRATEGIES[name].choose(_of(view, np.arange(8)), 20, np.random.default_rng(0))

    assert STRATEGIES[name].would_pick(view, picks, reserve, np.random.default_rng(0)).all()


def test_an_image_as_doubtful_as_the_last_pick_would_have_been_picked_and_a_surer_one_not() -> None:
    probs = np.array([[0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.61, 0.39], [0.5, 0.5]])
    vectors = np.zeros((5, 1), np.float32)
    view = View(np.arange(5), lambda at: vectors[at], lambda: Labelled((), lambda at: vectors[at]), Predicted(probs))
    picks = Picks(np.array([1]), np.ones(1), ("margin",))

    would = STRATEGIES["margin"].would_pick(view, picks, np.array([2, 3, 4]), np.random.default_rng(0))

    assert would.tolist() == [True, False, True]


def test_by_chance_none_of_the_reserve_would_have_been_picked() -> None:
    view = _view(np.arange(30), 0)
    picks = STRATEGIES["random"].choose(_of(view, np.arange(20)), 20, np.random.default_rng(0))

    would = STRATEGIES["random"].would_pick(view, picks, np.arange(20, 30), np.random.default_rng(0))

    assert would.tolist() == [False] * 10


@pytest.mark.parametrize("name", sorted(set(STRATEGIES) - {*BY_SCORE, "random"}))
def test_by_an_approximation_about_as_large_a_part_of_the_reserve_as_was_picked_of_the_others(name: str) -> None:
    parts = []
    for seed in range(3):
        view, strategy, reserve = _view(np.arange(400), seed), STRATEGIES[name], np.arange(300, 400)
        picks = strategy.choose(_of(view, np.arange(300)), 60, np.random.default_rng(seed))
        parts.append(strategy.would_pick(view, picks, reserve, np.random.default_rng(seed)).mean())

    assert 0.12 < np.mean(parts) < 0.29  # 60 of 300 were picked


def test_before_anything_is_predicted_a_score_asks_typical_images_and_answers_as_they_do() -> None:
    view, reserve = _view(np.arange(90), 3, known=False), np.arange(60, 90)
    picks = Picks(np.arange(12), np.ones(12), ("typical of its cluster",) * 12)

    found, same = (
        STRATEGIES[name].would_pick(view, picks, reserve, np.random.default_rng(4)) for name in ("margin", "typical")
    )

    assert 0 < found.sum() < 30
    assert found.tolist() == same.tolist()


def test_where_all_of_the_others_were_picked_all_of_the_reserve_would_have_been() -> None:
    view = _view(np.arange(9), 0, known=False)
    picks = Picks(np.arange(6), np.ones(6), ("typical of its cluster",) * 6)

    assert STRATEGIES["typical"].would_pick(view, picks, np.array([6, 7, 8]), np.random.default_rng(0)).all()


def test_every_image_of_a_group_of_the_reserve_would_have_been_picked_with_its_group() -> None:
    view = _view(np.array([0, 1, 2, 3, 3, 4, 4]), 5, known=False)
    picks = Picks(np.arange(3), np.ones(3), ("far from what is labelled",) * 3)

    would = STRATEGIES["k_center"].would_pick(view, picks, np.array([3, 4, 5, 6]), np.random.default_rng(0))

    assert would.tolist() == [True] * 4


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize(("picked", "reserve"), [(0, 5), (5, 0)], ids=["no picks", "no reserve"])
def test_without_picks_or_without_a_reserve_there_is_none(name: str, picked: int, reserve: int) -> None:
    view = _view(np.arange(20), 0)
    picks = Picks(np.arange(picked), np.ones(picked), ("picked",) * picked)

    would = STRATEGIES[name].would_pick(view, picks, np.arange(10, 10 + reserve), np.random.default_rng(0))

    assert would.tolist() == [False] * reserve


class _First(Strategy):
    """A plug-in that writes `choose` alone: the images of the lowest positions."""

    def choose(self, view: View, n: int, rng: np.random.Generator) -> Picks:
        return Picks(np.arange(min(n, len(view.groups))), np.ones(min(n, len(view.groups))), ("first",) * n)


class _Beyond(Strategy):
    """A plug-in that breaks the contract where more images are shown than in the query."""

    def choose(self, view: View, n: int, rng: np.random.Generator) -> Picks:
        return Picks(np.array([99]), np.ones(1), ("beyond",))


def test_a_strategy_that_writes_choose_alone_answers_too_and_is_held_to_its_contract() -> None:
    view, reserve = _view(np.arange(8), 0), np.array([0, 1, 7])
    picks = Picks(np.array([2, 3]), np.ones(2), ("first",) * 2)

    assert _First().would_pick(view, picks, reserve, np.random.default_rng(0)).tolist() == [True, True, False]
    with pytest.raises(Invalid, match="'_Beyond' must pick at most 4 positions of 8 images"):
        _Beyond().would_pick(view, picks, reserve, np.random.default_rng(0))
