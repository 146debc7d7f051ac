"""Gold in a query: on top of it, at the policy's rate, at random places, the onboarding set at once."""

from __future__ import annotations

import numpy as np

from labeling.project import Gold, Policy
from labeling.select.query.gold import draw_gold
from labeling.types import ReviewKind


def _drawn(gold: Gold, *, available: int, asked: int = 0, seed: int = 0) -> list[int]:
    policy = Policy(query_size=50, gold=gold)
    return [pick.position for pick in draw_gold(available, policy, asked=asked, rng=np.random.default_rng(seed))]


def test_the_rate_is_kept_on_average_even_where_a_query_has_less_than_one() -> None:
    counts = [len(_drawn(Gold(rate=0.01), available=90, seed=seed)) for seed in range(1_000)]

    assert set(counts) == {0, 1}
    assert 0.45 < np.mean(counts) < 0.55


def test_the_onboarding_set_is_asked_at_once_and_only_once() -> None:
    gold = Gold(rate=0.0, onboarding=8)

    assert len(_drawn(gold, available=20)) == 8
    assert len(_drawn(gold, available=17, asked=3)) == 5
    assert _drawn(gold, available=12, asked=8) == []


def test_no_more_is_drawn_than_there_is_and_nothing_twice() -> None:
    found = _drawn(Gold(rate=0.5), available=6)

    assert sorted(found) == [0, 1, 2, 3, 4, 5]
    assert _drawn(Gold(rate=0.5), available=0) == []


def test_every_gold_pick_is_blind_and_stands_anywhere() -> None:
    policy = Policy(query_size=100, gold=Gold(rate=0.5))

    picks = draw_gold(200, policy, asked=0, rng=np.random.default_rng(1))

    assert {(pick.kind, pick.blind) for pick in picks} == {(ReviewKind.GOLD, True)}
    assert {pick.probability for pick in picks} == {len(picks) / 200}
    assert min(p.place for p in picks) < 0.1 < 0.9 < max(p.place for p in picks) < 1
