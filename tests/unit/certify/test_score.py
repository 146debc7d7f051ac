"""The score of a certificate: against its definition, in blocks, with ties, and with rows that are not finite."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import MonkeyPatch
from scipy.special import logit, softmax

from labeling.certify import score
from labeling.certify.score import Scale, neighbour_support, scale_of, scores, surest_first, top_logits


def test_the_logit_is_that_of_the_largest_probability() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 4)) * 3

    assert top_logits(logits) == pytest.approx(logit(softmax(logits, axis=1).max(axis=1)))
    assert top_logits(np.array([[2_000.0, 0.0, 0.0]]))[0] == pytest.approx(2_000 - np.log(2))


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_support_is_the_share_of_the_ten_nearest_by_their_weight(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pool, training = rng.normal(size=(7, 5)), rng.normal(size=(size, 5))
    predicted, labels = rng.integers(3, size=7), rng.integers(3, size=size)

    found = neighbour_support(pool, predicted, training, labels)

    cosine = (pool @ training.T) / np.outer(np.linalg.norm(pool, axis=1), np.linalg.norm(training, axis=1))
    for row in range(7):
        ten = np.argsort(-cosine[row])[:10]
        weight = np.exp(8 * cosine[row][ten])
        assert found[row] == pytest.approx(weight[labels[ten] == predicted[row]].sum() / weight.sum(), abs=1e-4)


def test_blocks_change_nothing(monkeypatch: MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    pool, training, labels = rng.normal(size=(33, 8)), rng.normal(size=(20, 8)), rng.integers(2, size=20)
    whole = neighbour_support(pool, np.zeros(33, int), training, labels)
    logits = rng.normal(size=(33, 3))
    top = top_logits(logits)

    monkeypatch.setattr(score, "NUMBERS_AT_ONCE", 70)

    assert neighbour_support(pool, np.zeros(33, int), training, labels) == pytest.approx(whole, abs=1e-6)
    assert (top_logits(logits) == top).all()


def test_equal_vectors_share_the_places_whatever_their_order() -> None:
    training, labels = np.ones((40, 4)), np.repeat([0, 1], [10, 30])

    found = neighbour_support(np.ones((5, 4)), np.array([0, 1, 0, 1, 2]), training, labels)

    assert found == pytest.approx([0.25, 0.75, 0.25, 0.75, 0.0])


def test_images_as_near_as_the_tenth_share_the_places_that_are_left() -> None:
    """Eight at cosine 1, then thirty at .6 for two places."""
    training, labels = np.array([[1.0, 0.0]] * 8 + [[0.6, 0.8]] * 30), np.repeat([0, 1], [8, 30])

    found = neighbour_support(np.array([[1.0, 0.0]]), np.array([0]), training, labels)

    assert found == pytest.approx([8 * np.exp(8) / (8 * np.exp(8) + 2 * np.exp(4.8))], abs=1e-5)


def test_where_all_images_are_equal_the_order_is_that_of_the_pool() -> None:
    logits, support = np.full(6, 0.1) + 1e-17, np.full(6, 1 / 3)

    found = scores(logits, support, scale_of(logits, support))

    order, ends = surest_first(found)
    assert found.tolist() == [0.0] * 6 and order.tolist() == list(range(6)) and ends.tolist() == [6]


def test_images_without_finite_numbers_come_last_and_are_never_within_a_rank() -> None:
    pool = np.array([[1.0, 0.0], [np.nan, 1.0], [0.0, 1.0], [np.inf, 0.0]])
    logits = np.array([1.0, 5.0, np.nan, 9.0])
    support = neighbour_support(pool, np.zeros(4, int), np.array([[1.0, 0.0], [np.nan, 0.0]]), np.array([0, 1]))

    order, ends = surest_first(scores(logits, support, scale_of(logits, support)))

    assert np.isnan(support).tolist() == [False, True, False, True] and support[0] == 1
    assert order[0] == 0 and ends.tolist() == [1]


def test_without_training_images_nothing_has_a_score() -> None:
    support = neighbour_support(np.ones((3, 2)), np.zeros(3, int), np.empty((0, 2)), np.empty(0, int))

    assert np.isnan(support).all() and scale_of(np.ones(3), support) == Scale(0, 0, 0, 0)
    assert surest_first(np.full(3, -np.inf))[1].tolist() == surest_first(np.empty(0))[1].tolist() == []


def test_both_parts_weigh_the_same_and_a_later_image_keeps_the_scale() -> None:
    logits, support = np.array([0.0, 10.0, 20.0]), np.array([0.9, 0.8, 0.7])
    scale = scale_of(logits, support)

    assert scores(logits, support, scale) == pytest.approx([0, 0, 0], abs=1e-9)
    assert scores(np.array([20.0]), np.array([0.9]), scale) == pytest.approx([2 * np.sqrt(1.5)])


def test_equal_scores_are_never_cut() -> None:
    order, ends = surest_first(np.array([1.0, 3.0, 1.0, 2.0, 3.0]))

    assert order.tolist() == [1, 4, 3, 0, 2] and ends.tolist() == [2, 3, 5]
