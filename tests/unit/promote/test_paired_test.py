"""Two versions beside each other: the difference, its interval, and the exact test against somebody else's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from labeling.answers import MISSING
from labeling.errors import Invalid
from labeling.project import Gate
from labeling.promote.judgement import judge
from labeling.promote.paired_test import exact_p, paired_test
from tests.unit.promote.test_judgement import right_on, saying

RNG = np.random.default_rng


@given(st.integers(0, 60), st.integers(0, 60))
@settings(max_examples=60, deadline=None)
def test_the_p_value_is_that_of_the_exact_binomial_test(better: int, worse: int) -> None:
    theirs = binomtest(better, better + worse).pvalue if better + worse else 1.0

    assert exact_p(better, worse) == pytest.approx(theirs)


def test_difference_and_interval_are_those_of_the_verdict_on_the_same_images() -> None:
    first, second, truth = saying(right_on(100, 10)), saying(right_on(100, 30)), np.zeros(100, np.int64)

    found = paired_test(first, second, truth, Gate(), RNG(0))
    verdict = judge(first, second, truth, Gate(), RNG(0))

    assert found is not None and verdict.gain is not None
    assert (found.difference, (found.lower, found.upper)) == (verdict.gain, verdict.interval)
    assert (found.better, found.worse, found.images) == (20, 0, 100)
    assert found.power == verdict.power is not None


def test_the_other_way_round_it_is_the_opposite() -> None:
    first, second, truth = saying(right_on(60, 8)), saying(right_on(60, 3)), np.zeros(60, np.int64)

    one, other = paired_test(first, second, truth, Gate(), RNG(0)), paired_test(second, first, truth, Gate(), RNG(0))

    assert one is not None and other is not None
    assert one.difference == pytest.approx(-other.difference) and one.lower == pytest.approx(-other.upper)
    assert (one.better, one.worse, one.p_value) == (other.worse, other.better, other.p_value)


def test_near_duplicates_count_as_one_group() -> None:
    truth, first, second = np.zeros(60, np.int64), right_on(60, 0), right_on(60, 12)
    groups = np.minimum(np.arange(60), 48)  # the twelve that differ are near-duplicates of each other

    alone = paired_test(saying(first), saying(second), truth, Gate(), RNG(0))
    grouped = paired_test(saying(first), saying(second), truth, Gate(), RNG(0), groups=groups)

    assert alone is not None and grouped is not None
    assert (alone.better, grouped.better) == (12, 1)
    assert alone.p_value < 0.001 and grouped.p_value == 1.0


def test_a_group_in_which_each_is_right_once_is_neither_better_nor_worse() -> None:
    truth, groups = np.zeros(40, np.int64), np.arange(40)
    groups[1] = 0
    first, second = np.array([0, 1] + [0] * 38), np.array([1, 0] + [0] * 38)

    found = paired_test(saying(first), saying(second), truth, Gate(), RNG(0), groups=groups)

    assert found is not None and (found.better, found.worse, found.difference) == (0, 0, 0.0)


def test_with_fewer_images_than_the_gate_needs_it_is_not_yet_known() -> None:
    some = saying(right_on(29, 3))

    assert paired_test(some, some, np.zeros(29, np.int64), Gate(), RNG(0)) is None
    assert paired_test(some[:0], some[:0], np.zeros(0, np.int64), Gate(min_labels=0), RNG(0)) is None


def test_none_of_these_is_an_error_of_both_and_another_measure_has_no_power() -> None:
    probs, truth = saying(right_on(40, 0)), np.full(40, MISSING)

    found = paired_test(probs, saying(right_on(40, 40)), truth, Gate(measure="macro_f1"), RNG(0))

    assert found is not None and (found.better, found.worse, found.power) == (0, 0, None)


def test_what_is_not_of_the_same_images_is_refused() -> None:
    with pytest.raises(Invalid, match="cannot be compared"):
        paired_test(saying(right_on(40, 0)), saying(right_on(39, 0)), np.zeros(40, np.int64), Gate(), RNG(0))
