"""Choosing a batch: always distinct, always as many as there are, the same for a seed, also when degenerate."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits

from labeling.select.strategies.batch import choose, joined
from labeling.select.strategies.k_center import k_center
from labeling.select.strategies.strategy import Labelled, View
from labeling.select.strategies.typical import Typical, typical
from labeling.select.strategies.uncertainty import margin


def _pool(n: int, kind: str, seed: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 5)).astype(np.float32)
    doubts = rng.random(n, dtype=np.float32)
    if kind in ("all duplicates", "both"):
        vectors = np.ones_like(vectors)
    if kind in ("all equally doubtful", "both"):
        doubts = np.full(n, 0.5, dtype=np.float32)
    return vectors, doubts


@settings(max_examples=50, deadline=None)
@given(
    n=st.integers(0, 60),
    size=st.integers(0, 90),
    kind=st.sampled_from(["plain", "all duplicates", "all equally doubtful", "both"]),
    seed=st.integers(0, 999),
)
def test_a_batch_is_distinct_and_exactly_as_large_as_it_can_be(n: int, size: int, kind: str, seed: int) -> None:
    vectors, doubts = _pool(n, kind, seed)

    chosen = choose(doubts, lambda at: vectors[at], size)
    view = View(np.arange(n), lambda at: vectors[at], lambda: Labelled((), lambda at: vectors[at]))
    cold = Typical().choose(view, size, np.random.default_rng(seed)).positions

    for positions in (chosen, cold):
        assert len(positions) == len(set(positions.tolist())) == min(size, n)
        assert all(0 <= position < n for position in positions)
    assert (np.diff(doubts[chosen]) <= 0).all()
    assert chosen.tolist() == choose(doubts, lambda at: vectors[at], size).tolist()
    assert cold.tolist() == Typical().choose(view, size, np.random.default_rng(seed)).positions.tolist()


def test_a_batch_holds_only_the_three_times_most_doubtful() -> None:
    vectors, doubts = _pool(500, "plain", 1)

    chosen = choose(doubts, lambda at: vectors[at], 7)

    assert set(chosen) <= set(np.argsort(-doubts)[:21])
    assert np.argmax(doubts) == chosen[0]


def test_the_last_of_the_three_times_most_doubtful_is_chosen_where_it_alone_differs_and_no_later_one() -> None:
    places = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 9.0])[:, None]  # six are the shortlist for two
    doubts = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])

    chosen = choose(doubts, lambda at: places[at], 2)

    assert chosen.tolist() == [0, 5]


def test_of_equally_doubtful_ones_at_the_end_of_the_shortlist_the_earlier_are_on_it() -> None:
    places = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 9.0, 9.0])[:, None]  # six are the shortlist for two
    doubts = np.array([0.9, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])

    chosen = choose(doubts, lambda at: places[at], 2)

    assert chosen.tolist() == [0, 5]


def test_k_center_takes_the_farthest_point_each_time() -> None:
    points = np.random.default_rng(5).normal(size=(80, 4))

    taken = k_center(points, 12)

    distances = cdist(points, points)
    for i in range(1, 12):
        nearest = distances[:, taken[:i]].min(axis=1)
        assert nearest[taken[i]] == pytest.approx(nearest.max(), rel=1e-4)


def test_k_center_begins_farthest_from_what_is_covered_and_fills_the_largest_gaps() -> None:
    points = np.array([[0.0], [1.0], [4.0], [10.0]])

    assert k_center(points, 3, np.array([[0.5], [9.0]])).tolist() == [2, 3, 0]
    assert k_center(points, 2, np.tile([[10.0]], (600, 1))).tolist() == [0, 2]


def test_typical_points_lie_in_the_middle_of_their_clusters_largest_first() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    points = np.concatenate([c + rng.normal(size=(m, 2)) for c, m in zip(centres, (20, 60, 40), strict=True)])

    chosen = typical(points, 3, np.random.default_rng(1))

    assert np.argmin(cdist(points[chosen], centres), axis=1).tolist() == [1, 2, 0]
    assert (cdist(points[chosen], centres).min(axis=1) < 1.0).all()


def test_more_points_than_clusters_are_taken_in_turn() -> None:
    points = np.random.default_rng(0).normal(size=(900, 3))

    chosen = typical(points, 700, np.random.default_rng(1))

    assert len(set(chosen.tolist())) == 700


def test_twenty_typical_digits_teach_more_than_twenty_random_ones() -> None:
    from sklearn.linear_model import LogisticRegression

    x, y = load_digits(return_X_y=True)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)

    def accuracy(at: npt.NDArray[np.int64]) -> float:
        return float(LogisticRegression(C=30, max_iter=200).fit(x[at], y[at]).score(x, y))

    ours = np.mean([accuracy(typical(x, 20, np.random.default_rng(seed))) for seed in range(3)])
    plain = np.mean([accuracy(np.random.default_rng(seed).permutation(len(x))[:20]) for seed in range(5)])

    assert ours > plain + 0.05


def test_images_without_text_differ_by_their_pixels_only() -> None:
    images = np.array([[2.0, 0.0], [0.0, 5.0], [2.0, 0.0]])
    texts = np.array([[np.nan, np.nan], [np.nan, np.nan], [0.0, 3.0]])

    vectors = joined(images, texts)

    assert vectors.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 1]]


def test_margin_and_choice_prefer_the_image_between_two_classes() -> None:
    probs = np.array([[0.98, 0.01, 0.01], [0.49, 0.48, 0.03], [0.7, 0.2, 0.1]])
    vectors = np.eye(3)

    chosen = choose(margin(probs), lambda at: vectors[at], 1)

    assert chosen.tolist() == [1]


def test_typical_points_are_of_clusters_without_a_label_while_there_are_any() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    points = np.concatenate([c + rng.normal(size=(m, 2)) for c, m in zip(centres, (60, 40, 20), strict=True)])
    known = centres[[0]]

    chosen = typical(points, 2, np.random.default_rng(1), known)

    assert np.argmin(cdist(points[chosen], centres), axis=1).tolist() == [1, 2]


def test_wide_vectors_are_compared_along_their_principal_directions() -> None:
    rng = np.random.default_rng(0)
    centres = 9 * rng.normal(size=(5, 300))
    which = rng.integers(0, 5, 200)
    points = centres[which] + rng.normal(size=(200, 300))

    chosen = typical(points, 5, np.random.default_rng(1))

    assert sorted(which[chosen].tolist()) == [0, 1, 2, 3, 4]
    assert chosen.tolist() == typical(points, 5, np.random.default_rng(1)).tolist()
