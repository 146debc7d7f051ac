"""Class frequencies: what they change, and whether they are found again where they are known."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labeling.prelabel.priors import estimate_prior, mean_prior, prior_from_counts, with_prior


def _simulated(prior: np.ndarray, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn by a prior, and their posteriors under equal frequencies: exact, so calibrated."""
    rng = np.random.default_rng(seed)
    k = len(prior)
    labels = rng.choice(k, size=n, p=prior)
    seen = rng.standard_normal((n, k)) + 1.5 * np.eye(k)[labels]
    likelihood = np.exp(1.5 * seen)
    return labels, likelihood / likelihood.sum(axis=1, keepdims=True)


@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(2, 6))
def test_there_and_back_is_nothing_and_rows_sum_to_one(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.ones(classes), size=5)
    one, other = rng.dirichlet(np.full(classes, 5.0)), rng.dirichlet(np.full(classes, 5.0))

    there = with_prior(probs, one, other)

    np.testing.assert_allclose(there.sum(axis=1), 1)
    np.testing.assert_allclose(with_prior(there, other, one), probs, atol=1e-9)
    np.testing.assert_allclose(with_prior(probs, one, one), probs, atol=1e-12)


def test_frequencies_are_found_in_unlabelled_calibrated_probabilities_and_help() -> None:
    truth = np.array([0.7, 0.2, 0.1])
    labels, probs = _simulated(truth, 4_000)
    equal = np.full(3, 1 / 3)

    found = estimate_prior(probs, equal)

    np.testing.assert_allclose(found, truth, atol=0.03)
    before = (probs.argmax(axis=1) == labels).mean()
    assert (with_prior(probs, equal, found).argmax(axis=1) == labels).mean() > before + 0.02


def test_few_labels_lean_on_the_fallback_and_many_outweigh_it() -> None:
    fallback = np.array([0.8, 0.2])

    none, few, many = (prior_from_counts(np.array(counts), fallback) for counts in ([0, 0], [0, 5], [0, 5_000]))

    np.testing.assert_allclose(none, fallback)
    assert 0.2 < few[1] < 0.6 and many[1] > 0.99 and many[0] > 0


def test_what_is_not_known_is_left_out_and_stays_unknown() -> None:
    probs = np.array([[0.9, 0.1], [np.nan, np.nan], [0.7, 0.3]])

    moved = with_prior(probs, np.array([0.5, 0.5]), np.array([0.2, 0.8]))

    np.testing.assert_allclose(mean_prior(probs), [0.8, 0.2])
    assert np.isnan(moved[1]).all() and np.isfinite(moved[[0, 2]]).all()
