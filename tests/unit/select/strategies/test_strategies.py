"""Every strategy of the registry keeps the contract, whatever the pool is like; and the kinds that there are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.errors import Invalid
from labeling.select.strategies.by_score import ByScore
from labeling.select.strategies.k_center import KCenter
from labeling.select.strategies.registry import STRATEGIES
from labeling.select.strategies.strategy import Labelled, Picks, Predicted, Strategy, View, checked_picks
from labeling.select.strategies.uncertainty import margin

BY_SCORE = {"entropy", "least_confidence", "margin"}
KINDS = ["plain", "equal images", "vectors of NaN", "sure of one class", "no members"]


def _view(n: int, groups: int, seed: int = 0, *, known: float = 1.0, labelled: int = 0, kind: str = "plain") -> View:
    """A part `known` of the rows has probabilities, the others are NaN; 0: nothing is known of any."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 4)).astype(np.float32)
    theirs = rng.normal(size=(labelled, 4)).astype(np.float32)
    members = rng.dirichlet(np.ones(3), size=(5, n)).astype(np.float32)
    if kind == "equal images":
        vectors[:], members[:] = 1, members[:, :1]
    if kind == "vectors of NaN":
        vectors[::2], theirs[::2] = np.nan, np.inf
    if kind == "sure of one class":
        members[:] = [0, 1, 0]
    probs = members.mean(axis=0)
    members[:, rng.random(n) >= known] = probs[rng.random(n) >= known] = np.nan
    of_each = None if kind == "no members" else members
    return View(
        groups=rng.integers(0, groups, size=n),
        gather=lambda at: vectors[at],
        labelled=lambda: Labelled(("cat",) * labelled, lambda at: theirs[at]),
        predicted=Predicted(probs, members=of_each, classes=("cat", "dog", "owl")) if known else None,
    )


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=15, deadline=None)
@given(
    n=st.integers(0, 60),
    groups=st.integers(1, 60),
    size=st.integers(-1, 80),
    seed=st.integers(0, 999),
    known=st.sampled_from([0.0, 0.5, 1.0]),
    labelled=st.integers(0, 9),
    kind=st.sampled_from(KINDS),
)
def test_picks_are_distinct_one_a_group_as_many_as_there_are_and_the_same_for_a_seed(
    name: str, n: int, groups: int, size: int, seed: int, known: float, labelled: int, kind: str
) -> None:
    strategy, view = STRATEGIES[name], _view(n, groups, seed, known=known, labelled=labelled, kind=kind)

    picks = strategy.choose(view, size, np.random.default_rng(seed))

    again = strategy.choose(view, size, np.random.default_rng(seed))
    wanted = max(0, min(size, len(set(view.groups.tolist()))))
    assert len(picks.positions) == len(picks.scores) == len(picks.reasons) == wanted
    assert len(set(view.groups[picks.positions].tolist())) == len(picks.positions)
    assert np.isfinite(picks.scores).all() and (np.diff(picks.scores) <= 0).all() and all(picks.reasons)
    assert checked_picks(picks, view, size, name).positions.tolist() == again.positions.tolist()


ORDERED = ["bald", "class_balanced", "entropy", "herding", "least_confidence", "margin", "rare_class", "weighted"]
"""Neither chance nor the order of equal images decides what they pick here; the others cluster, draw or count votes."""


@pytest.mark.parametrize("name", ORDERED)
def test_the_order_in_which_images_stand_changes_nothing_where_chance_does_not_choose(name: str) -> None:
    view = _view(150, 120, 4, labelled=6)
    moved = np.random.default_rng(1).permutation(150)
    assert view.predicted is not None
    other = replace(
        view, groups=view.groups[moved], gather=lambda at: view.gather(moved[at]), predicted=view.predicted.take(moved)
    )

    first = STRATEGIES[name].choose(view, 20, np.random.default_rng(0)).positions
    again = moved[STRATEGIES[name].choose(other, 20, np.random.default_rng(9)).positions]

    assert sorted(first.tolist()) == sorted(again.tolist())


