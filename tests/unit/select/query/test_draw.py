"""One query, held to the statistical contract: who is drawn from where, how often, and with which probability."""

from __future__ import annotations

import tempfile
import tracemalloc
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.errors import Invalid
from labeling.project import Policy, Shares
from labeling.select.query.draw import Candidates, Drawn, Pick, draw_query
from labeling.select.query.shares import Counts, plan
from labeling.select.strategies.registry import STRATEGIES
from labeling.select.strategies.strategy import Labelled, Picks, Predicted, Strategy, View, ranked
from labeling.select.strategies.uncertainty import margin
from labeling.types import ReviewKind

Array = npt.NDArray[np.floating]


def _candidates(n: int, groups: int, seed: int = 0, *, cold: bool = False) -> Candidates:
    rng = np.random.default_rng(seed)
    group = rng.integers(0, max(groups, 1), size=n)
    vectors = rng.normal(size=(n, 4)).astype(np.float32)
    return _of(group, group % 4 == 0, vectors, None if cold else _probs(n, seed))


def _probs(n: int, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng([seed, 1]).dirichlet(np.ones(3), size=n).astype(np.float32)


def _of(
    groups: npt.NDArray[np.int64], reserved: npt.NDArray[np.bool_], vectors: Array, probs: Array | None
) -> Candidates:
    """The stream asks about the reserved groups in the order of their numbers."""
    return Candidates(
        groups=groups,
        open=~reserved,
        reserved=reserved,
        stream=np.unique(groups[reserved]),
        view=lambda at: View(
            groups=groups[at],
            gather=lambda some: np.asarray(vectors[at[some]], np.float32),
            labelled=lambda: Labelled((), lambda some: vectors[some]),
            predicted=None if probs is None else Predicted(probs[at]),
        ),
    )


def _query(
    candidates: Candidates, policy: Policy, seed: int = 0, *, decided: int = 0, by: Strategy | None = None
) -> Drawn:
    strategy = by or STRATEGIES[policy.strategy]
    return draw_query(candidates, strategy, policy, decided=decided, rng=np.random.default_rng(seed))


def _draw(candidates: Candidates, policy: Policy, seed: int = 0, *, by: Strategy | None = None) -> list[Pick]:
    return _query(candidates, policy, seed, by=by).picks


@settings(max_examples=50, deadline=None)
@given(
    n=st.integers(0, 120),
    groups=st.integers(1, 90),
    size=st.integers(1, 140),
    seed=st.integers(0, 999),
    strategy=st.sampled_from(sorted(STRATEGIES)),
    cold=st.booleans(),
)
def test_a_query_asks_each_group_once_and_no_strategy_picks_of_the_reserve(
    n: int, groups: int, size: int, seed: int, strategy: str, cold: bool
) -> None:
    candidates = _candidates(n, groups, seed, cold=cold)
    policy = Policy(query_size=size, strategy=strategy)

    drawn = _query(candidates, policy, seed)

    picks = drawn.picks
    asked = [int(candidates.groups[pick.position]) for pick in picks]
    pool_groups = len(set(candidates.groups[candidates.open].tolist()))
    random = [pick for pick in picks if pick.kind is ReviewKind.RANDOM]
    assert len(asked) == len(set(asked))
    assert len(picks) == min(size, pool_groups + len(random))
    assert pool_groups or len(random) == min(size, len(candidates.stream))
    assert {int(candidates.groups[pick.position]) for pick in random} == set(candidates.stream[: len(random)].tolist())
    assert set(drawn.shadows.tolist()) <= set(candidates.groups[candidates.reserved].tolist())
    for pick in picks:
        assert bool(candidates.reserved[pick.position]) == (pick.kind is ReviewKind.RANDOM)
        assert pick.blind or pick.kind is ReviewKind.HARD
        assert 0 <= pick.place < 1
        assert 0 < pick.probability <= 1
    again = _query(candidates, policy, seed)
    assert picks == again.picks and drawn.shadows.tolist() == again.shadows.tolist()


def test_a_group_that_is_reserved_and_not_next_in_the_stream_is_not_picked() -> None:
    """Drawn groups, and those whose images the stream asks about already, are neither open nor in the stream."""
    candidates = replace(_candidates(60, 60), stream=np.empty(0, np.int64))

    picks = _draw(candidates, Policy(query_size=60))

    assert {pick.kind for pick in picks} == {ReviewKind.HARD}
    assert not candidates.reserved[[pick.position for pick in picks]].any()


def test_the_stream_comes_in_its_order_whatever_the_seed() -> None:
    candidates = _candidates(400, 400)
    backwards = replace(candidates, stream=candidates.stream[::-1])

    for seed in range(20):
        picks = _draw(backwards, Policy(query_size=50), seed)

        random = {int(backwards.groups[pick.position]) for pick in picks if pick.kind is ReviewKind.RANDOM}
        assert len(random) == 10
        assert random == set(backwards.stream[:10].tolist())


def test_shares_of_a_large_query_are_those_of_the_policy() -> None:
    candidates, policy = _candidates(4_000, 4_000), Policy(query_size=200)

    before, after = (_query(candidates, policy, decided=decided).picks for decided in (99, 100))

    assert Counter(pick.kind for pick in before) == {ReviewKind.RANDOM: 40, ReviewKind.HARD: 160}
    assert Counter(pick.kind for pick in after) == {ReviewKind.RANDOM: 20, ReviewKind.HARD: 180}


@pytest.mark.parametrize(("decided", "share"), [(0, 0.2), (100, 0.1)])
def test_shares_hold_over_many_small_queries(decided: int, share: float) -> None:
    rng = np.random.default_rng(0)

    plans = [plan(7, Shares(), pool=500, reserve=500, decided=decided, rng=rng) for _ in range(2_000)]

    assert all(counts.random + counts.hard == 7 for counts in plans)
    assert np.mean([counts.random for counts in plans]) == pytest.approx(7 * share, abs=0.04)


def test_each_image_of_a_group_is_asked_as_often_and_uniform_picks_say_their_chance() -> None:
    candidates = _candidates(120, 30, seed=2)
    pool = sorted(set(candidates.groups[candidates.open].tolist()))
    sizes = {int(group): int((candidates.groups == group).sum()) for group in candidates.stream[:2]}
    first = np.flatnonzero(candidates.groups == max(sizes, key=sizes.__getitem__))
    policy = Policy(query_size=10, strategy="random")

    hits: Counter[int] = Counter()
    asked: Counter[int] = Counter()
    for seed in range(3_000):
        for pick in _draw(candidates, policy, seed):
            asked[pick.position] += 1
            if pick.kind is ReviewKind.HARD:
                hits[int(candidates.groups[pick.position])] += 1
                assert pick.probability == pytest.approx(8 / len(pool))

    assert [hits[group] / 3_000 for group in pool] == pytest.approx([8 / len(pool)] * len(pool), abs=0.035)
    assert len(first) > 1
    assert [asked[at] / 3_000 for at in first] == pytest.approx([1 / len(first)] * len(first), abs=0.035)


def test_of_the_reserve_as_large_a_part_is_a_shadow_pick_as_was_picked_of_the_others() -> None:
    candidates = _candidates(2_000, 2_000)

    drawn = _query(candidates, Policy(query_size=400))

    picked = sum(pick.kind is ReviewKind.HARD for pick in drawn.picks)
    part = picked / len(np.unique(candidates.groups[candidates.open]))
    reserved = len(np.unique(candidates.groups[candidates.reserved]))
    assert len(drawn.shadows) == pytest.approx(part * reserved, rel=0.2)


def test_hard_picks_are_certain_and_stand_in_order_of_doubt() -> None:
    candidates, margins = _candidates(300, 300), margin(_probs(300))

    hard = [pick for pick in _draw(candidates, Policy(query_size=40)) if pick.kind is ReviewKind.HARD]

    doubts = [float(margins[pick.position]) for pick in hard]
    assert doubts == sorted(doubts, reverse=True)
    assert [pick.place for pick in hard] == [rank / len(hard) for rank in range(len(hard))]
    assert {pick.probability for pick in hard} == {1.0}


def test_places_of_random_kinds_tell_nothing_about_doubt() -> None:
    candidates, margins = _candidates(4_000, 4_000), margin(_probs(4_000))

    picks = _draw(candidates, Policy(query_size=2_000, strategy="random"))

    doubts = [margins[pick.position] for pick in picks]
    assert abs(np.corrcoef(doubts, [pick.place for pick in picks])[0, 1]) < 0.08


def test_blind_share_applies_to_what_may_be_shown() -> None:
    policy = Policy(query_size=2_000, shares=Shares(blind=0.1))

    hard = [pick for pick in _draw(_candidates(6_000, 6_000), policy) if pick.kind is ReviewKind.HARD]

    assert np.mean([pick.blind for pick in hard]) == pytest.approx(0.1, abs=0.03)


def test_an_exhausted_pool_leaves_the_stream_and_then_nothing() -> None:
    candidates = _candidates(40, 40)
    keep = candidates.reserved
    rest = _of(candidates.groups[keep], keep[keep], np.zeros((int(keep.sum()), 4)), None)
    none = _of(rest.groups[:0], keep[:0], np.zeros((0, 4)), None)

    asked = _draw(rest, Policy(query_size=50))

    assert {pick.kind for pick in asked} == {ReviewKind.RANDOM}
    assert {int(rest.groups[pick.position]) for pick in asked} == set(rest.stream.tolist())
    assert _draw(none, Policy()) == []
    assert plan(0, Shares(), pool=9, reserve=9, decided=0, rng=np.random.default_rng(0)) == Counts(0, 0)


@pytest.mark.parametrize(
    ("shares", "decided", "random"),
    [
        (Shares(), 0, 100),
        (Shares(random_first=0.001), 0, 100),
        (Shares(random_first=0.0), 0, 0),  # who does not measure is not asked to
        (Shares(random_first=0.0), 100, 100),
        (Shares(random=0.0), 100, 0),
    ],
)
def test_with_an_empty_pool_the_whole_query_is_of_the_reserve(shares: Shares, decided: int, random: int) -> None:
    found = plan(100, shares, pool=0, reserve=300, decided=decided, rng=np.random.default_rng(0))

    assert found == Counts(random, 0)


@pytest.mark.parametrize(
    ("pool", "reserve", "counts"), [(3, 0, Counts(0, 3)), (3, 9, Counts(9, 3)), (90, 5, Counts(5, 90))]
)
def test_a_small_pool_and_a_small_reserve_are_spent_whole(pool: int, reserve: int, counts: Counts) -> None:
    assert plan(100, Shares(), pool=pool, reserve=reserve, decided=0, rng=np.random.default_rng(0)) == counts


def test_a_million_images_are_drawn_from_within_the_size_of_their_embeddings() -> None:
    n, dimensions = 1_000_000, 64
    rng = np.random.default_rng(0)
    probs = rng.random((n, 3), dtype=np.float32).astype(np.float16)
    with tempfile.TemporaryDirectory() as folder:
        file = np.memmap(Path(folder) / "vectors", dtype=np.float16, mode="w+", shape=(n, dimensions))
        candidates = _of(np.arange(n), rng.random(n) < 0.25, file, probs)

        tracemalloc.start()
        picks = _draw(candidates, Policy(query_size=100))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert len(picks) == 100
    assert peak < 1.5 * file.nbytes


@pytest.mark.parametrize(
    ("strategy", "cold", "seed", "hard"),
    [
        ("margin", False, 0, [18, 36, 72, 51, 68, 62, 1, 82, 40, 6]),
        ("margin", False, 1, [18, 36, 72, 51, 68, 62, 1, 82, 40, 6]),
        ("entropy", False, 0, [18, 36, 72, 68, 64, 1, 51, 6, 12, 40]),
        ("least_confidence", False, 1, [18, 36, 72, 68, 51, 1, 62, 6, 82, 40]),
        ("margin", True, 0, [67, 17, 2, 7, 14, 3, 26, 44, 1, 40]),
        ("margin", True, 1, [78, 31, 46, 3, 26, 14, 25, 40, 43, 1]),
    ],
)
def test_a_seed_picks_what_it_picked_when_it_was_recorded(
    strategy: str, cold: bool, seed: int, hard: list[int]
) -> None:
    picks = _draw(_recorded(cold=cold), Policy(query_size=12, strategy=strategy), seed)

    drawn = [pick.position for pick in picks if pick.kind is not ReviewKind.HARD]
    assert drawn == [75, 50]
    assert [pick.position for pick in picks if pick.kind is ReviewKind.HARD] == hard


def test_a_random_query_is_drawn_as_it_was_when_it_was_recorded() -> None:
    picks = _draw(_recorded(cold=False), Policy(query_size=12, strategy="random"), 0)

    found = [(pick.position, pick.kind.value, pick.blind, round(pick.place, 4)) for pick in picks]
    assert found == [
        (75, "random", True, 0.0165),
        (50, "random", True, 0.8133),
        (3, "hard", False, 0.0),
        (31, "hard", False, 0.1),
        (72, "hard", False, 0.2),
        (52, "hard", False, 0.3),
        (82, "hard", False, 0.4),
        (35, "hard", False, 0.5),
        (26, "hard", False, 0.6),
        (48, "hard", False, 0.7),
        (78, "hard", False, 0.8),
        (76, "hard", True, 0.9),
    ]


def _recorded(*, cold: bool) -> Candidates:
    rng = np.random.default_rng(7)
    groups = rng.integers(0, 60, size=90)
    vectors = rng.normal(size=(90, 4)).astype(np.float32)
    probs = rng.dirichlet(np.ones(3), size=90)
    probs[::9] = np.nan
    return _of(groups, groups % 4 == 0, vectors, None if cold else probs)


class _Picks(Strategy):
    """Picks the given positions."""

    def __init__(
        self, positions: list[int], scores: list[float] | None = None, reasons: tuple[object, ...] | None = None
    ) -> None:
        self.positions, self.scores, self.reasons = np.array(positions), scores, reasons

    def choose(self, view: View, n: int, rng: np.random.Generator) -> Picks:
        picks = ranked(self.positions, "given")
        if self.reasons is not None:
            picks = replace(picks, reasons=self.reasons)  # type: ignore[arg-type]
        return picks if self.scores is None else replace(picks, scores=np.array(self.scores))


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        (_Picks([0, 0]), "two images of one group"),
        (_Picks([0, 1]), "two images of one group"),
        (_Picks([99]), "at most 2 positions of 4 images"),
        (_Picks([4]), "at most 2 positions of 4 images"),
        (_Picks([-1]), "at most 2 positions"),
        (_Picks([0, 2, 3]), "at most 2 positions"),
        (_Picks([0, 2], [1.0, np.nan]), "one finite number"),
        (_Picks([0, 2], [1.0]), "one finite number"),
        (_Picks([0, 2], reasons=("first",)), "a reason for each of its 2 picks"),
        (_Picks([0, 2], reasons=("first", 2)), "as text"),
    ],
)
def test_picks_that_break_the_contract_are_refused(strategy: Strategy, words: str) -> None:
    groups, shares = np.array([0, 0, 1, 2]), Shares(0, 0)
    candidates = _of(groups, np.zeros(4, bool), np.zeros((4, 1), np.float32), None)

    with pytest.raises(Invalid, match=f"'margin' .*{words}"):
        _draw(candidates, Policy(query_size=2, shares=shares), by=strategy)


def test_a_strategy_may_pick_fewer_or_none() -> None:
    shares = Shares(0, 0)

    for positions in ([], [5]):
        picks = _draw(_candidates(40, 40), Policy(query_size=2, shares=shares), by=_Picks(positions))

        assert len(picks) == len(positions)
