"""Figures and their intervals, held to scikit-learn, scipy and examples worked by hand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from labeling.answers import MISSING
from labeling.quality.annotators.acceptance import acceptance
from labeling.quality.metrics import (
    accuracy,
    bootstrap,
    clopper_pearson,
    confusion,
    expected_calibration_error,
    macro_f1,
    reliability,
    share,
)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 400), part=st.floats(0, 1))
def test_the_exact_interval_agrees_with_scipy(n: int, part: float) -> None:
    successes = round(part * n)

    lower, upper = clopper_pearson(successes, n)

    theirs = binomtest(successes, n).proportion_ci(method="exact")
    assert (lower, upper) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert 0 <= lower <= successes / n <= upper <= 1


def test_a_share_of_nothing_knows_nothing() -> None:
    nothing = share(0, 0)

    assert (nothing.value, nothing.lower, nothing.upper, nothing.known) == (0, 0, 1, False)


@pytest.mark.parametrize(("n", "known"), [(29, False), (30, True)])
def test_under_thirty_images_a_figure_is_not_yet_known(n: int, known: bool) -> None:
    assert share(n // 2, n).known is known


def test_an_abstention_is_never_right() -> None:
    abstained = np.array([MISSING, MISSING, 1])

    assert accuracy(abstained, np.array([MISSING, 0, 1])).value == pytest.approx(1 / 3)


def test_accuracy_f1_and_confusion_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 5, size=300)
    predicted = np.where(rng.random(300) < 0.6, truth, rng.integers(0, 4, size=300))  # class 4 is rarely said

    assert accuracy(predicted, truth).value == pytest.approx(accuracy_score(truth, predicted))
    assert macro_f1(predicted, truth, 6) == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert confusion(predicted, truth, 5)[:5].tolist() == confusion_matrix(truth, predicted).tolist()


def test_none_of_these_is_an_error_of_any_classifier() -> None:
    truth, predicted = np.array([0, 1, -1, -1]), np.array([0, 1, 0, 1])

    assert accuracy(predicted, truth).value == 0.5
    assert confusion(predicted, truth, 2)[2].tolist() == [1, 1]
    assert macro_f1(predicted, truth, 2) == pytest.approx(2 / 3)  # by hand: each class 1 TP, 1 FP, 0 FN


def test_calibration_error_agrees_with_an_example_by_hand() -> None:
    probs = np.array([[0.95, 0.05], [0.95, 0.05], [0.65, 0.35], [0.35, 0.65]])
    truth = np.array([0, 1, 0, 1])

    error = expected_calibration_error(probs, truth, bins=10)

    assert error == pytest.approx((2 * abs(0.95 - 0.5) + 2 * abs(0.65 - 1.0)) / 4)


def test_each_bin_of_the_calibration_error_has_its_upper_edge() -> None:
    probs, truth = np.array([[0.5, 0.5], [0.9, 0.1]]), np.array([0, 1])  # too doubtful by .5, too sure by .9

    assert expected_calibration_error(probs, truth, bins=2) == pytest.approx((0.5 + 0.9) / 2)


def test_calibration_error_of_one_image_and_of_none() -> None:
    probs, truth = np.array([[0.9, 0.1]]), np.array([0])

    assert expected_calibration_error(probs, truth) == pytest.approx(0.1)
    assert expected_calibration_error(probs[:0], truth[:0]) == 0.0


def test_calibration_error_is_over_fifteen_bins_unless_told_otherwise() -> None:
    # of 15 bins .61 and .65 share one, (.6, .667]; of 14 or 16 bins they do not
    probs = np.array([[0.61, 0.39], [0.65, 0.35]])

    assert expected_calibration_error(probs, np.array([0, 1])) == pytest.approx((0.61 + 0.65 - 1) / 2)


def test_the_upper_edge_of_a_bin_belongs_to_it_and_nothing_to_the_lowest() -> None:
    confidence = np.array([0.0, 0.05, 0.1, 0.11, 0.2, 1.0])
    right = np.array([False, False, True, False, True, True])

    found = [(one.confidence, one.right.value, one.right.n) for one in reliability(confidence, right)]

    assert found == [(pytest.approx(0.05), pytest.approx(1 / 3), 3), (pytest.approx(0.155), 0.5, 2), (1.0, 1.0, 1)]


def test_calibrated_probabilities_have_almost_no_calibration_error() -> None:
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.full(4, 0.5), size=20_000)
    truth = np.array([rng.choice(4, p=row) for row in probs[:5_000]])

    assert expected_calibration_error(probs[:5_000], truth) < 0.02


def test_bootstrap_over_single_images_is_close_to_the_exact_interval() -> None:
    right = np.repeat([1, 0], [140, 60])

    lower, upper = bootstrap(lambda at: float(right[at].mean()), np.arange(200), np.random.default_rng(0))

    assert (lower, upper) == pytest.approx(clopper_pearson(140, 200), abs=0.015)


def test_each_of_a_thousand_resamples_has_as_many_groups_as_there_are() -> None:
    resamples: list[list[int]] = []

    def keep(at: npt.NDArray[np.int64]) -> float:
        resamples.append(sorted(at.tolist()))
        return 0.0

    bootstrap(keep, np.array([3, 4, 4, 5]), np.random.default_rng(0))

    assert len(resamples) == 1_000
    assert {at.count(0) + at.count(1) + at.count(3) for at in resamples} == {3}
    assert all(at.count(1) == at.count(2) for at in resamples)


@pytest.mark.parametrize(("confidence", "bounds"), [(0.95, (24.975, 974.025)), (0.8, (99.9, 899.1))])
def test_the_interval_of_a_bootstrap_leaves_out_as_much_on_either_side(
    confidence: float, bounds: tuple[float, float]
) -> None:
    values = iter(range(1_000))

    found = bootstrap(lambda at: next(values), np.arange(3), np.random.default_rng(0), confidence=confidence)

    assert found == pytest.approx(bounds)


def test_bootstrap_over_groups_is_as_wide_as_there_are_few_groups() -> None:
    right = np.repeat(np.random.default_rng(1).integers(0, 2, size=20), 10)
    rng = np.random.default_rng(0)

    by_group = bootstrap(lambda at: float(right[at].mean()), np.repeat(np.arange(20), 10), rng)
    by_image = bootstrap(lambda at: float(right[at].mean()), np.arange(200), rng)

    assert by_group[1] - by_group[0] > 2.5 * (by_image[1] - by_image[0])


def test_acceptance_stands_in_the_order_of_the_label_set() -> None:
    rows = acceptance([("dog", 40, 30), ("gone", 9, 9)], ["cat", "dog"])

    assert [(row.label, row.shown, row.kept) for row in rows] == [("cat", 0, 0), ("dog", 40, 30)]
    assert rows[1].share.value == 0.75
    assert [row.share.known for row in rows] == [False, True]
