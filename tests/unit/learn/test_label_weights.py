"""What training labels count: less where the others speak against them, all alike where nothing does."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from labeling.learn import label_weights as module
from labeling.learn.classifier import Inputs
from labeling.learn.heads.from_function import HeadFromFunction
from labeling.learn.heads.logistic import LinearHead, Logistic
from labeling.learn.label_weights import LEAST_LABELS, label_weights
from labeling.learn.leave_one_out import others_by_features
from labeling.learn.training import fit_classifier, predict_probs
from labeling.vectors import unit

Vectors = NDArray[np.float32]
Labels = NDArray[np.int64]


def _digits(seed: int, n: int = 300) -> tuple[Vectors, Labels, Vectors, Labels]:
    pixels, truth = load_digits(return_X_y=True)
    vectors = unit((pixels - pixels.mean(axis=0)).astype(np.float32))
    order = np.random.default_rng(seed).permutation(len(truth))
    return vectors[order[:n]], truth[order[:n]], vectors[order[n:]], truth[order[n:]]


def _apart(n: int, n_classes: int, noise: float = 0.05) -> tuple[Vectors, Labels]:
    labels = np.arange(n) % n_classes
    points = np.eye(n_classes)[labels] + np.random.default_rng(0).normal(0, noise, (n, n_classes))
    return points.astype(np.float32), labels


def _inputs(vectors: Vectors, n_classes: int, group: Labels | None = None) -> Inputs:
    n = len(vectors)
    return Inputs(vectors, np.empty((n, 0), np.float32), np.full((n, n_classes), np.nan, np.float32), group)


@pytest.mark.parametrize("seed", range(3))
def test_wrong_labels_count_less_and_the_fit_is_better(seed: int) -> None:
    known, truth, others, right = _digits(seed)
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(truth)) < 0.2
    given = np.where(wrong, (truth + rng.integers(1, 10, len(truth))) % 10, truth)

    weights = label_weights(known, given)

    assert weights[wrong].mean() < 0.2 and weights[~wrong].mean() > 0.85
    accuracies = []
    for head in (Logistic(), _alike()):
        fitted = fit_classifier(_inputs(known, 10), given, 10, head)
        accuracies.append((predict_probs(fitted, _inputs(others, 10)).argmax(axis=1) == right).mean())
    assert accuracies[0] > accuracies[1] + 0.02


def test_where_nothing_speaks_for_wrong_labels_the_fit_is_the_one_without_weights() -> None:
    vectors, labels = _apart(120, 4)

    weighed = fit_classifier(_inputs(vectors, 4), labels, 4)
    plain = Logistic().fit(weighed.fusion.features(_inputs(vectors, 4)), labels, 4, np.random.default_rng(0))

    assert weighed.weights is not None and (weighed.weights == 1).all()
    assert isinstance(weighed.head, LinearHead)
    assert weighed.head.weight.tobytes() == plain.weight.tobytes()


@pytest.mark.parametrize("penalty", module.PENALTIES)
@pytest.mark.parametrize(("n", "width"), [(40, 6), (30, 64)])
def test_the_closed_form_is_a_regression_without_the_group(penalty: float, n: int, width: int) -> None:
    rng = np.random.default_rng(0)
    x = unit(rng.normal(size=(n, width)).astype(np.float32))
    hot = np.eye(3, dtype=np.float32)[rng.integers(0, 3, n)]
    groups = np.arange(n)
    groups[[5, 9]] = groups[2]

    scores = others_by_features(x, groups).scores(hot, penalty)

    for at in (0, 2, 5, n - 1):
        rest = groups != groups[at]
        mean, of = x[rest].mean(axis=0), hot[rest].mean(axis=0)
        gram = (x[rest] - mean).T @ (x[rest] - mean) + penalty * np.eye(width)
        weight = np.linalg.solve(gram.astype(np.float64), (x[rest] - mean).T @ (hot[rest] - of))
        assert scores[at] == pytest.approx((x[at] - mean) @ weight + of, abs=1e-3)


def test_copies_of_an_image_do_not_speak_for_its_label() -> None:
    vectors, labels = _apart(90, 3, 0.2)
    copies = np.concatenate([np.arange(90), np.repeat([0, 10, 20, 30], 4)])
    given = labels[copies]
    wrong = np.isin(copies, [0, 10, 20, 30])
    given[wrong] = (given[wrong] + 1) % 3

    together, alone = label_weights(vectors[copies], given, copies), label_weights(vectors[copies], given)

    assert together[wrong].max() < 0.5 < together[~wrong].min()
    assert alone[wrong].mean() > 10 * together[wrong].mean()


def test_the_only_label_of_a_class_counts_as_one_though_all_others_contradict_it() -> None:
    known, truth, _, _ = _digits(1)
    truth[::9] = (truth[::9] + 3) % 10
    truth[[4, 5]], groups = (10, 11), np.arange(len(truth))
    truth[[20, 21, 22]], groups[[20, 21, 22]] = 12, 20  # copies

    weights = label_weights(known, truth, groups)

    assert weights[[4, 5, 20, 21, 22]].tolist() == [1] * 5
    assert weights.min() < 0.1


@pytest.mark.parametrize(
    ("vectors", "labels"),
    [
        (np.zeros((60, 5), np.float32), np.arange(60) % 2),
        (np.ones((40, 3), np.float32), np.arange(40) % 20),
        (_apart(60, 3)[0], np.zeros(60, np.int64)),
        (_apart(LEAST_LABELS - 1, 3)[0], _apart(LEAST_LABELS - 1, 3)[1]),
        (_apart(60, 3)[0], np.arange(60)),
        (np.repeat(_apart(1, 3)[0], 50, axis=0), np.arange(50) % 3),
    ],
    ids=["zeros", "constant", "one class", "few", "each label a class", "one image many times"],
)
def test_nothing_to_go_by_gives_finite_weights_above_zero(vectors: Vectors, labels: Labels) -> None:
    weights = label_weights(vectors, labels)

    assert weights.shape == (len(labels),)
    assert (weights > 0).all() and (weights <= 1).all()


def test_the_same_labels_give_the_same_bytes_and_another_order_the_same_weights() -> None:
    known, truth, _, _ = _digits(0)
    truth[::7] = (truth[::7] + 3) % 10
    turned = np.random.default_rng(1).permutation(len(truth))

    assert label_weights(known, truth).tobytes() == label_weights(known, truth).tobytes()
    assert label_weights(known[turned], truth[turned]) == pytest.approx(label_weights(known, truth)[turned], abs=0.02)


def test_a_head_of_a_plug_in_gets_no_weights() -> None:
    vectors, labels = _apart(60, 3)

    def fit(features: Vectors, labels: Labels, n_classes: int, rng: np.random.Generator) -> tuple[Vectors, Vectors]:
        return np.zeros((n_classes, features.shape[1]), np.float32), np.zeros(n_classes, np.float32)

    assert fit_classifier(_inputs(vectors, 3), labels, 3, HeadFromFunction("flat", fit)).weights is None


def _alike() -> HeadFromFunction:
    """The logistic head, for which all labels count the same."""

    def fit(features: Vectors, labels: Labels, n_classes: int, rng: np.random.Generator) -> tuple[Vectors, Vectors]:
        fitted = Logistic().fit(features, labels, n_classes, rng)
        return fitted.weight, fitted.bias

    return HeadFromFunction("alike", fit)
