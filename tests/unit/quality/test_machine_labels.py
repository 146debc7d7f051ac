"""Precision above a threshold: the interval against the truth of simulated pools, and who is counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from labeling.quality.machine_labels import CONFIDENCE, AtThreshold, precision_at, thresholds
from labeling.quality.metrics import clopper_pearson

REPLAYS = 200
Pool = tuple[np.ndarray, np.ndarray]


def pool_of(kind: str, rng: np.random.Generator, images: int = 1_500) -> Pool:
    """Scores of a pool and whether each class is right; an over-sure classifier is right less often than it says."""
    scores = rng.beta(5, 1.2, images)
    true_rate = {
        "calibrated": scores,
        "over-sure": 0.55 + 0.4 * scores**4,
        "the surest are wrong": np.where(scores > 0.95, 0.7, 0.95),
        "nearly always right": np.full(images, 0.995),
    }[kind]
    return scores, rng.random(images) < true_rate


def found_at_all(pool: Pool, sample: np.ndarray) -> list[tuple[AtThreshold, float]]:
    """What is found at each threshold of the images that were not sampled, and the true precision of the pool there."""
    scores, right = pool
    rest = np.delete(scores, sample)
    return [
        (precision_at(t, rest, rest, scores[sample], right[sample]), float(right[scores >= t].mean()))
        for t in thresholds(rest)
    ]


@pytest.mark.parametrize("labels", [30, 60, 150, 500])
@pytest.mark.parametrize("kind", ["calibrated", "over-sure", "the surest are wrong", "nearly always right"])
def test_the_lower_bounds_of_all_nine_thresholds_hold_together(kind: str, labels: int) -> None:
    rng = np.random.default_rng(labels)
    each, together = [], []
    for _ in range(REPLAYS):
        pool = pool_of(kind, rng)
        found = found_at_all(pool, rng.choice(len(pool[0]), labels, replace=False))
        assert len(found) == 9
        each += [at.precision.lower <= truth <= at.precision.upper for at, truth in found]
        together.append(all(at.precision.lower <= truth for at, truth in found))

    assert np.mean(each) >= CONFIDENCE - 0.005
    assert np.mean(together) >= 0.95


def test_a_chosen_threshold_is_honest_too() -> None:
    """Whoever takes the threshold with the best bound still gets what is stated."""
    rng = np.random.default_rng(7)
    kept = []
    for _ in range(REPLAYS):
        pool = pool_of("over-sure", rng)
        best, truth = max(found_at_all(pool, rng.choice(1_500, 100, replace=False)), key=lambda f: f[0].precision.lower)
        kept.append(best.precision.lower <= truth)

    assert np.mean(kept) >= 0.95


def test_the_estimate_is_nearer_to_the_truth_than_the_raw_share_while_labels_are_few() -> None:
    rng = np.random.default_rng(3)
    raw, shrunk = [], []
    for _ in range(REPLAYS):
        pool = pool_of("calibrated", rng)
        for at, truth in found_at_all(pool, rng.choice(1_500, 30, replace=False)):
            if at.precision.n:
                raw.append(at.right / at.precision.n - truth)
                shrunk.append(at.precision.value - truth)

    assert np.square(shrunk).mean() < 0.8 * np.square(raw).mean()


@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([0.9, 0.95, 0.9875]))
def test_the_exact_interval_is_that_of_scipy(successes: int, failures: int, confidence: float) -> None:
    n = successes + failures

    lower, upper = clopper_pearson(successes, n, confidence)

    if n:
        other = binomtest(successes, n).proportion_ci(confidence, method="exact")
        assert (lower, upper) == (pytest.approx(other.low, abs=1e-9), pytest.approx(other.high, abs=1e-9))
    else:
        assert (lower, upper) == (0.0, 1.0)


@given(
    st.lists(st.floats(0, 1), max_size=80),
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=80),
)
def test_looser_thresholds_take_more_and_the_estimate_is_within_its_interval(
    scores: list[float], sample: list[tuple[float, bool]]
) -> None:
    rest, sampled = np.array(scores), np.array([score for score, _ in sample])
    right = np.array([hit for _, hit in sample], bool)

    chosen = thresholds(rest)
    found = [precision_at(t, rest, rest, sampled, right) for t in chosen]

    assert chosen == sorted(set(chosen), reverse=True) and bool(chosen) is bool(scores)
    assert [at.images for at in found] == sorted(at.images for at in found)
    assert all(at.precision.lower <= at.precision.value <= at.precision.upper for at in found)
    assert not found or found[-1].images == len(scores)


def test_images_of_equal_score_are_one_threshold() -> None:
    assert thresholds(np.full(40, 0.25)) == [0.25]


def test_a_threshold_without_a_sampled_image_knows_nothing() -> None:
    found = precision_at(0.9, np.array([0.95]), np.array([0.9]), np.array([0.3]), np.array([True]))

    assert (found.images, found.right, found.precision.n) == (1, 0, 0)
    assert (found.precision.lower, found.precision.upper, found.precision.known) == (0.0, 1.0, False)
