"""The expected gain of the next labels, on curves whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from labeling.errors import Invalid
from labeling.quality.learning_curve import LEAST_IMAGES, LEAST_VERSIONS, expected_gain

SIZES = np.array([50, 100, 150, 200, 300])


def drawn(seed: int, n: int, error: float, steepness: float, alike: float = 0.8) -> NDArray[np.bool_]:
    """Outcomes (V, N) at an error that falls like labels ** -steepness from `error` at 50; most errors are alike."""
    rng = np.random.default_rng(seed)
    errors = (error * (SIZES / 50.0) ** -steepness)[:, None]
    common, own = rng.random(n), rng.random((len(SIZES), n))
    return np.where(rng.random((len(SIZES), n)) < alike, common, own) >= errors


def test_the_interval_holds_the_true_gain_in_at_least_93_of_100() -> None:
    held = []
    for seed in range(200):
        steepness = (0.0, 0.3, 0.7)[seed % 3]
        found = expected_gain(SIZES, drawn(seed, 120, 0.4, steepness), np.arange(120))
        assert found is not None
        true = 0.4 * (6**-steepness - 8**-steepness)
        held.append(found.lower <= true <= found.upper)

    assert np.mean(held) >= 0.93


def test_more_images_narrow_it() -> None:
    few, many = (expected_gain(SIZES, drawn(1, n, 0.4, 0.5), np.arange(n)) for n in (60, 1_000))

    assert few is not None and many is not None
    assert many.upper - many.lower < few.upper - few.lower


def test_a_steeper_curve_promises_more() -> None:
    flat, steep = (expected_gain(SIZES, drawn(2, 2_000, 0.4, c), np.arange(2_000)) for c in (0.05, 0.8))

    assert flat is not None and steep is not None
    assert flat.value < 0.01 < steep.value


def test_a_version_that_is_always_right_can_gain_nothing() -> None:
    found = expected_gain(SIZES, np.ones((5, 200), bool), np.arange(200))

    assert found is not None
    assert abs(found.value) < 0.005 and found.upper < 0.05


def test_few_images_or_versions_are_not_yet_known() -> None:
    n = LEAST_IMAGES - 1

    assert expected_gain(SIZES, drawn(0, n, 0.4, 0.5), np.arange(n)) is None
    assert (
        expected_gain(SIZES[: LEAST_VERSIONS - 1], drawn(0, 99, 0.4, 0.5)[: LEAST_VERSIONS - 1], np.arange(99)) is None
    )
    assert expected_gain(SIZES[:0], np.ones((0, 99)), np.arange(99)) is None


def test_twins_count_as_one() -> None:
    right = drawn(3, 60, 0.4, 0.5)

    alone, twice = (
        expected_gain(SIZES, right, np.arange(60)),
        expected_gain(SIZES, np.repeat(right, 2, axis=1), np.repeat(np.arange(60), 2)),
    )

    assert alone is not None and twice is not None
    assert (alone.n, twice.n) == (60, 120)
    assert twice.upper - twice.lower == pytest.approx(alone.upper - alone.lower, rel=0.1)


def test_outcomes_of_other_images_and_labels_that_do_not_rise_are_refused() -> None:
    with pytest.raises(Invalid, match="more and more labels"):
        expected_gain(np.array([50, 50, 60]), np.ones((3, 99)), np.arange(99))
    with pytest.raises(Invalid, match="cannot be compared"):
        expected_gain(SIZES, np.ones((5, 99)), np.arange(98))
