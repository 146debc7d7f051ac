"""The random arm: folds keep groups together, intervals cover, curves are fitted before they are read."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.numbers import REPLAYS, replayed
from labeling.errors import Invalid
from labeling.estimates import Estimate
from labeling.quality.random_arm import (
    Arm,
    Payoff,
    at_labels,
    monotone,
    pays,
    random_arm,
    random_labels_for,
    savings,
)

RNG = np.random.default_rng(0)
TRUTH = np.arange(60) % 3


class Recording:
    """A recipe that notes what it was fitted on and asked about, and is always right."""

    def __init__(self) -> None:
        self.calls: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []

    def __call__(self, taught: NDArray[np.int64]) -> object:
        def predict(asked: NDArray[np.int64]) -> NDArray[np.int64]:
            self.calls.append((taught, asked))
            return TRUTH[asked]

        return predict


def arm_of(right: NDArray[np.floating], labels: int = 90) -> Arm:
    return Arm(labels, np.asarray(right, float), Estimate(float(np.mean(right)), 0, 1, len(right)))


def test_no_image_is_predicted_by_a_classifier_of_its_group_and_each_is_once_a_partition() -> None:
    groups, recipe = np.arange(60) // 1.2 // 1, Recording()

    arm = random_arm(recipe, TRUTH, groups.astype(int), np.random.default_rng(0), partitions=2)

    assert len(recipe.calls) == 20 and arm.labels == 54
    for taught, asked in recipe.calls:
        assert not set(groups[taught]) & set(groups[asked])
    assert np.bincount(np.concatenate([asked for _, asked in recipe.calls])).tolist() == [2] * 60


def test_a_point_of_the_curve_learns_from_the_first_of_the_stream_and_is_tested_on_all() -> None:
    recipe = Recording()

    arm = random_arm(recipe, TRUTH, np.arange(60), np.random.default_rng(0), labels=30, partitions=1)

    assert arm.labels == 27 and len(arm.right) == 60
    assert all(taught.max() < 30 for taught, _ in recipe.calls)


def test_where_all_is_right_the_interval_still_has_a_width() -> None:
    arm = random_arm(Recording(), TRUTH, np.arange(60), np.random.default_rng(0), partitions=2)

    assert arm.accuracy is not None
    assert arm.accuracy.value == arm.accuracy.upper == 1 and 0.85 < arm.accuracy.lower < 0.95


def test_none_of_these_is_an_error_and_never_learnt_from() -> None:
    truth, recipe = np.where(np.arange(60) < 6, -1, TRUTH), Recording()

    arm = random_arm(recipe, truth, np.arange(60), np.random.default_rng(0), partitions=1)

    assert arm.right[:6].tolist() == [0] * 6
    assert all(taught.min() >= 6 for taught, _ in recipe.calls)


def test_under_forty_images_and_of_one_class_it_is_not_yet_known() -> None:
    few = random_arm(Recording(), TRUTH[:39], np.arange(39), RNG, partitions=1)
    one = random_arm(Recording(), np.zeros(50, int), np.arange(50), RNG, partitions=1)
    none = random_arm(Recording(), TRUTH[:0], np.arange(0), RNG, partitions=1)

    assert few.accuracy is None and none.accuracy is None
    assert one.right.sum() == 0


def test_a_curve_is_made_monotone_so_its_luckiest_point_does_not_count() -> None:
    assert monotone(np.array([0.5, 0.9, 0.6, 0.7])) == pytest.approx([0.5, 0.7333, 0.7333, 0.7333], abs=1e-3)


def test_between_two_versions_outcomes_are_between_theirs_and_beyond_them_theirs() -> None:
    right = np.array([[0, 1], [1, 1]])

    found = [at_labels(np.array([20, 40]), right, labels).tolist() for labels in (10, 25, 90)]

    assert found == [[0, 1], [0.25, 1], [1, 1]]


def test_savings_are_read_where_the_curve_reaches_the_arm() -> None:
    n, chosen = 100, np.array([20, 40, 60])
    right = np.arange(n) < np.array([60, 80, 90])[:, None]

    found = savings(arm_of(np.arange(n) < 85), chosen, right, np.arange(n), np.random.default_rng(0))

    assert found is not None
    assert found.ratio == pytest.approx(90 / 50)
    assert found.lower < found.ratio < found.upper and found.n == n


def test_savings_are_not_yet_known_where_no_version_is_as_accurate_or_images_are_few() -> None:
    n, chosen = 100, np.array([20, 40])
    right = np.arange(n) < np.array([60, 80])[:, None]

    assert savings(arm_of(np.arange(n) < 85), chosen, right, np.arange(n), RNG) is None
    assert savings(Arm(90, np.ones(30), None), chosen, right[:, :30], np.arange(30), RNG) is None
    assert savings(arm_of(np.arange(n) < 85), chosen[:0], right[:0], np.arange(n), RNG) is None
    with pytest.raises(Invalid, match="cannot be compared"):
        savings(arm_of(np.arange(n) < 85), chosen, right[:, :50], np.arange(n), RNG)


def test_where_the_smallest_version_is_as_good_the_savings_have_no_upper_end() -> None:
    right = np.ones((1, 60))

    found = savings(arm_of(np.arange(60) < 30), np.array([20]), right, np.arange(60), np.random.default_rng(0))

    assert found is not None and found.upper == math.inf and found.ratio == 90 / 20


def test_random_labels_are_read_within_the_stream_and_flagged_beyond_it() -> None:
    arms = [Arm(m, np.zeros(0), Estimate(1 - m**-0.5, 0, 1, 99)) for m in (25, 64, 100)]

    within, beyond = random_labels_for(arms, 0.875), random_labels_for(arms, 0.95)

    assert within is not None and (round(within.labels), within.extrapolated) == (64, False)
    assert beyond is not None and beyond.extrapolated and beyond.labels == pytest.approx(400, rel=0.01)
    assert random_labels_for(arms[:1], 0.8) is None
    assert random_labels_for([Arm(m, np.zeros(0), Estimate(0.5, 0, 1, 99)) for m in (25, 64)], 0.9) is None


def test_a_strategy_pays_or_does_not_only_where_the_whole_interval_says_so() -> None:
    n, groups = 100, np.arange(100)
    arm = arm_of(np.arange(n) < 70)

    better, worse, alike = (pays(np.arange(n) < right, arm, groups) for right in (90, 50, 72))

    assert (better[0], worse[0], alike[0]) == (Payoff.PAYS, Payoff.DOES_NOT, Payoff.UNKNOWN)
    assert better[1] is not None and better[1].value == pytest.approx(0.2) and better[1].lower > 0
    assert pays(np.ones(30), Arm(27, np.zeros(30), None), np.arange(30)) == (Payoff.UNKNOWN, None)


@pytest.mark.parametrize("name", [name for name in REPLAYS if name.startswith("random arm") and "digits, " in name])
def test_the_interval_of_the_arm_covers_what_random_labels_reach(name: str) -> None:
    found = replayed(REPLAYS[name], 20)

    assert found.covers
    assert found.width_ratio is not None and found.width_ratio <= 1.2


@pytest.mark.parametrize("name", [name for name in REPLAYS if name.startswith("savings, 100")])
def test_the_interval_of_the_savings_covers_the_true_ones(name: str) -> None:
    assert replayed(REPLAYS[name], 12).covers
