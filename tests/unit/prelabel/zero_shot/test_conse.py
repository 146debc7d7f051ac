"""Probabilities by way of known classes: properties, and an example worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.prelabel.zero_shot.conse import conse


def _unit_rows(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    rows = rng.standard_normal((n, d)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@given(seed=st.integers(0, 2**32 - 1), images=st.integers(1, 5), known=st.integers(1, 30), labels=st.integers(2, 6))
def test_probabilities_are_finite_and_sum_to_one(seed: int, images: int, known: int, labels: int) -> None:
    rng = np.random.default_rng(seed)
    known_probs = rng.dirichlet(np.ones(known), size=images).astype(np.float32)

    probs = conse(known_probs, _unit_rows(rng, known, 8), _unit_rows(rng, labels, 8))

    assert probs.shape == (images, labels) and np.isfinite(probs).all()
    np.testing.assert_allclose(probs.sum(axis=1), 1)


def test_an_example_worked_by_hand() -> None:
    known_probs = np.array([[0.5, 0.3, 0.2]], np.float32)
    known_vectors = np.eye(3, dtype=np.float32)
    label_vectors = np.eye(3, dtype=np.float32)[:2]

    probs = conse(known_probs, known_vectors, label_vectors, nearest=2, temperature=0.1)

    cosines = np.array([0.5, 0.3]) / np.hypot(0.5, 0.3)  # the third class is not among the nearest two
    expected = np.exp(cosines / 0.1) / np.exp(cosines / 0.1).sum()
    assert probs[0] == pytest.approx(expected)


def test_a_lower_temperature_is_surer_and_keeps_the_order() -> None:
    rng = np.random.default_rng(0)
    known_probs = rng.dirichlet(np.ones(20), size=50).astype(np.float32)
    known_vectors, label_vectors = _unit_rows(rng, 20, 8), _unit_rows(rng, 4, 8)

    sure = conse(known_probs, known_vectors, label_vectors, temperature=0.03)
    doubtful = conse(known_probs, known_vectors, label_vectors, temperature=0.3)

    assert (sure.argmax(axis=1) == doubtful.argmax(axis=1)).all()
    assert (sure.max(axis=1) > doubtful.max(axis=1)).all()
