"""Ensembles of the head: each member is a fit of its own examples, and no member lacks a class that others have."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.learn.classifier import Inputs
from labeling.learn.ensemble import MEMBERS, bagged, bootstrap, thinned
from labeling.learn.heads.logistic import Logistic
from labeling.learn.training import fit_classifier, predict_probs


def _inputs(n: int = 60, seed: int = 0, noise: float = 0.6) -> tuple[Inputs, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    image = (np.eye(3, 6)[labels] + rng.normal(scale=noise, size=(n, 6))).astype(np.float32)
    return Inputs(image, np.empty((n, 0), np.float32), np.full((n, 4), np.nan, np.float32)), labels


def test_a_member_predicts_what_a_classifier_fitted_on_its_examples_does() -> None:
    inputs, labels = _inputs(noise=0.2)  # no label is doubted: all count the same, as they do in a member
    others, _ = _inputs(20, 1)

    members = bagged(inputs, labels, 4, Logistic(), inputs, np.random.default_rng(5)).probs(others)

    rng = np.random.default_rng(5)
    for member in members:
        rows = bootstrap(labels, rng)
        one = fit_classifier(inputs.take(rows), labels[rows], 4, Logistic(), reference=inputs)
        assert member == pytest.approx(predict_probs(one, others), abs=1e-5)
    assert members.shape == (MEMBERS, 20, 4) and members.dtype == np.float32
    assert members[:, :, 3].max() < 1e-9  # no example: practically zero by every member


def test_the_same_chance_gives_the_same_members_and_another_one_others() -> None:
    inputs, labels = _inputs()

    for kind in (bagged, thinned):
        first, again, other = (
            kind(inputs, labels, 4, Logistic(), inputs, np.random.default_rng(seed)).probs(inputs) for seed in (0, 0, 1)
        )

        assert first.tobytes() == again.tobytes() != other.tobytes()
        assert np.abs(first.sum(axis=2) - 1).max() < 1e-5
        assert np.ptp(first, axis=0).max() > 0.05


def test_every_class_keeps_as_many_examples_as_it_has() -> None:
    labels = np.array([0] * 50 + [2])

    for seed in range(20):
        drawn = bootstrap(labels, np.random.default_rng(seed))

        assert np.bincount(labels[drawn], minlength=3).tolist() == [50, 0, 1]


def test_thinned_members_disagree_most_about_what_the_whole_head_doubts() -> None:
    inputs, labels = _inputs(200)
    whole = predict_probs(fit_classifier(inputs, labels, 4, Logistic(), reference=inputs), inputs)

    members = thinned(inputs, labels, 4, Logistic(), inputs, np.random.default_rng(0)).probs(inputs)

    changed = (members.argmax(axis=2) != whole.argmax(axis=1)).mean(axis=0)
    doubtful = np.argsort(whole.max(axis=1))
    assert changed[doubtful[:50]].mean() > changed[doubtful[-50:]].mean() + 0.1
