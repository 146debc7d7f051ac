"""Both classifiers out of fold: neither learns from what it predicts, each learns from its own snapshot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labeling.learn.classifier import Inputs
from labeling.project import Gate
from labeling.promote.judgement import judge
from labeling.promote.out_of_fold import learns_without, out_of_fold
from labeling.types import Verdict

N, K = 40, 3
GROUPS = np.arange(N) // 2
TRUTH = np.arange(N) % K


def images() -> Inputs:
    """The first number of an image is its position."""
    vectors = np.stack([np.arange(N), np.ones(N)], axis=1).astype(np.float32)
    return Inputs(vectors, np.zeros((N, 0), np.float32), np.zeros((N, K), np.float32))


class Recording:
    """A recipe that notes what it was fitted on and what it predicted, and predicts the commonest label."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[int], list[int], list[int]]] = []

    def __call__(self, inputs: Inputs, labels: NDArray[np.int64]) -> object:
        fitted = [int(row) for row in inputs.image[:, 0]]

        def predict(others: Inputs) -> NDArray[np.float64]:
            self.calls.append((fitted, labels.tolist(), [int(row) for row in others.image[:, 0]]))
            return np.eye(K)[np.full(len(others), np.bincount(labels).argmax())] * 0.8 + 0.1

        return predict


def test_each_learns_from_its_own_snapshot_without_the_groups_that_it_predicts() -> None:
    ours, theirs = Recording(), Recording()
    older, relabelled = np.arange(N) < 24, np.where(np.arange(N) == 3, 0, TRUTH)

    out_of_fold(
        GROUPS,
        learns_without(images(), TRUTH, GROUPS, np.ones(N, bool), ours, K),
        learns_without(images(), relabelled, GROUPS, older, theirs, K),
        np.random.default_rng(0),
    )

    assert len(ours.calls) == len(theirs.calls) == 10
    for (fitted, labels, predicted), (of_older, older_labels, same) in zip(ours.calls, theirs.calls, strict=True):
        assert predicted == same
        assert not set(GROUPS[fitted]) & set(GROUPS[predicted]) and set(fitted) | set(predicted) == set(range(N))
        assert set(of_older) == {row for row in fitted if row < 24}
        assert labels == TRUTH[fitted].tolist() and older_labels == relabelled[of_older].tolist()
    assert sorted(row for _, _, predicted in ours.calls for row in predicted) == list(range(N))


def test_each_prediction_lies_in_the_place_of_its_image() -> None:
    def says(positions: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.eye(K)[TRUTH[positions]]

    ours, theirs = out_of_fold(GROUPS, says, says, np.random.default_rng(0))

    assert (ours.argmax(axis=1) == TRUTH).all() and (theirs == ours).all()


def test_a_recipe_judged_against_itself_on_the_same_snapshot_is_no_change() -> None:
    recipe = learns_without(images(), TRUTH, GROUPS, np.ones(N, bool), Recording(), K)

    ours, theirs = out_of_fold(GROUPS, recipe, recipe, np.random.default_rng(0))

    assert judge(ours, theirs, TRUTH, Gate(), np.random.default_rng(0)).verdict is Verdict.NO_CHANGE


def test_where_one_class_is_left_without_the_fold_every_answer_is_absent() -> None:
    labels = np.where(np.arange(N) == 5, 1, 0)
    recipe = learns_without(images(), labels, GROUPS, np.ones(N, bool), Recording(), K)

    assert np.isnan(recipe(np.array([4, 5]))).all()
    assert np.isfinite(recipe(np.array([6, 7]))).all()
