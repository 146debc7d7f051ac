"""BADGE in factors against gradients that are made, and what its draw does where gradients are alike."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.select.strategies.badge import Badge, Gradients, factors, spread_draw
from labeling.select.strategies.strategy import Labelled, Predicted, View


def _pool(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(4), size=n), rng.normal(size=(n, 5)).astype(np.float32)


def test_lengths_and_distances_are_those_of_the_gradients_themselves() -> None:
    probs, vectors = _pool()

    found = Gradients(factors(probs), vectors)

    a = probs - np.eye(4)[probs.argmax(axis=1)]
    made = np.einsum("nk,nd->nkd", a, vectors).reshape(len(a), -1)
    assert found.squares == pytest.approx(np.square(made).sum(axis=1), rel=1e-4)
    for one in (0, 17, 59):
        assert found.squares_to(one) == pytest.approx(np.square(made - made[one]).sum(axis=1), rel=1e-3, abs=1e-4)


def test_the_longest_comes_first_and_a_second_one_of_the_same_gradient_only_when_nothing_else_is_left() -> None:
    a, x = np.array([[0.1, -0.1], [0.4, -0.4], [0.4, -0.4], [-0.3, 0.3]]), np.ones((4, 1))

    orders = [spread_draw(Gradients(a, x), 4, np.random.default_rng(seed)).tolist() for seed in range(20)]

    assert all(order[0] == 1 and order[3] == 2 and sorted(order) == [0, 1, 2, 3] for order in orders)


def test_a_gradient_is_drawn_with_a_chance_as_its_squared_distance_and_a_sure_image_never() -> None:
    a, x = np.array([[1.0, 0.0], [0.0, 0.8], [0.0, -0.4], [0.0, 0.0]]), np.ones((4, 1))  # .64, .16, 0 from the sure one

    second = [spread_draw(Gradients(a, x), 2, np.random.default_rng(seed)).tolist()[1] for seed in range(2_000)]

    assert second.count(1) / 2_000 == pytest.approx(0.8, abs=0.03)
    assert 3 not in second


def test_where_the_classifier_is_certain_everywhere_chance_alone_draws() -> None:
    x = np.random.default_rng(0).normal(size=(30, 3))

    orders = {tuple(spread_draw(Gradients(np.zeros((30, 2)), x), 5, np.random.default_rng(s))[1:]) for s in range(5)}

    assert len(orders) == 5 and all(len(set(order)) == 4 for order in orders)


def test_of_more_than_ten_thousand_images_the_least_sure_are_kept() -> None:
    n = 10_100
    sure = np.zeros(n, bool)
    sure[::20] = True
    probs = np.where(sure[:, None], [0.999, 0.001], [0.6, 0.4])
    vectors = np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)
    view = View(np.arange(n), lambda at: vectors[at], lambda: Labelled((), lambda at: vectors[at]), Predicted(probs))

    picks = Badge().choose(view, 50, np.random.default_rng(0))

    assert not sure[picks.positions].any()