@pytest.mark.parametrize("name", STRATEGIES)
def test_members_may_be_asked_for_when_they_are_needed_and_only_by_who_needs_them(name: str) -> None:
    view, asked = _view(80, 60, 2, labelled=5), []
    assert view.predicted is not None
    held = view.predicted

    def members(at: npt.NDArray[np.int64]) -> npt.NDArray[np.floating]:
        asked.append(len(at))
        return held.members_at(at)

    lazy = replace(view, predicted=replace(held, members=members))
    found = [STRATEGIES[name].choose(one, 12, np.random.default_rng(0)).positions.tolist() for one in (view, lazy)]

    assert found[0] == found[1]
    assert bool(asked) == (STRATEGIES[name].ensemble is not None)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_either_scores_what_is_predicted_or_says_that_it_has_no_score(name: str) -> None:
    predicted = Predicted(np.array([[0.9, 0.1], [0.5, 0.5], [np.nan, np.nan]]))

    scores = STRATEGIES[name].score(predicted)

    assert isinstance(STRATEGIES[name], Strategy)
    assert (scores is not None) == (name in BY_SCORE)
    if scores is not None:
        assert np.isfinite(scores).all() and scores[0] < scores[1] == scores[2]


@pytest.mark.parametrize("positions", [[0.0, 2.0], [True], [[0, 2]]], ids=["floats", "a mask", "a table"])
def test_positions_that_are_no_row_of_whole_numbers_are_refused(positions: list[object]) -> None:
    picks = Picks(np.array(positions), np.ones(len(positions)), ("given",) * len(positions))

    with pytest.raises(Invalid, match="'mine' must pick at most 2 positions of 5 images"):
        checked_picks(picks, _view(5, 5), 2, "mine")


@pytest.mark.parametrize("n", [0, -1])
def test_a_pick_where_none_was_asked_for_is_refused(n: int) -> None:
    with pytest.raises(Invalid, match="'mine' must pick at most"):
        checked_picks(Picks(np.array([0]), np.ones(1), ("given",)), _view(5, 5), n, "mine")


def test_no_position_at_all_is_an_answer_whatever_its_type() -> None:
    nothing = Picks(np.array([]), np.array([]), ())

    assert checked_picks(nothing, _view(5, 5), 2, "mine").positions.dtype == np.int64


def test_only_random_picks_are_a_uniform_sample() -> None:
    assert [name for name, strategy in STRATEGIES.items() if strategy.uniform] == ["random"]


@pytest.mark.parametrize("name", sorted(BY_SCORE))
def test_of_a_group_the_most_doubtful_image_is_picked_and_the_order_is_that_of_the_score(name: str) -> None:
    view = _view(200, 40, known=0.9)
    assert view.predicted is not None
    scores = STRATEGIES[name].score(view.predicted)
    assert scores is not None

    picks = STRATEGIES[name].choose(view, 20, np.random.default_rng(0))

    assert picks.scores.tolist() == scores[picks.positions].tolist() == sorted(picks.scores.tolist(), reverse=True)
    for position in picks.positions:
        assert scores[position] == scores[view.groups == view.groups[position]].max()


def test_entropy_asks_first_for_what_margin_asks_last() -> None:
    probs = np.array([[0.50, 0.49, 0.01], [0.40, 0.30, 0.30]])
    vectors = np.eye(2, dtype=np.float32)
    view = View(np.arange(2), lambda at: vectors[at], lambda: Labelled((), lambda at: vectors[at]), Predicted(probs))

    first = {name: STRATEGIES[name].choose(view, 2, np.random.default_rng(0)).positions[0] for name in BY_SCORE}

    assert first == {"margin": 0, "entropy": 1, "least_confidence": 1}


def test_an_image_about_which_engines_contradict_each_other_is_as_doubtful_as_the_most_doubtful() -> None:
    probs = np.array([[0.99, 0.01], [0.98, 0.02], [0.6, 0.4]])
    predicted = Predicted(probs, conflicts=np.array([1.0, 0.0, 0.0]))

    scores = STRATEGIES["margin"].score(predicted)

    assert scores is not None
    np.testing.assert_allclose(scores, [0.8, 0.04, 0.8], atol=1e-6)


