"""Covering points: the same choice as a greedy one that counts everything, and never N x N numbers at once."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from labeling.select.strategies.cluster_margin import ClusterMargin
from labeling.select.strategies.covering.greedy import covering
from labeling.select.strategies.covering.herding import Herding, gaussian, median_reach
from labeling.select.strategies.covering.prob_cover import pure_radius
from labeling.select.strategies.strategy import Labelled, Predicted, View


def _counted(points: np.ndarray, n: int, kernel, weights: np.ndarray, covered: np.ndarray) -> list[int]:
    """The greedy choice, all gains counted each time."""
    between = kernel(np.square(cdist(points, points)))
    reach = kernel(np.square(cdist(points, covered))).max(axis=1)
    taken: list[int] = []
    for _ in range(n):
        gains = np.maximum(between - reach, 0) @ weights
        gains[taken] = -1
        taken.append(int(gains.argmax()))
        reach = np.maximum(reach, between[taken[-1]])
    return taken


@pytest.mark.parametrize("seed", range(4))
def test_it_takes_what_a_choice_takes_that_counts_every_gain_each_time(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, weights, covered = rng.normal(size=(300, 4)), rng.random(300), rng.normal(size=(5, 4))

    for kernel in (gaussian(0.5), lambda squares: (squares < 1.0).astype(np.float32)):
        found = covering(points, 40, kernel, weights=weights, covered=covered).tolist()

        assert found == _counted(points, 40, kernel, weights, covered)


def test_what_adds_nothing_comes_last_in_its_order() -> None:
    points = np.array([[0.0], [0.0], [5.0], [0.0], [5.0]])

    taken = covering(points, 5, lambda squares: (squares < 1).astype(np.float32))

    assert taken.tolist() == [0, 2, 1, 3, 4]


def test_never_as_many_numbers_as_there_are_pairs() -> None:
    points = np.random.default_rng(0).normal(size=(5_000, 8)).astype(np.float32)

    tracemalloc.start()
    covering(points, 20, gaussian(1.0))
    pure_radius(points, 5, np.random.default_rng(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 5_000**2  # a quarter of the float32 numbers of all pairs


def test_within_the_radius_nineteen_of_twenty_points_have_only_their_own_cluster() -> None:
    rng = np.random.default_rng(0)
    which = rng.integers(0, 3, 600)
    points = (9 * np.eye(3)[which] + rng.normal(size=(600, 3))).astype(np.float32)

    square = pure_radius(points, 3, np.random.default_rng(0))

    to_others = np.where(which[:, None] == which, np.inf, cdist(points, points)).min(axis=1)
    assert (np.square(to_others) < square * (1 + 1e-5)).mean() == pytest.approx(0.05, abs=0.002)
    assert pure_radius(np.ones((9, 2), np.float32), 1, rng) == np.inf


def test_herding_covers_doubt_and_becomes_narrower_with_more_labels() -> None:
    rng = np.random.default_rng(0)
    vectors = np.concatenate([rng.normal(size=(200, 2)), 30 + rng.normal(size=(20, 2))]).astype(np.float32)
    probs = np.where(np.arange(220)[:, None] < 200, [0.99, 0.01], [0.55, 0.45])
    labelled = Labelled(("cat",) * 2, lambda at: vectors[[0, 1]][at])
    view = View(np.arange(220), lambda at: vectors[at], lambda: labelled, Predicted(probs))

    picks = Herding().choose(view, 3, np.random.default_rng(0))

    assert picks.positions[0] >= 200
    assert median_reach(vectors, vectors[::5]) < median_reach(vectors, vectors[:2])


def test_cluster_margin_takes_of_each_cluster_and_the_small_ones_first() -> None:
    rng = np.random.default_rng(0)
    which = np.repeat([0, 1, 2], [60, 30, 10])
    vectors = (50 * np.eye(3)[which] + rng.normal(size=(100, 3))).astype(np.float32)
    top = rng.uniform(0.5, 0.6, 100)
    view = View(
        np.arange(100),
        lambda at: vectors[at],
        lambda: Labelled((), lambda at: vectors[at]),
        Predicted(np.stack([top, 1 - top], axis=1)),
    )

    picks = ClusterMargin().choose(view, 10, np.random.default_rng(0))  # ten times ten: all are considered

    three = ClusterMargin().choose(view, 3, np.random.default_rng(0)).positions
    assert set(which[picks.positions]) == {0, 1, 2} and len(three) == 3
    assert top[picks.positions].mean() < top.mean()
