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
from labeling.select.query.draw import Candidates, Pick, draw_query
from labeling.select.query.shares import Counts, plan, target_reached
from labeling.select.strategies.registry import STRATEGIES
from labeling.select.strategies.strategy import Labelled, Picks, Predicted, Strategy, View, ranked
from labeling.select.strategies.uncertainty import margin
from labeling.types import ReviewKind

CLASSES = ["cat", "dog", "bird"]


Array = npt.NDArray[np.floating]


def _candidates(n: int, groups: int, seed: int = 0, *, cold: bool = False) -> Candidates:
    rng = np.random.default_rng(seed)
    group = rng.integers(0, max(groups, 1), size=n)
    vectors = rng.normal(size=(n, 4)).astype(np.float32)
    return _of(group, group % 4 == 0, vectors, None if cold else _probs(n, seed))


def _probs(n: int, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng([seed, 1]).dirichlet(np.ones(3), size=n).astype(np.float32)


def _of(
    groups: npt.NDArray[np.int64], holdout: npt.NDArray[np.bool_], vectors: Array, probs: Array | None
) -> Candidates:
    return Candidates(
        groups=groups,
        reserved=reserved,
        view=lambda at: View(
            groups=groups[at],
            gather=lambda some: np.asarray(vectors[at[some]], np.float32),
            labelled=lambda: Labelled((), lambda some: vectors[some]),
            predicted=None if probs is None else Predicted(probs[at]),
        ),
    )


def _draw(
    candidates: Candidates, policy: Policy, seed: int = 0, *, reached: bool = False, by: Strategy | None = None
) -> list[Pick]:
    strategy = by or STRATEGIES[policy.strategy]
    return draw_query(candidates, strategy, policy, reached=reached, rng=np.random.default_rng(seed))


@settings(max_examples=50, deadline=None)
@given(
    n=st.integers(0, 120),
    groups=st.integers(1, 90),
    size=st.integers(1, 140),
    seed=st.integers(0, 999),
    strategy=st.sampled_from(sorted(STRATEGIES)),
    cold=st.booleans(),
)
def test_a_query_asks_each_group_once_and_the_holdout_for_evaluation_only(
    n: int, groups: int, size: int, seed: int, strategy: str, cold: bool
) -> None:
    candidates = _candidates(n, groups, seed, cold=cold)
    policy = Policy(query_size=size, strategy=strategy)

    picks = _draw(candidates, policy, seed)

    asked = [int(candidates.groups[pick.position]) for pick in picks]
    pool_groups = len(set(candidates.groups[~candidates.holdout].tolist()))
    evaluation = [pick for pick in picks if pick.kind is ReviewKind.RANDOM]
    assert len(asked) == len(set(asked))
    assert len(picks) == min(size, pool_groups + len(evaluation))
    for pick in picks:
        assert bool(candidates.holdout[pick.position]) == (pick.kind is ReviewKind.RANDOM)
        assert pick.blind or pick.kind in (ReviewKind.HARD, ReviewKind.HARD)
        assert 0 <= pick.place < 1
        assert 0 < pick.probability <= 1
        assert strategy != "random" or pick.kind is not ReviewKind.HARD
    assert picks == _draw(candidates, policy, seed)


def test_shares_of_a_large_query_are_those_of_the_policy() -> None:
    picks = _draw(_candidates(4_000, 4_000), Policy(query_size=200))

    kinds = Counter(pick.kind for pick in picks)
    assert kinds == {
        ReviewKind.RANDOM: 40,
        ReviewKind.HARD: 10,
        ReviewKind.RANDOM: 10,
        ReviewKind.HARD: 140,
    }


def test_shares_hold_over_many_small_queries() -> None:
    rng = np.random.default_rng(0)

    plans = [plan(7, Shares(), pool=500, reserved=500, reached=True, rng=rng) for _ in range(2_000)]

    for kind, share in (("evaluation", 0.05), ("control", 0.05), ("calibration", 0.05)):
        assert np.mean([getattr(counts, kind) for counts in plans]) == pytest.approx(7 * share, abs=0.04)


def test_random_kinds_are_uniform_over_their_side_and_say_so() -> None:
    candidates = _candidates(60, 30, seed=2)
    pool = sorted(set(candidates.groups[~candidates.holdout].tolist()))
    holdout = sorted(set(candidates.groups[candidates.holdout].tolist()))
    policy = Policy(query_size=10, shares=Shares(control=0.2, calibration=0.1))

    hits: Counter[tuple[ReviewKind, int]] = Counter()
    for seed in range(3_000):
        for pick in _draw(candidates, policy, seed):
            hits[pick.kind, int(candidates.groups[pick.position])] += 1

    for kind, groups, n in (
        (ReviewKind.RANDOM, holdout, 2),
        (ReviewKind.HARD, pool, 2),
        (ReviewKind.RANDOM, pool, 1),
    ):
        rates = [hits[kind, group] / 3_000 for group in groups]
        assert rates == pytest.approx([n / len(groups)] * len(groups), abs=0.035)
    control = next(p for p in _draw(candidates, policy) if p.kind is ReviewKind.HARD)
    assert control.probability == pytest.approx(2 / len(pool))


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


def test_an_exhausted_pool_leaves_evaluation_and_then_nothing() -> None:
    only_holdout = _candidates(40, 40)
    keep = only_holdout.holdout
    rest = replace(only_holdout, groups=only_holdout.groups[keep], holdout=keep[keep])
    none = replace(rest, groups=rest.groups[:0], holdout=rest.holdout[:0])

    assert {pick.kind for pick in _draw(rest, Policy(query_size=1), reached=True)} == {ReviewKind.RANDOM}
    assert _draw(none, Policy()) == []
    assert plan(0, Shares(), pool=9, reserved=9, reached=False, rng=np.random.default_rng(0)) == Counts(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("shares", "evaluation"),
    [
        (Shares(), 20),
        (Shares(random_first=0.001), 1),
        (Shares(random_first=0.0), 0),
    ],
)
def test_with_an_empty_pool_evaluation_keeps_to_its_share_and_goes_on_however_small_it_is(
    shares: Shares, evaluation: int
) -> None:
    found = plan(100, shares, pool=0, reserved=300, reached=False, rng=np.random.default_rng(0))

    assert found == Counts(evaluation, 0, 0, 0)


@pytest.mark.parametrize(
    ("pool", "counts"), [(3, Counts(0, 3, 0, 0)), (7, Counts(0, 5, 2, 0)), (12, Counts(0, 5, 5, 2))]
)
def test_a_small_pool_is_spent_on_control_first_then_on_calibration_then_on_hard_images(
    pool: int, counts: Counts
) -> None:
    assert plan(100, Shares(), pool=pool, reserved=0, reached=False, rng=np.random.default_rng(0)) == counts


@pytest.mark.parametrize(
    ("labels", "reached"),
    [
        ({}, False),
        ({"cat": 5, "dog": 5, "bird": 5}, False),  # five of each, but no gate runs on 15
        ({"cat": 20, "dog": 5, "bird": 5}, True),
        ({"cat": 60, "dog": 30, "bird": 4}, False),
        ({"cat": 90, "none of these": 10}, True),
    ],
)
def test_the_larger_evaluation_share_ends_at_the_target(labels: dict[str, int], reached: bool) -> None:
    assert target_reached(labels, CLASSES, Shares(), least=30) is reached


def test_a_class_without_any_evaluation_label_keeps_the_larger_share() -> None:
    assert not target_reached({"cat": 30, "dog": 30}, CLASSES, Shares(evaluation_per_class=1), least=30)


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
        ("margin", False, 0, [18, 36, 72, 51, 68, 64, 1, 82]),
        ("margin", False, 1, [63, 72, 51, 68, 74, 1, 82, 40, 6]),
        ("entropy", False, 0, [18, 36, 72, 68, 64, 1, 51, 6]),
        ("least_confidence", False, 1, [63, 72, 68, 5, 74, 51, 1, 6, 25]),
        ("margin", True, 0, [67, 16, 2, 3, 4, 14, 52, 46]),
        ("margin", True, 1, [31, 67, 46, 3, 24, 14, 7, 40, 43]),
    ],
)
def test_a_seed_picks_what_it_picked_when_a_strategy_saw_probabilities_only(
    strategy: str, cold: bool, seed: int, hard: list[int]
) -> None:
    picks = _draw(_recorded(cold=cold), Policy(query_size=12, strategy=strategy), seed)

    drawn = [pick.position for pick in picks if pick.kind is not ReviewKind.HARD]
    assert drawn == ([22, 54, 50, 10] if seed == 0 else [81, 80, 18])
    assert [pick.position for pick in picks if pick.kind is ReviewKind.HARD] == hard


