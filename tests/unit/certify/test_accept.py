"""The accept rule beside the score: what each part excludes and leaves alone, and that the promise holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from labeling.certify.accept import (
    conflicts,
    farthest_usual,
    in_contradiction,
    nearest_training,
    outliers,
    rare_issues,
)
from labeling.certify.finished import finished
from labeling.certify.scan import scan
from labeling.certify.score import surest_first


def test_the_nearest_training_image_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    vectors, training = rng.normal(size=(300, 6)), rng.normal(size=(40, 6))
    theirs = NearestNeighbors(n_neighbors=1, metric="cosine").fit(training).kneighbors(vectors)

    distances, which = nearest_training(vectors, training, np.arange(40))

    assert distances == pytest.approx(theirs[0][:, 0], abs=1e-5)
    assert which.tolist() == theirs[1][:, 0].tolist()


def test_a_training_image_is_not_compared_with_its_own_group_and_what_is_not_finite_counts_as_absent() -> None:
    training = np.array([[1.0, 0.0], [1.0, 0.01], [0.0, 1.0], [np.nan, 1.0]])
    groups = np.array([7, 7, 8, 9])

    distances, which = nearest_training(training, training, groups, groups)

    assert which.tolist() == [2, 2, 1, -1]
    assert np.isnan(distances).tolist() == [False, False, False, True]


def test_without_a_training_image_nothing_is_unlike() -> None:
    distances, which = nearest_training(np.ones((3, 2)), np.empty((0, 2)), np.empty(0, np.int64))

    assert which.tolist() == [-1] * 3
    assert not outliers(distances, farthest_usual(distances, 0.01)).any()


def test_equal_training_images_make_no_other_equal_one_an_outlier() -> None:
    training = np.ones((50, 3))
    between, _ = nearest_training(training, training, np.arange(50), np.arange(50))
    usual = farthest_usual(between, 0.01)

    assert not outliers(nearest_training(np.ones((5, 3)), training, np.arange(50))[0], usual).any()


@given(st.integers(1, 400), st.sampled_from([0.01, 0.05, 0.2]))
def test_of_images_like_the_training_images_no_more_than_the_rate_is_unlike(n: int, rate: float) -> None:
    """Exact for one more image at each of the n + 1 ranks: that is what like means."""
    places = np.arange(n + 1.0)
    above = [float(left) > farthest_usual(np.delete(places, int(left)), rate) for left in places]

    assert np.mean(above) <= max(rate, 1 / (n + 1)) + 1e-12


def test_an_engine_that_is_bad_at_everything_is_never_sure() -> None:
    rng = np.random.default_rng(0)
    training, labels = rng.dirichlet(np.full(5, 0.1), 400), rng.integers(5, size=400)
    said = rng.dirichlet(np.full(5, 0.05), 1_000)

    assert not conflicts(said, rng.integers(5, size=1_000), training, labels, 0.9).any()


def test_only_where_an_engine_is_sure_by_training_labels_does_it_conflict() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(2, size=500)
    sure = rng.random(500) < 0.5
    said_right = np.where(sure, True, rng.random(500) < 0.5)  # right where it says .95, a coin where it says .6
    likeliest = np.where(said_right, labels, 1 - labels)
    top = np.where(sure, 0.95, 0.6)
    training = np.where(likeliest[:, None] == np.arange(2), top[:, None], 1 - top[:, None])
    said = np.array([[0.95, 0.05], [0.6, 0.4], [0.95, 0.05], [np.nan, np.nan]])

    assert conflicts(said, np.array([1, 1, 0, 1]), training, labels, 0.9).tolist() == [True, False, False, False]


def test_equal_probabilities_are_one_level_however_they_are_ordered() -> None:
    """Whether the wrong ones come first among equal scores must not make an engine sure of half of them."""
    training, labels = np.tile([[0.6, 0.4]], (60, 1)), np.repeat([1, 0], [20, 40])

    assert not conflicts(np.array([[0.6, 0.4]]), np.array([1]), training, labels, 0.9).any()


def test_with_few_training_images_nothing_is_known_of_an_engine() -> None:
    training, labels = np.tile([[0.99, 0.01]], (29, 1)), np.zeros(29, int)

    assert not conflicts(np.array([[0.99, 0.01]]), np.array([1]), training, labels, 0.5).any()


def test_a_group_of_which_the_version_says_two_things_is_a_contradiction() -> None:
    assert in_contradiction(np.array([5, 9, 5, 9, 2]), np.array([1, 0, 2, 0, 3])).tolist() == [
        *(True, False, True, False, False)
    ]
    assert in_contradiction(np.empty(0, np.int64), np.empty(0, np.int64)).tolist() == []


def test_a_check_that_many_pictures_fail_excludes_none_of_them() -> None:
    many, few = np.arange(100) < 11, np.arange(100) < 10

    assert not rare_issues(np.column_stack([many])).any()
    assert rare_issues(np.column_stack([many, few])).sum() == 10
    assert rare_issues(np.empty((0, 2), bool)).tolist() == []


def test_checks_that_many_pictures_fail_between_them_count_from_the_rarest_on() -> None:
    images = np.arange(100)
    dark, blurred, long = images < 6, (images >= 4) & (images < 12), images >= 93

    assert rare_issues(np.column_stack([blurred, dark])).tolist() == dark.tolist()
    assert rare_issues(np.column_stack([blurred, dark, long])).tolist() == dark.tolist()
    assert rare_issues(np.column_stack([dark, images < 10])).sum() == 10


def test_the_promise_holds_whatever_a_rule_excludes_before_the_sample_is_drawn() -> None:
    """Excluded images, wrong ones or right ones, stand last: the band covers every order that is fixed beforehand."""
    rng, size, drawn, p, delta = np.random.default_rng(3), 300, 60, 0.9, 0.1
    for among in (True, False):
        broken = [0, 0]
        for _ in range(300):
            wrong, scores = rng.random(size) < 0.15, rng.random(size)
            excluded = (wrong if among else ~wrong) & (rng.random(size) < 0.3)
            order, ends = surest_first(np.where(excluded, -np.inf, scores))
            sampled = np.zeros(size, bool)
            sampled[rng.choice(size, drawn, replace=False)] = True
            wrong, sampled = wrong[order], sampled[order]
            one = scan(sampled, ~wrong[sampled], p, delta, ends).accepted
            down = one.rank if one else 0
            broken[0] += (wrong & ~sampled)[:down].sum() > (1 - p) * (~sampled)[:down].sum() + 1e-9
            other = finished(sampled, ~wrong[sampled], 1 - p, delta, ends)
            broken[1] += (wrong & ~sampled)[: other.rank].sum() > (1 - p) * size + 1e-9
            assert down <= size - excluded.sum() and other.rank <= size - excluded.sum()
        assert max(broken) <= 47  # of 300 at .10: more has a chance of .001
