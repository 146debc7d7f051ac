"""A dry run: what out-of-fold labels say of a set, and what a scan then accepts."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.certify.dry_run import expected_coverage, expected_finish, left_then, right_chances
from labeling.certify.finished import finished
from labeling.certify.scan import scan
from labeling.errors import Invalid


def test_chances_rise_with_the_score_and_come_near_the_truth() -> None:
    rng = np.random.default_rng(0)
    known, scores = rng.random(2_000), np.sort(rng.random(500))
    right = rng.random(2_000) < 0.5 + known / 2

    found = right_chances(scores, known, right)

    assert (np.diff(found) >= 0).all() and found[0] < 0.65 < 0.9 < found[-1]
    assert float(np.abs(found - (0.5 + scores / 2)).mean()) < 0.04


def test_labels_that_are_all_right_leave_room_for_an_error() -> None:
    found = right_chances(np.array([0.0, 5.0]), np.arange(49.0), np.ones(49, bool))

    assert found == pytest.approx([0.99, 0.99])


def test_the_forecast_is_what_the_scan_then_accepts() -> None:
    """60 samples of a set with these chances, by the scan itself: the middle of them lies where it was expected."""
    rng, chances = np.random.default_rng(0), np.linspace(1, 0.75, 1_000)

    expected = expected_coverage(chances, 200, 0.9, 0.1, np.random.default_rng(1))

    accepted = []
    for _ in range(60):
        sampled = rng.permutation(1_000) < 200
        found = scan(sampled, rng.random(200) < chances[sampled], 0.9, 0.1).accepted
        accepted.append(found.unsampled / 800 if found else 0.0)
    assert float(np.median(accepted)) == pytest.approx(expected.median, abs=0.05)
    assert 0.8 <= np.mean([expected.lower <= one <= expected.upper for one in accepted]) <= 0.99


def test_a_sample_that_is_too_small_is_expected_to_accept_nothing() -> None:
    found = expected_coverage(np.full(1_000, 0.99), 20, 0.95, 0.1, np.random.default_rng(0))

    assert (found.median, found.upper, found.nothing) == (0, 0, 1)


def test_few_labels_say_that_it_is_not_yet_known() -> None:
    with pytest.raises(Invalid, match="label 30 images first"):
        right_chances(np.zeros(3), np.zeros(29), np.ones(29, bool))


def test_a_sample_of_the_whole_set_is_refused() -> None:
    with pytest.raises(Invalid, match="leaves nothing to certify"):
        expected_coverage(np.ones(10), 10, 0.9, 0.1, np.random.default_rng(0))


def test_the_forecast_of_a_finished_data_set_is_what_is_then_accepted() -> None:
    rng, chances = np.random.default_rng(0), np.linspace(1, 0.75, 1_000)

    expected = expected_finish(chances, 200, 0.05, 0.1, np.random.default_rng(1))

    accepted = []
    for _ in range(60):
        sampled = rng.permutation(1_000) < 200
        accepted.append(finished(sampled, rng.random(200) < chances[sampled], 0.05, 0.1).unsampled / 800)
    assert 0 < float(np.median(accepted)) == pytest.approx(expected.median, abs=0.05)
    assert 0.8 <= np.mean([expected.lower <= one <= expected.upper for one in accepted]) <= 0.99


def test_what_is_never_accepted_is_not_forecast_as_accepted() -> None:
    chances = np.concatenate([np.ones(60), np.zeros(40)])

    found = expected_finish(chances, 50, 0.5, 0.1, np.random.default_rng(0))

    assert 0 < found.upper < 0.8


def test_queries_take_more_of_the_set_the_more_answers_are_missing() -> None:
    left = [left_then(1_000, 100, missing, 250, 50, 0.2, 0.25) for missing in (0, 1, 20, 60, 10_000)]

    assert left[0] == 1_000 and (np.diff(left) <= 0).all() and left[1] < 960
    assert left[-1] == 600  # no more than the reserve can lose before the stream is asked first