def test_a_random_query_is_drawn_as_it_was_when_a_strategy_saw_probabilities_only() -> None:
    picks = _draw(_recorded(cold=False), Policy(query_size=12, strategy="random"), 0)

    found = [(pick.position, pick.kind.value, pick.blind, round(pick.place, 4)) for pick in picks]
    assert found == [
        (22, "evaluation", True, 0.9572),
        (54, "evaluation", True, 0.1488),
        (50, "evaluation", True, 0.9726),
        (10, "control", False, 0.8899),
        (84, "control", False, 0.8224),
        (56, "control", True, 0.48),
        (26, "control", False, 0.2324),
        (5, "control", False, 0.8019),
        (35, "control", True, 0.9235),
        (18, "control", False, 0.2661),
        (60, "control", True, 0.5389),
        (44, "calibration", True, 0.758),
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

    def __init__(self, positions: list[int], scores: list[float] | None = None) -> None:
        self.positions, self.scores = np.array(positions), scores

    def choose(self, view: View, n: int, rng: np.random.Generator) -> Picks:
        picks = ranked(self.positions, "given")
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
    ],
)
def test_picks_that_break_the_contract_are_refused(strategy: Strategy, words: str) -> None:
    groups, shares = np.array([0, 0, 1, 2]), Shares(0, 0, control=0, calibration=0)
    candidates = _of(groups, np.zeros(4, bool), np.zeros((4, 1), np.float32), None)

    with pytest.raises(Invalid, match=f"'margin' .*{words}"):
        _draw(candidates, Policy(query_size=2, shares=shares), by=strategy)


def test_a_strategy_may_pick_fewer_or_none() -> None:
    shares = Shares(0, 0, control=0, calibration=0)

    for positions in ([], [5]):
        picks = _draw(_candidates(40, 40), Policy(query_size=2, shares=shares), by=_Picks(positions))

        assert len(picks) == len(positions)
