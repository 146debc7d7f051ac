"""The head against scikit-learn on the same features, and what it does with too little to learn from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from labeling.errors import Invalid, NothingToLearnFrom
from labeling.learn.classifier import Inputs
from labeling.learn.heads.logistic import LinearHead, Logistic
from labeling.learn.training import fit_classifier, predict_logits, predict_probs
from labeling.vectors import softmax


def images(vectors: NDArray[np.float32], n_classes: int) -> Inputs:
    n = len(vectors)
    return Inputs(vectors, np.empty((n, 0), np.float32), np.full((n, n_classes), np.nan, np.float32))


def digits(n: int) -> tuple[Inputs, NDArray[np.int64], Inputs, NDArray[np.int64]]:
    pixels, labels = load_digits(return_X_y=True)
    everything = images(pixels.astype(np.float32), 10)
    order = np.random.default_rng(0).permutation(len(labels))
    return everything.take(order[:n]), labels[order[:n]], everything.take(order[n:]), labels[order[n:]]


@pytest.mark.parametrize("balanced", [False, True])
def test_it_equals_scikit_learn_on_the_same_features(balanced: bool) -> None:
    train, labels, test, truth = digits(200)
    ours = fit_classifier(train, labels, 10, Logistic(balanced=balanced))
    theirs = LogisticRegression(C=30, class_weight="balanced" if balanced else None, max_iter=2_000, tol=1e-7)
    theirs.fit(ours.fusion.features(train).astype(np.float64), labels)

    probs = softmax(predict_logits(ours, test))
    expected = theirs.predict_proba(ours.fusion.features(test).astype(np.float64))

    assert np.abs(probs - expected).max() < 1e-3
    assert (probs.argmax(axis=1) == truth).mean() >= (expected.argmax(axis=1) == truth).mean()


def test_the_same_fit_gives_the_same_bytes() -> None:
    train, labels, _, _ = digits(60)

    first, second = fit_classifier(train, labels, 10).head, fit_classifier(train, labels, 10).head

    assert isinstance(first, LinearHead) and isinstance(second, LinearHead)
    assert first.weight.tobytes() == second.weight.tobytes()
    assert first.bias.tobytes() == second.bias.tobytes()


def test_the_loss_falls_and_is_logged() -> None:
    train, labels, _, _ = digits(60)
    losses: list[float] = []

    fit_classifier(train, labels, 10, log=lambda step, loss: losses.append(loss))

    assert losses == sorted(losses, reverse=True)
    assert losses[0] > losses[-1]


@given(st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_probabilities_are_finite_and_sum_to_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs = Inputs(
        rng.normal(size=(20, 6)).astype(np.float32),
        np.where(rng.random((20, 1)) < 0.5, np.nan, rng.normal(size=(20, 4))).astype(np.float32),
        np.where(rng.random((20, 1)) < 0.5, np.nan, rng.dirichlet(np.ones(4), size=20)).astype(np.float32),
    )

    probs = predict_probs(fit_classifier(inputs.take(list(range(8))), np.arange(8) % 4, 4), inputs)

    assert np.isfinite(probs).all()
    assert np.allclose(probs.sum(axis=1), 1)


@pytest.mark.parametrize("labels", [[], [2, 2, 2]])
def test_fewer_than_two_classes_are_nothing_to_learn_from(labels: list[int]) -> None:
    inputs = images(np.ones((len(labels), 4), np.float32), 3)

    with pytest.raises(NothingToLearnFrom, match="at least two"):
        fit_classifier(inputs, np.array(labels, np.int64), 3)


def test_one_example_of_a_class_is_enough_to_find_it_again() -> None:
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 0, 1]]

    classifier = fit_classifier(images(vectors, 2), np.array([0, 0, 0, 1]), 2)

    assert predict_probs(classifier, images(vectors, 2)).argmax(axis=1).tolist() == [0, 0, 0, 1]


def test_a_class_without_examples_gets_practically_no_probability() -> None:
    vectors = np.eye(4, dtype=np.float32)[[0, 1, 0, 1]]

    classifier = fit_classifier(images(vectors, 3), np.array([0, 2, 0, 2]), 3)

    assert classifier.present.tolist() == [True, False, True]
    assert predict_probs(classifier, images(vectors, 3))[:, 1].max() < 1e-12


def test_where_all_embeddings_are_the_same_it_gives_the_shares_of_the_labels() -> None:
    inputs = images(np.ones((8, 4), np.float32), 2)

    classifier = fit_classifier(inputs, np.array([0, 0, 0, 0, 0, 0, 1, 1]), 2)

    assert np.allclose(softmax(predict_logits(classifier, inputs))[0], [0.75, 0.25], atol=1e-3)


def test_an_embedding_that_is_not_finite_is_refused() -> None:
    inputs = images(np.array([[1, 0], [np.nan, 1]], np.float32), 2)

    with pytest.raises(Invalid, match="leave them out"):
        fit_classifier(inputs, np.array([0, 1]), 2)
