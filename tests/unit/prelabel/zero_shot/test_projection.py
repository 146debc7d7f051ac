"""From image space to text space: against scikit-learn, out of fold, and better than the prediction alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from labeling.prelabel.encoders.towers import TextTower
from labeling.prelabel.engine import Item
from labeling.prelabel.engines.projected import ProjectedEngine
from labeling.prelabel.zero_shot.projection import FOLDS, combine, fit_projection
from labeling.project import EngineUse, LabelClass
from labeling.types import Outcome
from tests.unit.prelabel.pictures import grey

CLASSES, IMAGE_DIMENSIONS, TEXT_DIMENSIONS = 5, 24, 12


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _pool(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Image vectors, text vectors, labels, label vectors: both spaces are noisy views of the class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, n)
    label_vectors = _unit(rng.standard_normal((CLASSES, TEXT_DIMENSIONS)))
    centres = rng.standard_normal((CLASSES, IMAGE_DIMENSIONS))
    images = _unit(centres[labels] + 3.0 * rng.standard_normal((n, IMAGE_DIMENSIONS)))
    texts = _unit(label_vectors[labels] + 0.2 * rng.standard_normal((n, TEXT_DIMENSIONS)))
    return images, texts, labels, label_vectors


@pytest.mark.parametrize("n", [140, 400])
def test_it_is_the_ridge_of_scikit_learn(n: int) -> None:
    images, texts, _, _ = _pool(n)
    images = np.hstack([images, images**2, images**3, images[:, :12] * images[:, 12:]]).astype(np.float32)
    groups = np.arange(n)

    projection = fit_projection(images, texts, groups)

    assert projection is not None
    for fold in range(FOLDS):
        others, own = groups % FOLDS != fold, groups % FOLDS == fold
        expected = Ridge(alpha=0.1).fit(images[others], texts[others]).predict(images[own])
        np.testing.assert_allclose(projection.apply(images[own], groups[own]), _unit(expected), atol=1e-3)


@given(seed=st.integers(0, 1_000), victim=st.integers(0, 199))
def test_a_groups_own_texts_never_fit_its_own_projection(seed: int, victim: int) -> None:
    images, texts, _, _ = _pool(200, seed)
    groups = np.arange(200) // 2
    own = groups == groups[victim]
    poisoned = texts.copy()
    poisoned[own] = -poisoned[own][:, ::-1]

    before, after = fit_projection(images, texts, groups), fit_projection(images, poisoned, groups)

    assert before is not None and after is not None
    np.testing.assert_array_equal(before.apply(images[own], groups[own]), after.apply(images[own], groups[own]))
    elsewhere = groups % FOLDS != groups[victim] % FOLDS
    assert not np.array_equal(
        before.apply(images[elsewhere], groups[elsewhere]), after.apply(images[elsewhere], groups[elsewhere])
    )


def test_images_without_a_text_are_projected_too_and_too_few_texts_give_none() -> None:
    images, texts, _, _ = _pool(300)
    texts[150:] = np.nan
    groups = np.arange(300)

    enough, few = fit_projection(images, texts, groups), fit_projection(images[50:], texts[50:], groups[50:])

    assert enough is not None and np.isfinite(enough.apply(images, groups)).all()
    assert few is None
    assert fit_projection(images, np.empty((300, 0), np.float32), groups) is None


def test_a_prediction_and_the_projection_together_beat_either() -> None:
    images, texts, labels, label_vectors = _pool(1_000)
    rng = np.random.default_rng(1)
    logits = rng.standard_normal((1_000, CLASSES)) + 1.2 * np.eye(CLASSES)[labels]
    prediction = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    groups = np.arange(1_000)

    projection = fit_projection(images, texts, groups)
    assert projection is not None
    alone = projection.apply(images, groups) @ label_vectors.T
    both = combine(prediction, alone)

    right = [float((scores.argmax(axis=1) == labels).mean()) for scores in (prediction, alone, both)]
    assert right[2] > max(right[:2])
    np.testing.assert_allclose(both.sum(axis=1), 1)


def test_a_prediction_counts_by_its_z_scores_whatever_its_temperature() -> None:
    rng = np.random.default_rng(0)
    cosines, near = rng.uniform(-1, 1, (4, CLASSES)), rng.uniform(-1, 1, (4, CLASSES))

    sharp, flat = (
        np.exp(cosines / temperature) / np.exp(cosines / temperature).sum(axis=1, keepdims=True)
        for temperature in (0.1, 2.0)
    )

    np.testing.assert_allclose(combine(sharp, near), combine(flat, near), atol=1e-6)


def _engine() -> ProjectedEngine:
    def encode(texts: object) -> np.ndarray:
        return np.stack([np.eye(2, dtype=np.float32)[int("dog" in text)] for text in texts])  # type: ignore[attr-defined]

    labels = (LabelClass("cat"), LabelClass("dog"))
    return ProjectedEngine(labels, EngineUse("projected"), TextTower("words", encode), 3, lambda: 0.0)


def test_the_engine_combines_what_it_is_given_and_abstains_where_a_part_is_missing() -> None:
    dog, prediction = np.array([0, 1], np.float32), (0.6, 0.4)
    items = [
        Item(grey(), None, prediction=prediction, in_text_space=dog),
        Item(grey(), None, in_text_space=dog),
        Item(grey(), None, prediction=prediction),
    ]

    first, second = _engine().look(items), _engine().look(items)

    known, *unknown = first.prelabels
    assert first.prelabels == second.prelabels
    assert known.probs == pytest.approx([0.5, 0.5]) and known.evidence.config_version == 3 and known.evidence.prompt
    assert all(one.probs == () and one.outcome is Outcome.ABSTAINED and one.evidence.reason for one in unknown)
    assert first.image_vectors.shape == (3, 0)


def test_it_starts_with_texts_enough_and_is_another_revision_when_they_have_doubled() -> None:
    engine = _engine()

    few, *grown = (engine.as_of(10_000, texts) for texts in (124, 125, 200, 256))

    assert few is None
    assert len({one.revision for one in grown if one}) == 3
