"""Weights multiply doubt: an image that is worth more is asked sooner."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from labeling.select.strategies.registry import STRATEGIES
from labeling.select.strategies.strategy import Labelled, Predicted, View

WEIGHTED = STRATEGIES["weighted"]


def _view(n: int, seed: int, weights: npt.NDArray[np.floating] | None) -> View:
    rng = np.random.default_rng(seed)
    vectors, probs = rng.normal(size=(n, 4)).astype(np.float32), rng.dirichlet(np.ones(3), size=n)
    labelled = Labelled(("cat", "dog"), lambda at: vectors[at])
    return View(np.arange(n), lambda at: vectors[at], lambda: labelled, Predicted(probs), None, weights)


def test_without_weights_and_with_equal_ones_it_is_margin() -> None:
    plain, even = _view(60, 0, None), _view(60, 0, np.full(60, 2.5))

    picks = [
        strategy.choose(view, 10, np.random.default_rng(0)).positions.tolist()
        for strategy, view in ((STRATEGIES["margin"], plain), (WEIGHTED, plain), (WEIGHTED, even))
    ]

    assert picks[0] == picks[1] == picks[2]


def test_what_is_worth_nothing_is_not_asked_while_three_times_the_query_is_worth_something() -> None:
    weights = np.where(np.arange(60) < 20, 1.0, 0.0)

    picks = WEIGHTED.choose(_view(60, 1, weights), 6, np.random.default_rng(0)).positions

    assert set(picks.tolist()) <= set(range(20))


def test_a_score_is_doubt_times_weight_whatever_part_of_the_view_is_seen() -> None:
    weights = np.random.default_rng(2).gamma(1.0, size=40)
    view = _view(40, 2, weights)
    plain = STRATEGIES["margin"].score(Predicted(view.probs))  # type: ignore[arg-type]

    picks = WEIGHTED.choose(view, 8, np.random.default_rng(0))
    whole = WEIGHTED.choose(view, 40, np.random.default_rng(0))

    assert plain is not None
    np.testing.assert_allclose(picks.scores, (plain * weights)[picks.positions])
    assert whole.positions.tolist() == np.argsort(-plain * weights, kind="stable").tolist()


def test_of_the_reserve_it_would_have_picked_by_weight_too() -> None:
    weights = np.where(np.arange(60) < 50, 1.0, 0.0)  # the reserve is worth nothing
    view = _view(60, 3, weights)
    mine = replace(view, groups=view.groups[:50], predicted=view.predicted.take(np.arange(50)), weights=weights[:50])  # type: ignore[union-attr]
    picks = WEIGHTED.choose(mine, 10, np.random.default_rng(0))

    would = WEIGHTED.would_pick(view, picks, np.arange(50, 60), np.random.default_rng(0))

    assert not would.any()