def test_before_anything_is_known_a_score_leaves_it_to_typical_images() -> None:
    view = _view(80, 60, known=0.0)

    found = [STRATEGIES[name].choose(view, 9, np.random.default_rng(3)).positions.tolist() for name in BY_SCORE]

    assert found == [STRATEGIES["typical"].choose(view, 9, np.random.default_rng(3)).positions.tolist()] * 3


def test_random_gives_every_group_the_same_chance_and_every_image_of_a_group() -> None:
    view = replace(_view(6, 1), groups=np.array([0, 0, 0, 1, 2, 3]))
    hits = np.zeros(6)
    for seed in range(2_000):
        hits[STRATEGIES["random"].choose(view, 2, np.random.default_rng(seed)).positions] += 1

    assert hits / 2_000 == pytest.approx([1 / 6] * 3 + [1 / 2] * 3, abs=0.04)


def test_k_center_picks_what_is_far_from_the_labels_whatever_is_predicted() -> None:
    vectors, theirs = np.array([[0.0], [1.0], [9.0]], np.float32), np.array([[0.2]], np.float32)
    labelled = Labelled(("cat",), lambda at: theirs[at])
    view = View(np.arange(3), lambda at: vectors[at], lambda: labelled, Predicted(np.array([[0.5, 0.5]] * 3)))

    picks = KCenter().choose(view, 2, np.random.default_rng(0))

    assert picks.positions.tolist() == [2, 1]


class _EqualImages:
    """A gather of equal vectors that notes how many it was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, at: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        self.asked.append(len(at))
        return np.zeros((len(at), 1), np.float32)


class _Images(_EqualImages):
    """The same of vectors that differ."""

    def __call__(self, at: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        super().__call__(at)
        return np.stack([np.sin(at), np.cos(at)], axis=1).astype(np.float32)


@pytest.mark.parametrize("name", ["k_center", "typical"])
def test_of_more_than_ten_thousand_images_ten_thousand_are_compared(name: str) -> None:
    gather = _EqualImages()
    view = View(np.arange(10_001), gather, lambda: Labelled((), gather))

    STRATEGIES[name].choose(view, 1, np.random.default_rng(0))

    assert gather.asked == [10_000]


@pytest.mark.parametrize("name", sorted(set(STRATEGIES) - {"random"}))
def test_of_a_hundred_thousand_images_the_vectors_of_few_are_read(name: str) -> None:
    n, gather = 100_000, _Images()
    members = np.random.default_rng(0).dirichlet(np.ones(2), size=(3, n)).astype(np.float16)
    predicted = Predicted(members.astype(np.float32).mean(axis=0), members=members)
    view = View(np.arange(n), gather, lambda: Labelled((), gather), predicted)

    picks = STRATEGIES[name].choose(view, 3, np.random.default_rng(0))

    assert len(picks.positions) == 3 and max(gather.asked, default=0) <= 10_000


def test_k_center_compares_with_at_most_ten_thousand_labelled_images() -> None:
    images, theirs = _EqualImages(), _EqualImages()
    view = View(np.arange(2), images, lambda: Labelled(("cat",) * 10_001, theirs))

    KCenter().choose(view, 1, np.random.default_rng(0))

    assert (images.asked, theirs.asked) == ([2], [10_000])


def test_a_function_of_ones_own_sees_no_nan_and_must_give_one_finite_number_an_image() -> None:
    predicted = Predicted(np.array([[0.9, 0.1], [np.nan, np.nan]]))

    scores = ByScore("mine", lambda known: known.min(axis=1)).score(predicted)

    np.testing.assert_allclose(scores, [0.1, 0.5])
    wrong: list[npt.NDArray[np.float64]] = [np.zeros((2, 2)), np.full(2, np.inf)]
    for scores in wrong:
        with pytest.raises(Invalid, match="'mine' must give one finite number"):
            ByScore("mine", lambda known, scores=scores: scores).score(predicted)  # type: ignore[misc]


def test_a_view_knows_its_probabilities_or_that_there_are_none() -> None:
    known, unknown = _view(5, 5), _view(5, 5, known=0.0)

    assert unknown.probs is None
    assert known.probs is not None and margin(known.probs).shape == (5,)
