"""Planted label errors are found: on real digits and on synthetic classes, and as cleanlab itself finds them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from cleanlab.filter import find_label_issues
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from labeling.learn.classifier import Inputs
from labeling.learn.heads.logistic import Logistic
from labeling.learn.training import fit_classifier, predict_probs
from labeling.quality.labels.label_errors import cross_validated, folds_of, suspects, twins_that_differ


def images_only(vectors: NDArray[np.floating], classes: int) -> Inputs:
    """Nothing but vectors: no text, no pre-labels."""
    n = len(vectors)
    return Inputs(vectors.astype(np.float32), np.empty((n, 0), np.float32), np.full((n, classes), np.nan, np.float32))


def head(classes: int) -> Callable[[Inputs, NDArray[np.int64]], Callable[[Inputs], NDArray[np.float64]]]:
    """The project's own head."""

    def fit(inputs: Inputs, labels: NDArray[np.int64]) -> Callable[[Inputs], NDArray[np.float64]]:
        classifier = fit_classifier(inputs, labels, classes, Logistic(max_steps=3))  # enough here, and quick
        return lambda others: predict_probs(classifier, others)

    return fit


def planted(
    truth: NDArray[np.int64], classes: int, errors: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The labels with so many of them wrong, and which those are."""
    rng = np.random.default_rng(seed)
    wrong = rng.choice(len(truth), errors, replace=False)
    labels = truth.copy()
    labels[wrong] = (truth[wrong] + rng.integers(1, classes, size=errors)) % classes
    return labels, wrong


@pytest.fixture(scope="module")
def digits() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """300 scanned digits with 15 wrong labels: truth, labels, which are wrong, out-of-fold probabilities."""
    pixels, truth = load_digits(return_X_y=True)
    pixels, truth = pixels[:300], truth[:300].astype(np.int64)
    labels, wrong = planted(truth, 10, 15, seed=0)
    groups, teaches = np.arange(300), np.ones(300, bool)
    inputs = images_only(pixels, 10)
    probs = cross_validated(inputs, labels, groups, teaches, head(10), 10, np.random.default_rng(0))
    return truth, labels, wrong, probs


def test_most_wrong_labels_of_real_digits_are_among_the_top(digits: tuple[NDArray[np.int64], ...]) -> None:
    """Of 15 wrong among 300 a random list of 15 holds .75; ours holds at least 10."""
    truth, labels, wrong, probs = digits

    found = suspects(labels, probs)

    top = {one.position for one in found[: len(wrong)]}
    assert len(top & set(wrong.tolist())) >= 10
    hit = [one for one in found if one.position in set(wrong.tolist())]
    assert np.mean([one.suggested == truth[one.position] for one in hit]) > 0.85
    assert [one.score for one in found] == sorted(one.score for one in found)


@pytest.mark.parametrize("rank_by", ["self_confidence", "normalized_margin"])
def test_suspects_are_those_of_cleanlab_called_plainly(digits: tuple[NDArray[np.int64], ...], rank_by: str) -> None:
    _, labels, _, probs = digits

    ours = [one.position for one in suspects(labels, probs, rank_by)]  # type: ignore[arg-type]

    assert ours == find_label_issues(labels, probs, return_indices_ranked_by=rank_by, n_jobs=1).tolist()


def test_labels_without_errors_raise_few_suspects() -> None:
    vectors, truth = clusters(400)
    probs = cross_validated(
        images_only(vectors, 4), truth, np.arange(400), np.ones(400, bool), head(4), 4, np.random.default_rng(0)
    )

    assert len(suspects(truth, probs)) <= 4


def test_errors_on_the_hold_out_are_found_by_a_fit_that_never_saw_the_hold_out() -> None:
    vectors, truth = clusters(400)
    labels, wrong = planted(truth, 4, 40, seed=1)
    teaches = np.arange(400) < 300
    sizes: list[int] = []

    def fit(inputs: Inputs, known: NDArray[np.int64]) -> Callable[[Inputs], NDArray[np.float64]]:
        sizes.append(len(inputs))
        return head(4)(inputs, known)

    probs = cross_validated(images_only(vectors, 4), labels, np.arange(400), teaches, fit, 4, np.random.default_rng(0))

    held = {int(at) for at in wrong if at >= 300}
    found = {one.position for one in suspects(labels, probs) if one.position >= 300}
    assert len(held & found) >= 0.8 * len(held) and len(found - held) <= 5  # of 87 that are right
    assert sorted(sizes) == [240, 240, 240, 240, 240, 300]  # the last one for what only measures, from all that teach


def test_an_image_is_never_judged_by_what_learnt_from_its_twin() -> None:
    groups = np.repeat(np.arange(50), 2)

    folds = folds_of(groups, np.ones(100, bool), np.random.default_rng(3))

    assert (folds[::2] == folds[1::2]).all()
    assert np.bincount(folds).tolist() == [20] * 5


def test_a_label_of_a_class_that_no_other_fold_knows_is_never_a_suspect() -> None:
    vectors, truth = clusters(200)
    labels = truth.copy()
    labels[7] = 4  # the only one of its class

    probs = cross_validated(
        images_only(vectors, 5), labels, np.arange(200), np.ones(200, bool), head(5), 5, np.random.default_rng(0)
    )

    assert np.isnan(probs[7]).all()
    assert 7 not in {one.position for one in suspects(labels, probs)}


def test_twins_with_different_labels_are_named_and_others_are_not() -> None:
    found = twins_that_differ(["a", "b", "a", "a", "c", "d"], np.array([1, 1, 2, 2, 3, 1]))

    assert found == [(0, 1, 5)]


def test_labels_of_one_class_have_no_suspects() -> None:
    probs = np.tile([0.6, 0.4], (40, 1))

    assert suspects(np.zeros(40, np.int64), probs) == []


def clusters(n: int, classes: int = 4) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(5)
    truth = rng.integers(classes, size=n)
    return np.eye(classes, 16)[truth] + rng.normal(scale=0.25, size=(n, 16)), truth
