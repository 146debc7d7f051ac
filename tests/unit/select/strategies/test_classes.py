"""Balanced and rare classes: what is asked where labels of the classes are not as many."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.select.strategies.classes.class_balanced import ClassBalanced
from labeling.select.strategies.classes.rare_class import RareClass
from labeling.select.strategies.strategy import Labelled, Predicted, View


def _view(labels: tuple[str, ...], *, classes: tuple[str, ...] = ("cat", "dog", "owl"), n: int = 300) -> View:
    """Predicted cats are many, dogs fewer, owls few."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(n, 3)).astype(np.float32)
    probs = rng.dirichlet([8, 3, 1], size=n)
    labelled = Labelled(labels, lambda at: vectors[at])
    return View(np.arange(n), lambda at: vectors[at], lambda: labelled, Predicted(probs, classes=classes))


def _named(view: View, positions: np.ndarray) -> list[int]:
    assert view.probs is not None
    return np.bincount(view.probs[positions].argmax(axis=1), minlength=3).tolist()


def test_balanced_picks_are_of_the_classes_with_the_fewest_labels_as_far_as_there_are_images() -> None:
    view = _view(("cat",) * 20 + ("dog",) * 10)

    picks = ClassBalanced().choose(view, 12, np.random.default_rng(0))

    of_all = _named(view, np.arange(300))
    found = _named(view, picks.positions)
    assert found[0] == 0 and found[2] == min(of_all[2], 12)


def test_without_labels_or_names_classes_are_asked_in_turn_and_the_doubtful_of_each_first() -> None:
    for view in (_view(()), _view(("cat",) * 50, classes=())):
        picks = ClassBalanced().choose(view, 9, np.random.default_rng(0))

        assert view.probs is not None and min(_named(view, picks.positions)) >= 1
        named = view.probs.argmax(axis=1)
        best = np.sort(view.probs, axis=1)
        doubt = 1 - (best[:, -1] - best[:, -2])
        for one in range(3):
            mine = picks.positions[named[picks.positions] == one]
            assert doubt[mine].min() >= np.sort(doubt[named == one])[-len(mine)] - 1e-6


def test_rare_picks_are_likely_of_the_class_with_the_fewest_labels() -> None:
    view = _view(("cat",) * 30 + ("dog",) * 30 + ("owl",))

    picks = RareClass().choose(view, 10, np.random.default_rng(0))

    assert view.probs is not None
    assert view.probs[picks.positions, 2].min() > np.quantile(view.probs[:, 2], 0.85)
    assert picks.reasons[0].startswith("rare_class 0.")


def test_where_all_classes_have_as_many_labels_none_is_rare_and_margin_decides() -> None:
    view = _view(("cat", "dog", "owl"))

    scores = RareClass().scores(view)

    assert view.probs is not None and scores is not None
    best = np.sort(view.probs, axis=1)
    assert scores == pytest.approx(1 - (best[:, -1] - best[:, -2]), abs=1e-6)
