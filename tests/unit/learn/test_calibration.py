"""The temperature: found again where it is known, blind to the order of classes, fitted by one fixed half."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.learn.calibration import enough_to_calibrate, fit_temperature, in_temperature_half
from labeling.quality.metrics import expected_calibration_error
from labeling.vectors import softmax


def drawn(temperature: float, n: int = 4_000, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn as they say at this temperature."""
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=2, size=(n, k))
    sums = softmax(logits / temperature).cumsum(axis=1)
    return logits, (rng.random((n, 1)) < sums).argmax(axis=1)


@pytest.mark.parametrize("true_temperature", [0.4, 1.0, 3.0])
def test_a_known_temperature_is_found_again(true_temperature: float) -> None:
    logits, labels = drawn(true_temperature)

    found = fit_temperature(logits, labels)

    assert found == pytest.approx(true_temperature, rel=0.1)
    assert expected_calibration_error(softmax(logits / found), labels) < 0.03


def test_where_everything_is_right_it_stays_within_its_bounds() -> None:
    logits = np.eye(3)[[0, 1, 2] * 5]

    assert 0.05 <= fit_temperature(logits, np.array([0, 1, 2] * 5)) < 0.06


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_temperature_keeps_the_likeliest_class(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=(30, 4)), rng.integers(4, size=30)

    scaled = softmax(logits / fit_temperature(logits, labels))

    assert (scaled.argmax(axis=1) == logits.argmax(axis=1)).all()


def test_under_five_labels_a_class_there_is_no_temperature() -> None:
    assert not enough_to_calibrate(99, 20)
    assert enough_to_calibrate(100, 20)


def test_the_half_is_fixed_by_image_and_project_and_is_about_a_half() -> None:
    hashes = [hashlib.sha256(bytes([i % 256, i // 256])).hexdigest() for i in range(1_000)]

    half = [in_temperature_half(h, "salt") for h in hashes]

    assert half == [in_temperature_half(h, "salt") for h in hashes]
    assert half != [in_temperature_half(h, "other salt") for h in hashes]
    assert 440 < sum(half) < 560
