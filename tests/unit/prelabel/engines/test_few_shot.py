"""The cache adapter: moved by near labelled images, out of fold by what it is given, silent without any."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.prelabel.engine import Item, Shot, check_look
from labeling.prelabel.engines.few_shot import SHARPNESS, FewShotEngine, few_shot_probs
from labeling.types import ImageId, Outcome
from tests.unit.prelabel.pictures import grey

CLASSES = ("cat", "dog", "bird")


def _shot(image: int, label: str, similarity: float) -> Shot:
    return Shot(ImageId(image), label, None, similarity, grey)


def _engine(classes: tuple[str, ...] = CLASSES) -> FewShotEngine:
    return FewShotEngine(classes, 7, lambda: 0.0)


@given(seed=st.integers(0, 2**32 - 1), shots=st.integers(1, 16))
def test_probabilities_are_finite_and_sum_to_one(seed: int, shots: int) -> None:
    rng = np.random.default_rng(seed)
    prediction = rng.dirichlet(np.full(4, 0.1))

    probs = few_shot_probs(prediction, rng.integers(0, 4, shots), rng.uniform(-1, 1, shots), 4)

    assert np.isfinite(probs).all() and (probs > 0).all() and probs.sum() == pytest.approx(1)


def test_an_example_worked_by_hand() -> None:
    prediction = np.array([0.5, 0.3, 0.2])

    probs = few_shot_probs(prediction, np.array([1, 2]), np.array([0.8, 0.6]), 3)

    near, far = np.exp(-SHARPNESS * 0.2), np.exp(-SHARPNESS * 0.4)
    said = 0.8 * np.array([0, near, far]) / (near + far) + 0.2 / 3
    np.testing.assert_allclose(probs, prediction * said / (prediction * said).sum())


def test_shots_that_are_far_away_change_nothing_and_a_near_one_decides() -> None:
    prediction = np.array([0.5, 0.3, 0.2])

    far, near = (few_shot_probs(prediction, np.array([2]), np.array([cosine]), 3) for cosine in (-0.1, 1.0))

    np.testing.assert_allclose(far, prediction)
    assert near[2] > 0.9


def test_near_labelled_images_change_a_prediction_and_are_named() -> None:
    shots = (_shot(4, "dog", 0.95), _shot(9, "dog", 0.9), _shot(2, "cat", 0.2), _shot(3, "removed class", 0.99))
    item = Item(grey(), None, shots=shots, prediction=(0.5, 0.3, 0.2))

    first, second = _engine().look([item]), check_look(_engine().look([item]), items=1, classes=3)

    prelabel = first.prelabels[0]
    assert prelabel == second.prelabels[0]
    assert int(np.argmax(prelabel.probs)) == 1
    assert prelabel.evidence.examples == (4, 9, 2) and prelabel.evidence.config_version == 7
    assert "dog" in prelabel.description and "cheaper engine" in prelabel.evidence.confidence_from


def test_without_a_shot_there_are_no_probabilities_and_without_a_prediction_the_shots_alone_count() -> None:
    alone = Item(grey(), None, prediction=(0.5, 0.3, 0.2))
    only_shots = Item(grey(), None, shots=(_shot(1, "bird", 0.9),))

    look = check_look(_engine().look([alone, only_shots]), items=2, classes=3)

    assert look.prelabels[0].probs == () and look.prelabels[0].outcome is Outcome.ABSTAINED
    assert int(np.argmax(look.prelabels[1].probs)) == 2
    assert "prediction" not in look.prelabels[1].evidence.confidence_from


def test_a_few_labels_a_class_improve_a_weak_prediction() -> None:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((4, 32))
    labels = rng.integers(0, 4, 300)
    vectors = centres[labels] + 0.8 * rng.standard_normal((300, 32))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    logits = rng.standard_normal((300, 4)) + 0.8 * np.eye(4)[labels]
    prediction = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    known = np.arange(40)

    moved = []
    for i in range(40, 300):
        cosines = vectors[known] @ vectors[i]
        nearest = np.argsort(-cosines)[:8]
        moved.append(few_shot_probs(prediction[i], labels[nearest], cosines[nearest], 4).argmax())

    assert (np.array(moved) == labels[40:]).mean() > (prediction[40:].argmax(axis=1) == labels[40:]).mean() + 0.1


def test_the_revision_pins_the_classes_and_not_what_happens_to_be_labelled() -> None:
    assert _engine().revision == _engine().revision != _engine(CLASSES[::-1]).revision


def test_it_starts_with_as_many_labels_as_classes_and_is_another_revision_when_they_have_doubled() -> None:
    engine = _engine()

    none, few, *grown = (engine.as_of(labels, 0) for labels in (0, 2, 3, 4, 7, 8))

    assert none is None and few is None
    assert len({one.revision for one in grown if one}) == 3
    assert all(one and one.look([Item(grey(), None)]).prelabels[0].revision == one.revision for one in grown)
